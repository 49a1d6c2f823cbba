/**
 * Spherical harmonic transforms of float64 values in host memory, for solvers whose results must be the same to the bit on
 * every machine: the order of the sums is fixed.
 */
import { type HarmonicPart, harmonicTable } from "../../spectral/legendre.ts";
import { latitudesOf, type SphereGrid } from "../../spectral/sphere-grids.ts";
import { type ComplexArray, complexArray, fourierPlan } from "./fourier.ts";

/** A grid on the sphere. */
export interface SphereGridOptions {
  /** Circles of latitude, an even number. */
  readonly latitudes: number;
  /** Points on each, the first at longitude 0: a power of two. */
  readonly longitudes: number;
  /** `gauss-legendre` by default. */
  readonly grid?: SphereGrid;
}

/** Coefficients of a field of tangent vectors in `∇Y_lm/√(l(l+1))` and `r × ∇Y_lm/√(l(l+1))`. */
export interface TangentArray {
  readonly spheroidal: ComplexArray;
  readonly toroidal: ComplexArray;
}

/**
 * Transforms between coefficients of real fields and their values. Coefficients are those of orthonormal harmonics with
 * the phase of Condon and Shortley, for orders from 0 on, `size` of them: by order, then by degree, see `index`. Values
 * are `[longitudes, latitudes]`, two real fields as the parts of a complex one.
 */
export interface SpherePlan extends Required<SphereGridOptions> {
  readonly degree: number;
  /** How many coefficients a field has. */
  readonly size: number;
  /** From 0 at the north pole to π, in radians. */
  readonly colatitudes: Float64Array;
  /** Of the mean over the sphere, for each circle: they add up to 1. */
  readonly weights: Float64Array;
  /** Degree of each coefficient. */
  readonly degrees: Int32Array;
  /** Place of the coefficient of degree l and order m. */
  index(l: number, m: number): number;
  /** Two scalar fields; imaginary parts at order 0 are taken as zero. */
  synthesize(a: ComplexArray, b: ComplexArray, values: ComplexArray): void;
  /** Coefficients of two scalar fields; `values` is used up. */
  analyze(values: ComplexArray, a: ComplexArray, b: ComplexArray): void;
  /** A tangent field: its component to the south as real part, to the east as imaginary part. */
  synthesizeTangent(field: TangentArray, values: ComplexArray): void;
  /** Coefficients of a tangent field; `values` is used up. */
  analyzeTangent(values: ComplexArray, field: TangentArray): void;
}

/** Factors of a sum: 1, i or -i. */
type Turn = "" | "i" | "-i";

/** A plan for fields up to a degree, which must be below half of the longitudes. */
export function spherePlan({
  degree,
  latitudes,
  longitudes,
  grid = "gauss-legendre",
}: SphereGridOptions & { readonly degree: number }): SpherePlan {
  if (!Number.isInteger(latitudes) || latitudes < 2 || latitudes % 2 !== 0)
    throw new RangeError(`spherePlan: latitudes must be an even number of at least 2, got ${latitudes}`);
  const circles = latitudesOf(grid, latitudes);
  const most = Math.min(longitudes / 2 - 1, Math.floor(circles.exactTo / 2));
  const fourier = fourierPlan(longitudes);
  if (!Number.isInteger(degree) || degree < 1 || degree > most)
    throw new RangeError(
      `spherePlan: ${latitudes} latitudes and ${longitudes} longitudes of a ${grid} grid hold degrees from 1 to ${most}, got ${degree}`,
    );
  const [orders, half] = [degree + 1, latitudes / 2];
  const north = circles.colatitudes.slice(0, half);
  const known = new Map<HarmonicPart, Float64Array>();
  const tableOf = (part: HarmonicPart): Float64Array => {
    const found = known.get(part) ?? harmonicTable(part, north, degree);
    known.set(part, found);
    return found;
  };
  const start = (m: number): number => m * orders - (m * (m - 1)) / 2;
  const size = start(orders);
  const degrees = new Int32Array(size);
  for (let m = 0; m < orders; m++) for (let l = m; l < orders; l++) degrees[start(m) + l - m] = l;

  // Values of each order on each circle, [orders, latitudes], of two fields.
  const sums = [complexArray(orders * latitudes), complexArray(orders * latitudes)] as const;
  // What is the same on both hemispheres, and what has the other sign in the south.
  const even = complexArray(half);
  const odd = complexArray(half);

  const overDegrees = (z: ComplexArray, part: HarmonicPart, turn: Turn, sum: ComplexArray, adds: boolean): void => {
    const table = tableOf(part);
    for (let m = 0; m < orders; m++) {
      for (const { re, im } of [even, odd]) {
        re.fill(0);
        im.fill(0);
      }
      for (let l = m; l < orders; l++) {
        const at = start(m) + l - m;
        const zr = z.re[at] as number;
        const zi = z.im[at] as number;
        const a = turn === "" ? zr : turn === "i" ? -zi : zi;
        const b = turn === "" ? zi : turn === "i" ? zr : -zr;
        const { re, im } = isEven(part, l, m) ? even : odd;
        const row = (m * orders + l) * half;
        for (let k = 0; k < half; k++) {
          const p = table[row + k] as number;
          (re[k] as number) += a * p;
          (im[k] as number) += b * p;
        }
      }
      for (let k = 0; k < half; k++) {
        const here = m * latitudes + k;
        const there = m * latitudes + latitudes - 1 - k;
        if (!adds) for (const i of [here, there]) sum.re[i] = sum.im[i] = 0;
        (sum.re[here] as number) += (even.re[k] as number) + (odd.re[k] as number);
        (sum.im[here] as number) += (even.im[k] as number) + (odd.im[k] as number);
        (sum.re[there] as number) += (even.re[k] as number) - (odd.re[k] as number);
        (sum.im[there] as number) += (even.im[k] as number) - (odd.im[k] as number);
      }
    }
  };

  const overLatitudes = (sum: ComplexArray, part: HarmonicPart, turn: Turn, z: ComplexArray, adds: boolean): void => {
    const table = tableOf(part);
    for (let m = 0; m < orders; m++) {
      for (let k = 0; k < half; k++) {
        const here = m * latitudes + k;
        const there = m * latitudes + latitudes - 1 - k;
        const w = ((2 * Math.PI) / longitudes) * (circles.weights[k] as number);
        even.re[k] = w * ((sum.re[here] as number) + (sum.re[there] as number));
        even.im[k] = w * ((sum.im[here] as number) + (sum.im[there] as number));
        odd.re[k] = w * ((sum.re[here] as number) - (sum.re[there] as number));
        odd.im[k] = w * ((sum.im[here] as number) - (sum.im[there] as number));
      }
      for (let l = m; l < orders; l++) {
        const { re, im } = isEven(part, l, m) ? even : odd;
        const row = (m * orders + l) * half;
        let a = 0;
        let b = 0;
        for (let k = 0; k < half; k++) {
          const p = table[row + k] as number;
          a += (re[k] as number) * p;
          b += (im[k] as number) * p;
        }
        const at = start(m) + l - m;
        const x = turn === "" ? a : turn === "i" ? -b : b;
        const y = turn === "" ? b : turn === "i" ? a : -a;
        z.re[at] = adds ? (z.re[at] as number) + x : x;
        z.im[at] = adds ? (z.im[at] as number) + y : y;
      }
    }
  };

  /** The values of two fields from their Fourier sums along circles. */
  const toValues = (values: ComplexArray): void => {
    const [a, b] = sums;
    values.re.fill(0);
    values.im.fill(0);
    for (let k = 0; k < latitudes; k++) {
      values.re[k] = a.re[k] as number;
      values.im[k] = b.re[k] as number;
    }
    for (let i = latitudes; i < orders * latitudes; i++) {
      const there = (longitudes - Math.floor(i / latitudes)) * latitudes + (i % latitudes);
      const [ar, ai, br, bi] = [a.re[i] as number, a.im[i] as number, b.re[i] as number, b.im[i] as number];
      // The sum of one field and i times the other, at frequencies m and -m.
      values.re[i] = ar - bi;
      values.im[i] = ai + br;
      values.re[there] = ar + bi;
      values.im[there] = br - ai;
    }
    fourier.transform(values, { inverse: true });
  };

  const fromValues = (values: ComplexArray): void => {
    const [a, b] = sums;
    fourier.transform(values);
    for (let i = 0; i < orders * latitudes; i++) {
      const there = ((longitudes - Math.floor(i / latitudes)) % longitudes) * latitudes + (i % latitudes);
      const [zr, zi] = [values.re[i] as number, values.im[i] as number];
      const [cr, ci] = [values.re[there] as number, values.im[there] as number];
      a.re[i] = (zr + cr) / 2;
      a.im[i] = (zi - ci) / 2;
      b.re[i] = (zi + ci) / 2;
      b.im[i] = (cr - zr) / 2;
    }
  };

  return {
    degree,
    latitudes,
    longitudes,
    grid,
    size,
    degrees,
    colatitudes: circles.colatitudes,
    weights: circles.weights.map((w) => w / 2),
    index: (l, m) => start(m) + l - m,
    synthesize(a, b, values) {
      overDegrees(a, "value", "", sums[0], false);
      overDegrees(b, "value", "", sums[1], false);
      toValues(values);
    },
    analyze(values, a, b) {
      fromValues(values);
      overLatitudes(sums[0], "value", "", a, false);
      overLatitudes(sums[1], "value", "", b, false);
    },
    synthesizeTangent({ spheroidal, toroidal }, values) {
      overDegrees(spheroidal, "slope", "", sums[0], false);
      overDegrees(toroidal, "along", "-i", sums[0], true);
      overDegrees(toroidal, "slope", "", sums[1], false);
      overDegrees(spheroidal, "along", "i", sums[1], true);
      toValues(values);
    },
    analyzeTangent(values, { spheroidal, toroidal }) {
      fromValues(values);
      overLatitudes(sums[0], "slope", "", spheroidal, false);
      overLatitudes(sums[1], "along", "-i", spheroidal, true);
      overLatitudes(sums[1], "slope", "", toroidal, false);
      overLatitudes(sums[0], "along", "i", toroidal, true);
    },
  };
}

/** Whether a part of a harmonic is the same on both hemispheres. */
const isEven = (part: HarmonicPart, l: number, m: number): boolean => ((l - m) % 2 === 0) !== (part === "slope");
