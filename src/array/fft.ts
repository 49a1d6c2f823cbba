/**
 * Discrete Fourier transforms along any axis, of any length. Complex values are a pair `{ re, im }`. Unnormalized forward,
 * 1/n inverse, as in NumPy.
 */
import { type Complex, type FourierSum, fourierSum, type Parts, shared, table } from "./dft.ts";
import { mul } from "./elementwise.ts";
import { checkFloat } from "./operands.ts";
import { normalizeAxis, sameShape, showShape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

export type { Complex } from "./dft.ts";

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

/** A sum with all parts of its result. */
const whole = (z: Parts, axis: number, sum: Omit<FourierSum, "realOnly">): Complex => {
  const { re, im } = fourierSum(z, axis, sum);
  return { re, im: im as Tensor };
};

export interface FftOptions {
  /** The axis to transform; the last by default. */
  readonly axis?: number;
}

/** Discrete Fourier transform `Z_f = Σ_t z_t e^(-2πi·f·t/n)` along an axis. */
export function fft(z: Complex, { axis = -1 }: FftOptions = {}): Complex {
  checkComplex("fft", z);
  const [at, n] = axisOf("fft", z.re, axis);
  return whole(z, at, { n, sign: -1, take: n, scale: 1 });
}

/** Inverse of `fft`: `z_t = 1/n Σ_f Z_f e^(2πi·f·t/n)`. */
export function ifft(z: Complex, { axis = -1 }: FftOptions = {}): Complex {
  checkComplex("ifft", z);
  const [at, n] = axisOf("ifft", z.re, axis);
  return whole(z, at, { n, sign: 1, take: n, scale: 1 / n });
}

/** Transform of real values along an axis: frequencies 0 to n/2, the others being their conjugates. */
export function rfft(x: Tensor, { axis = -1 }: FftOptions = {}): Complex {
  checkFloat("rfft", x.dtype);
  const [at, n] = axisOf("rfft", x, axis);
  return whole({ re: x, im: null }, at, { n, sign: -1, take: Math.floor(n / 2) + 1, scale: 1 });
}

/**
 * Inverse of `rfft`: real values of the given length (by default `2·(frequencies - 1)`) from the frequencies 0 to
 * length/2. Imaginary parts at 0, and at length/2 for even lengths, are taken as zero.
 */
export function irfft(z: Complex, { axis = -1, length }: FftOptions & { readonly length?: number } = {}): Tensor {
  checkComplex("irfft", z);
  const [at, kept] = axisOf("irfft", z.re, axis);
  const n = length ?? Math.max(1, 2 * (kept - 1));
  if (!Number.isInteger(n) || n < 1 || Math.floor(n / 2) + 1 !== kept) {
    throw new RangeError(`irfft: ${kept} frequencies give ${2 * kept - 2} or ${2 * kept - 1} values, got length ${n}`);
  }
  // Each frequency but 0 and n/2 stands for itself and for its conjugate; those two count once, without their sine.
  const shape = [kept, ...z.re.shape.slice(at + 1).map(() => 1)];
  const weigh = (edge: number) => (f: number) => (f === 0 || 2 * f === n ? edge : 2) / n;
  const weights = shared(`weights ${n} ${shape} ${z.re.dtype}`, () => ({
    re: table(shape, z.re.dtype, weigh(1)),
    im: table(shape, z.re.dtype, weigh(0)),
  }));
  const weighed = { re: mul(z.re, weights.re), im: mul(z.im, weights.im) };
  return fourierSum(weighed, at, { n, sign: 1, take: n, scale: 1, realOnly: true }).re;
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

/** Transform of real values along two axes; the second keeps the frequencies 0 to n/2. */
export const rfft2 = (x: Tensor, { axes = [-2, -1] }: Fft2Options = {}): Complex =>
  fft(rfft(x, { axis: axes[1] }), { axis: axes[0] });

/** Inverse of `rfft2`; `length` is the extent of the second axis of the result, `2·(frequencies - 1)` by default. */
export const irfft2 = (
  z: Complex,
  { axes = [-2, -1], length }: Fft2Options & { readonly length?: number } = {},
): Tensor => irfft(ifft(z, { axis: axes[0] }), { axis: axes[1], ...(length === undefined ? {} : { length }) });
