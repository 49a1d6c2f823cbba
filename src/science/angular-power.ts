/**
 * Angular power spectra of fields that are projected along the line of sight, in three ways: all modes on the full sky, by
 * spherical Bessel functions; all modes on the flat sky, with the spectrum as a sum of power laws; and Limber's
 * approximation, which has only modes across the line of sight.
 * Source: Gao, Vlah, Challinor 2023, "Flat-sky angular power spectra revisited", arXiv:2307.13768.
 */
import { lineOfSightKernel, type PowerLaws } from "./power-laws.ts";
import { sphericalBessel } from "./spherical-bessel.ts";

/** How much of a field at each distance is seen; zero outside of the range. */
export interface Projection {
  readonly weight: (distance: number) => number;
  readonly range: readonly [from: number, to: number];
}

const checkDegrees = (degrees: readonly number[]): void => {
  for (const l of degrees)
    if (!Number.isInteger(l) || l < 1)
      throw new RangeError(`angular power: degrees are whole numbers from 1, got ${l}`);
};

export interface FullSkyOptions {
  readonly degrees: readonly number[];
  /** Largest wavenumber that is integrated over. */
  readonly most: number;
  /** Points over a projection; enough to follow the waves of the largest wavenumber by default. */
  readonly points?: number;
  /** Wavenumbers for each that band limits ask for; 1.5 by default. */
  readonly oversampling?: number;
}

/**
 * `C_l = 2/π ∫ k² dk P(k) Δ_l(k) Δ'_l(k)`, `Δ_l(k) = ∫ dx W(x) j_l(kx)`, for each degree. The integrand is limited in band
 * by the distances, so equal steps in k are exact but for the spectrum's own features.
 */
export function fullSky(
  power: (k: number) => number,
  [first, second]: readonly [Projection, Projection],
  { degrees, most, points, oversampling = 1.5 }: FullSkyOptions,
): number[] {
  checkDegrees(degrees);
  const largest = Math.max(...degrees);
  const farthest = Math.max(first.range[1], second.range[1]);
  const step = Math.PI / (oversampling * farthest);
  const isSame = first === second;
  const sampled = (isSame ? [first] : [first, second]).map(({ weight, range: [from, to] }) => {
    const count = points ?? Math.ceil((1.5 * most * (to - from)) / Math.PI) + 40;
    const [nodes, weights] = [new Float64Array(count), new Float64Array(count)];
    for (let i = 0; i < count; i++) {
      nodes[i] = from + ((i + 0.5) * (to - from)) / count;
      weights[i] = (weight(nodes[i] as number) * (to - from)) / count;
    }
    return { nodes, weights };
  });
  const totals = degrees.map(() => 0);
  const bessel = new Float64Array(largest + 1);
  const count = Math.floor(most / step);
  for (let i = 1; i <= count; i++) {
    const k = i * step;
    const [a, b] = sampled.map(({ nodes, weights }) => {
      const projected = degrees.map(() => 0);
      for (let j = 0; j < nodes.length; j++) {
        sphericalBessel(largest, k * (nodes[j] as number), bessel);
        for (let d = 0; d < degrees.length; d++)
          projected[d] = (projected[d] as number) + (weights[j] as number) * (bessel[degrees[d] as number] as number);
      }
      return projected;
    }) as [number[], number[] | undefined];
    const factor = (2 / Math.PI) * step * k * k * power(k);
    for (let d = 0; d < degrees.length; d++)
      totals[d] = (totals[d] as number) + factor * (a[d] as number) * ((b ?? a)[d] as number);
  }
  return totals;
}

/** Limber's approximation: `C_l = ∫ dx W W'/x² P((l + 1/2)/x)`. */
export function limber(
  power: (k: number) => number,
  [first, second]: readonly [Projection, Projection],
  { degrees, points = 2000 }: { readonly degrees: readonly number[]; readonly points?: number },
): number[] {
  checkDegrees(degrees);
  const from = Math.max(first.range[0], second.range[0]);
  const to = Math.min(first.range[1], second.range[1]);
  if (to <= from) return degrees.map(() => 0);
  const step = (to - from) / points;
  return degrees.map((l) => {
    let total = 0;
    for (let i = 0; i < points; i++) {
      const x = from + (i + 0.5) * step;
      total += ((step * first.weight(x) * second.weight(x)) / (x * x)) * power((l + 0.5) / x);
    }
    return total;
  });
}

export interface FlatSkyOptions {
  readonly degrees: readonly number[];
  /**
   * What stands for the distance of two points and for that of both from us: `difference`, `x - x'` at their mean, or
   * `logarithm`, `x̄·ln(x/x')` at their geometric mean, which is exact for `P ~ k^-2` at unequal distances too.
   */
  readonly separation?: "difference" | "logarithm";
  /** Points along the mean distance; 80 by default. */
  readonly points?: number;
  /** Of the logarithm of the separation; 0.05 by default. */
  readonly step?: number;
}

/** Separations times wavenumbers that matter: the kernel falls off as `e^-t`. */
const [NEAREST, FARTHEST] = [1e-5, 45];

/**
 * `C_l = ∫∫ dx dx' W W'/(x x') ∫ dq/2π e^(iq(x-x')) P(√(q² + a²))`, `a = (l + 1/2)/x̄`, for each degree, with the inner
 * integral known for each power law. Separations run over a grid in `a·d`, on which the kernels are tabulated once.
 */
export function flatSky(
  laws: PowerLaws,
  [first, second]: readonly [Projection, Projection],
  { degrees, separation = "logarithm", points = 80, step = 0.05 }: FlatSkyOptions,
): number[] {
  checkDegrees(degrees);
  const count = Math.ceil(Math.log(FARTHEST / NEAREST) / step);
  const grid = Float64Array.from({ length: count }, (_, j) => NEAREST * Math.exp(j * step));
  const kernels = kernelTable(laws, grid, step);
  const isLog = separation === "logarithm";
  // The mean, or its logarithm, runs over what the ranges have in common and a half of what they have not.
  const scale = (x: number) => (isLog ? Math.log(x) : x);
  const from = (scale(first.range[0]) + scale(second.range[0])) / 2;
  const to = (scale(first.range[1]) + scale(second.range[1])) / 2;
  const width = (to - from) / points;
  const along = new Float64Array(count);
  const seen = ({ weight, range }: Projection, x: number) => (x > range[0] && x < range[1] ? weight(x) : 0);
  return degrees.map((l) => {
    let total = 0;
    for (let i = 0; i < points; i++) {
      const middle = from + (i + 0.5) * width;
      const mean = isLog ? Math.exp(middle) : middle;
      const a = (l + 0.5) / mean;
      modesAlong(laws, kernels, a, along);
      for (let j = 0; j < count; j++) {
        const t = grid[j] as number;
        const half = t / a / 2;
        const [x, y] = isLog
          ? [mean * Math.exp(half / mean), mean * Math.exp(-half / mean)]
          : [mean + half, mean - half];
        if (y <= 0) break;
        const product = seen(first, x) * seen(second, y) + seen(first, y) * seen(second, x);
        if (product === 0) continue;
        // dx dx' is x x' du dv with u and v the mean and the difference of logarithms.
        const measure = isLog ? width / mean : width / (x * y);
        total += measure * step * t * product * (along[j] as number);
      }
    }
    return total;
  });
}

interface Kernels {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** Kernels that were tabulated, by power laws and step. */
const tabulated = new WeakMap<PowerLaws, Map<number, Kernels>>();

/** The kernels of all power laws on the grid, `[terms, grid]`, times their coefficients; made once for each step. */
function kernelTable(laws: PowerLaws, grid: Float64Array, step: number): Kernels {
  const known = tabulated.get(laws) ?? new Map<number, Kernels>();
  tabulated.set(laws, known);
  const found = known.get(step) ?? makeKernels(laws, grid);
  known.set(step, found);
  return found;
}

function makeKernels({ bias, terms }: PowerLaws, grid: Float64Array): Kernels {
  const [re, im] = [new Float64Array(terms.length * grid.length), new Float64Array(terms.length * grid.length)];
  terms.forEach(({ coefficient, frequency }, n) => {
    grid.forEach((t, j) => {
      const kernel = lineOfSightKernel({ re: bias, im: frequency }, t);
      re[n * grid.length + j] = coefficient.re * kernel.re - coefficient.im * kernel.im;
      im[n * grid.length + j] = coefficient.re * kernel.im + coefficient.im * kernel.re;
    });
  });
  return { re, im };
}

/** `Re Σ_n c_n (a/k_0)^(ν_n) G_n(t)` for every t: the sum over the modes along the line of sight, over a. */
function modesAlong({ pivot, bias, terms }: PowerLaws, kernels: Kernels, a: number, into: Float64Array): void {
  into.fill(0);
  const log = Math.log(a / pivot);
  const size = Math.exp(bias * log);
  terms.forEach(({ frequency }, n) => {
    const [c, s] = [size * Math.cos(frequency * log), size * Math.sin(frequency * log)];
    const start = n * into.length;
    for (let j = 0; j < into.length; j++)
      into[j] = (into[j] as number) + c * (kernels.re[start + j] as number) - s * (kernels.im[start + j] as number);
  });
}
