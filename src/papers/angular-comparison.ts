/** Angular power spectra of windows and of lensing in every way that the flat-sky study compares, with tables and plots. */
import type { Figure, Scale, StudyContext } from "../report/index.ts";
import {
  type Cosmology,
  expansion,
  type FlatSkyOptions,
  flatSky,
  fullSky,
  HUBBLE_LENGTH,
  limber,
  linearMatterPower,
  type Projection,
  powerLaws,
} from "../science/index.ts";
import { uniforms } from "./sparse-signals.ts";

/** A flat universe not far from the observed one, another for each seed. */
async function cosmologyOf(seed: number): Promise<Cosmology> {
  const [a, b, c, d] = (await uniforms(7000 + seed, 4)) as unknown as [number, number, number, number];
  return {
    hubble: 0.65 + 0.1 * a,
    matter: 0.25 + 0.1 * b,
    baryons: 0.04 + 0.015 * c,
    tilt: 0.93 + 0.07 * d,
    sigma8: 0.82,
  };
}

/** Distance of the windows, at a redshift near 1, and of the sources of lensing; in Mpc/h. */
const FAR = 2400;

interface Sizes {
  readonly degrees: readonly number[];
  /** Widths of Gaussian windows. */
  readonly widths: readonly number[];
  readonly lensing: readonly number[];
  /** Points of the flat forms along the mean distance, for windows and for lensing. */
  readonly points: number;
  readonly lensingPoints: number;
  /** Points of the spectrum on a logarithmic grid. */
  readonly count: number;
}
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: { degrees: [2, 10, 50], widths: [50], lensing: [10, 30], points: 30, lensingPoints: 60, count: 256 },
  small: {
    degrees: [2, 3, 5, 10, 20, 30, 50, 100, 200],
    widths: [20, 100, 300],
    lensing: [2, 3, 5, 10, 20, 30, 50, 100],
    points: 80,
    lensingPoints: 200,
    count: 512,
  },
  full: {
    degrees: [2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50, 70, 100, 150, 200, 300, 500],
    widths: [20, 50, 100, 200, 300],
    lensing: [2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200],
    points: 160,
    lensingPoints: 400,
    count: 1024,
  },
};

/** One pair of projections in all ways, by degree. */
export interface Compared {
  readonly name: string;
  readonly kind: "equal" | "unequal" | "lensing";
  readonly degrees: readonly number[];
  readonly full: readonly number[];
  /** By logarithms of distances, and by their differences. */
  readonly flat: readonly number[];
  readonly difference: readonly number[];
  readonly limber: readonly number[];
}

const universe = (cosmology: Cosmology) => ({
  cosmology,
  power: linearMatterPower(cosmology),
  space: expansion(cosmology),
});

/** Matter in a Gaussian window, as it has grown at each distance. */
function bump({ space }: ReturnType<typeof universe>, center: number, width: number): Projection {
  const norm = 1 / (Math.sqrt(2 * Math.PI) * width);
  return {
    weight: (x) => norm * Math.exp(-(((x - center) / width) ** 2) / 2) * space.growth(space.redshift(x)),
    range: [center - 5 * width, center + 5 * width],
  };
}

/** The kernel of the convergence of lensing for sources at one distance. */
function lens({ cosmology, space }: ReturnType<typeof universe>): Projection {
  const scale = (1.5 * cosmology.matter) / HUBBLE_LENGTH ** 2;
  return {
    weight(x) {
      const z = space.redshift(x);
      return ((scale * (1 + z) * x * (FAR - x)) / FAR) * space.growth(z);
    },
    range: [20, FAR],
  };
}

/** All pairs: each width with itself, with a window two widths away, and lensing with itself. */
export async function compareAll(context: StudyContext, seed: number): Promise<Compared[]> {
  const { degrees, widths, lensing, points, lensingPoints, count } = sizes[context.scale];
  const world = universe(await cosmologyOf(seed));
  const { power } = world;
  const laws = powerLaws(power, { from: 1e-6, to: 1e3, count, bias: -1.5 });
  const flatWays = (pair: readonly [Projection, Projection], options: FlatSkyOptions) => ({
    flat: flatSky(laws, pair, options),
    difference: flatSky(laws, pair, { ...options, separation: "difference" }),
    limber: limber(power, pair, options),
  });
  const total = 2 * widths.length + 1;
  let done = 0;
  const remembered = (name: string, fn: () => Omit<Compared, "name">): Promise<Compared> => {
    context.progress({ stage: `${name}, seed ${seed}`, done: done++, total, unit: "spectra" });
    return context.remember(`${name}, seed ${seed}`, async () => ({ name, ...fn() }));
  };
  const results: Compared[] = [];
  for (const width of widths) {
    for (const kind of ["equal", "unequal"] as const) {
      const apart = kind === "equal" ? 0 : 2 * width;
      const near = bump(world, FAR - apart / 2, width);
      const pair = [near, apart === 0 ? near : bump(world, FAR + apart / 2, width)] as const;
      // Beyond these wavenumbers a window of this width has averaged everything away.
      const most = Math.hypot(((degrees.at(-1) as number) + 10) / near.range[0], 8 / width);
      results.push(
        await remembered(`windows of ${width} Mpc/h, ${apart} apart`, () => ({
          kind,
          degrees,
          full: fullSky(power, pair, { degrees, most }),
          ...flatWays(pair, { degrees, points }),
        })),
      );
    }
  }
  results.push(
    await remembered("lensing", () => {
      const kernel = lens(world);
      // The potential has P/k⁴, and the convergence is half of its curvature on the sphere.
      const potential: Projection = { ...kernel, weight: (x) => kernel.weight(x) / (x * x) };
      const spectra = fullSky((k) => power(k) / k ** 4, [potential, potential], { degrees: lensing, most: 0.8 });
      return {
        kind: "lensing",
        degrees: lensing,
        full: spectra.map((value, i) => {
          const l = lensing[i] as number;
          return value * (l * (l + 1)) ** 2;
        }),
        ...flatWays([kernel, kernel], { degrees: lensing, points: lensingPoints }),
      };
    }),
  );
  return results;
}

export type Way = "flat" | "difference" | "limber";

/** The largest error against the full sky, in percent, of some pairs and degrees. */
export function worst(
  results: readonly Compared[],
  way: Way,
  kinds: readonly Compared["kind"][],
  isMeant: (degree: number) => boolean,
): number {
  const errors = results
    .filter(({ kind }) => kinds.includes(kind))
    .flatMap((one) => one.degrees.flatMap((l, i) => (isMeant(l) ? [errorOf(one, way, i)] : [])));
  return Math.max(...errors.map(Math.abs));
}

export const errorOf = (one: Compared, way: Way, i: number): number =>
  100 * ((one[way][i] as number) / (one.full[i] as number) - 1);

export const large = (l: number): boolean => l <= 10;
export const smaller = (l: number): boolean => l >= 20;

export function comparisonFigures(results: readonly Compared[]): Figure[] {
  const errors: Figure = {
    kind: "table",
    title: "Errors against the full sky, in percent",
    caption:
      "Flat sky by logarithms of distances / flat sky by their differences / Limber. Distances and widths in Mpc/h; the windows lie 2,400 Mpc/h away.",
    columns: ["degree", ...results.map(({ name }) => name)],
    rows: [...new Set(results.flatMap(({ degrees }) => degrees))].map((l) => [
      l,
      ...results.map((one) => {
        const i = one.degrees.indexOf(l);
        if (i < 0) return "";
        return (["flat", "difference", "limber"] as const)
          .map((way) => errorOf(one, way, i).toPrecision(2))
          .join(" / ");
      }),
    ]),
  };
  const spectra: Figure = {
    kind: "lines",
    title: "Angular power spectra of windows at one distance",
    caption:
      "Full sky as lines of their own; flat-sky points cover them. Limber's has too little power at low degrees.",
    x: { label: "degree", log: true },
    y: { label: "power", log: true },
    series: results
      .filter(({ kind }) => kind === "equal")
      .flatMap((one) =>
        (["full", "flat", "limber"] as const).map((way) => ({
          name: `${one.name.replace(", 0 apart", "").replace("windows of ", "")}, ${way}`,
          points: one.degrees.map((l, i) => ({ x: l, y: one[way][i] as number })),
        })),
      ),
  };
  const sizes: Figure = {
    kind: "lines",
    title: "Sizes of errors against the full sky",
    x: { label: "degree", log: true },
    y: { label: "%", log: true },
    series: results.flatMap((one) =>
      (["flat", "limber"] as const).map((way) => ({
        name: `${one.name}, ${way}`,
        points: one.degrees.map((l, i) => ({ x: l, y: Math.max(1e-4, Math.abs(errorOf(one, way, i))) })),
      })),
    ),
  };
  return [errors, spectra, sizes];
}

/** Changes in percent of one window's spectra when the numerical choices of either side change. */
export async function convergence(scale: Scale): Promise<[flat: number, full: number]> {
  const { widths, points, count } = sizes[scale];
  const world = universe(await cosmologyOf(0));
  const width = widths[Math.floor(widths.length / 2)] as number;
  const window = bump(world, FAR, width);
  const pair = [window, window] as const;
  const degrees = scale === "smoke" ? [10] : [2, 10, 50];
  const change = (a: readonly number[], b: readonly number[]) =>
    Math.max(...a.map((value, i) => 100 * Math.abs(value / (b[i] as number) - 1)));
  const laws = [
    powerLaws(world.power, { from: 1e-6, to: 1e3, count, bias: -1.5 }),
    powerLaws(world.power, { from: 1e-5, to: 1e4, count: (5 * count) / 4, bias: -1.8 }),
  ] as const;
  const flat = laws.map((one, i) => flatSky(one, pair, { degrees, points: points * (i + 1) })) as [number[], number[]];
  const most = Math.hypot(70 / window.range[0], 8 / width);
  return [
    change(flat[0], flat[1]),
    change(
      fullSky(world.power, pair, { degrees, most }),
      fullSky(world.power, pair, { degrees, most: 2 * most, oversampling: 3 }),
    ),
  ];
}
