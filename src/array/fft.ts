/**
 * Discrete Fourier transforms along any axis, of any length. Complex values are a pair `{ re, im }`. Unnormalized forward,
 * 1/n inverse, as in NumPy.
 */
import type { Complex } from "./complex.ts";
import { type FourierSum, fourierSum, type Parts, shared, table } from "./dft.ts";
import { mul } from "./elementwise.ts";
import { slice } from "./layout.ts";
import { checkFloat } from "./operands.ts";
import { normalizeAxis, sameShape, showShape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

function checkComplex(operation: string, { re, im }: Complex): void {
  checkFloat(operation, re.dtype);
  if (re.dtype !== im.dtype || !sameShape(re.shape, im.shape)) {
    throw new TypeError(`${operation}: expected re and im of one shape and type, got ${re} and ${im}`);
  }
}

/** The axis counted from 0, and its extent, which must not be 0. */
function axisOf(operation: string, x: Tensor, axis: number): [axis: number, extent: number] {
  const at = normalizeAxis(operation, axis, x.rank);
  const n = x.shape[at] as number;
  if (n < 1) throw new RangeError(`${operation}: axis ${at} of shape ${showShape(x.shape)} has no elements`);
  return [at, n];
}

/** At most `length` elements along the axis; the sums take those that are missing for zeros. */
const cut = (x: Tensor, axis: number, length: number): Tensor =>
  slice(x, { starts: [0], stops: [length], axes: [axis] });

function checkCount(operation: string, name: string, value: number, most = Number.MAX_SAFE_INTEGER): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  const range = most < Number.MAX_SAFE_INTEGER ? `from 1 to ${most}` : "of at least 1";
  throw new RangeError(`${operation}: ${name} is a whole number ${range}, got ${value}`);
}

/** A sum with all parts of its result. */
const whole = (z: Parts, axis: number, sum: Omit<FourierSum, "realOnly">): Complex => {
  const { re, im } = fourierSum(z, axis, sum);
  return { re, im: im as Tensor };
};

export interface FftOptions {
  /** The axis to transform; the last by default. */
  readonly axis?: number;
  /** Length n of the transform: shorter axes are continued by zeros (which cost nothing), longer ones are cut. */
  readonly length?: number;
  /**
   * Extents of the stages in which the transform is computed, whole numbers whose product is the length: `[length]` is one
   * dense matrix, `[32, 32]` the order-2 Monarch form of 1,024, `[16, 16, 16]` the order-3 form of 4,096. A complex
   * transform does `8·length·Σ factors` operations. By default those that are cheapest.
   */
  readonly factors?: readonly number[];
}

/** Throws unless the stages make up the length. */
function checkFactors(operation: string, n: number, { factors }: FftOptions): Pick<FourierSum, "factors"> {
  if (!factors) return {};
  const product = factors.reduce((total, extent) => total * extent, 1);
  if (factors.length < 1 || factors.some((extent) => !Number.isInteger(extent) || extent < 1) || product !== n)
    throw new RangeError(
      `${operation}: factors are whole numbers of at least 1 whose product is the length ${n}, got [${factors.join(", ")}]`,
    );
  return { factors };
}

/** Both transforms of complex values, which differ in sign and scale. */
function complexTransform(operation: string, z: Complex, options: FftOptions, sign: 1 | -1): Complex {
  const { axis = -1, length } = options;
  checkComplex(operation, z);
  const [at, extent] = axisOf(operation, z.re, axis);
  const n = checkCount(operation, "length", length ?? extent);
  const short = { re: cut(z.re, at, n), im: cut(z.im, at, n) };
  return whole(short, at, {
    ...{ n, sign, take: n, scale: sign === 1 ? 1 / n : 1 },
    ...checkFactors(operation, n, options),
  });
}

/** Discrete Fourier transform `Z_f = Σ_t z_t e^(-2πi·f·t/n)` along an axis. */
export const fft = (z: Complex, options: FftOptions = {}): Complex => complexTransform("fft", z, options, -1);

/** Inverse of `fft`: `z_t = 1/n Σ_f Z_f e^(2πi·f·t/n)`. */
export const ifft = (z: Complex, options: FftOptions = {}): Complex => complexTransform("ifft", z, options, 1);

export interface RfftOptions extends FftOptions {
  /** Keep only so many frequencies, the lowest; `⌊n/2⌋ + 1` by default, which is all. Those left out are not computed. */
  readonly frequencies?: number;
}

/** Transform of real values along an axis: frequencies 0 to n/2, the others being their conjugates. */
export function rfft(x: Tensor, options: RfftOptions = {}): Complex {
  const { axis = -1, length, frequencies } = options;
  checkFloat("rfft", x.dtype);
  const [at, extent] = axisOf("rfft", x, axis);
  const n = checkCount("rfft", "length", length ?? extent);
  const all = Math.floor(n / 2) + 1;
  const take = checkCount("rfft", "frequencies", frequencies ?? all, all);
  return whole({ re: cut(x, at, n), im: null }, at, {
    n,
    sign: -1,
    take,
    scale: 1,
    ...checkFactors("rfft", n, options),
  });
}

/**
 * Inverse of `rfft`: real values of the given length (by default `2·(frequencies - 1)`) from the lowest frequencies; those
 * up to length/2 that are missing are zeros, which cost nothing. Imaginary parts at 0, and at length/2 for even lengths,
 * are taken as zero.
 */
export function irfft(z: Complex, options: FftOptions = {}): Tensor {
  const { axis = -1, length } = options;
  checkComplex("irfft", z);
  const [at, kept] = axisOf("irfft", z.re, axis);
  const n = checkCount("irfft", "length", length ?? Math.max(1, 2 * (kept - 1)));
  if (kept > Math.floor(n / 2) + 1) {
    throw new RangeError(`irfft: length ${n} has ${Math.floor(n / 2) + 1} frequencies, got ${kept}; slice them first`);
  }
  // Each frequency but 0 and n/2 stands for itself and for its conjugate; those two count once, without their sine.
  const shape = [kept, ...z.re.shape.slice(at + 1).map(() => 1)];
  const weigh = (edge: number) => (f: number) => (f === 0 || 2 * f === n ? edge : 2) / n;
  const weights = shared(`weights ${n} ${shape} ${z.re.dtype}`, () => ({
    re: table(shape, z.re.dtype, weigh(1)),
    im: table(shape, z.re.dtype, weigh(0)),
  }));
  const weighed = { re: mul(z.re, weights.re), im: mul(z.im, weights.im) };
  const sum: FourierSum = { n, sign: 1, take: n, scale: 1, realOnly: true, ...checkFactors("irfft", n, options) };
  return fourierSum(weighed, at, sum).re;
}

export interface Fft2Options {
  /** The two axes to transform; the last two by default. */
  readonly axes?: readonly [number, number];
}

/** `fft` along two axes. */
export const fft2 = (z: Complex, { axes = [-2, -1] }: Fft2Options = {}): Complex =>
  fft(fft(z, { axis: axes[1] }), { axis: axes[0] });

/** Inverse of `fft2`. */
export const ifft2 = (z: Complex, { axes = [-2, -1] }: Fft2Options = {}): Complex =>
  ifft(ifft(z, { axis: axes[0] }), { axis: axes[1] });

/** Transform of real values along two axes; the second keeps the lowest frequencies, by default 0 to n/2. */
export const rfft2 = (
  x: Tensor,
  { axes = [-2, -1], frequencies }: Fft2Options & Pick<RfftOptions, "frequencies"> = {},
): Complex => fft(rfft(x, { axis: axes[1], ...(frequencies === undefined ? {} : { frequencies }) }), { axis: axes[0] });

/** Inverse of `rfft2`; `length` is the extent of the second axis of the result, `2·(frequencies - 1)` by default. */
export const irfft2 = (
  z: Complex,
  { axes = [-2, -1], length }: Fft2Options & Pick<FftOptions, "length"> = {},
): Tensor => irfft(ifft(z, { axis: axes[0] }), { axis: axes[1], ...(length === undefined ? {} : { length }) });
