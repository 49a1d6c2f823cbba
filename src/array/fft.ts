/**
 * Discrete Fourier transforms as matrix products: a dense matrix for short axes, two stages (a Monarch factorization)
 * for long ones, Bluestein's convolution where a large prime factor remains. The runtime's own operator is 3 to 10 times
 * slower. Unnormalized forward, 1/n inverse, as in NumPy. Gradients follow from the products.
 */
import { allocate, type DType, setElement } from "./dtype.ts";
import { add, mul, neg, sub } from "./elementwise.ts";
import { concat, flip, pad, reshape, slice, transpose, zerosLike } from "./layout.ts";
import { matmul } from "./linear.ts";
import { checkFloat } from "./operands.ts";
import { normalizeAxis, sameShape, showShape } from "./shape.ts";
import { fromData, type Tensor } from "./tensor.ts";

/** Complex values as a pair of tensors of one shape and type. */
export interface Complex {
  readonly re: Tensor;
  readonly im: Tensor;
}

/** Up to this length one dense matrix is fastest. */
const DENSE = 256;

/** A table of numbers of a type, from a function of row and column. */
function table(rows: number, columns: number, dtype: DType, value: (row: number, column: number) => number): Tensor {
  const data = allocate(dtype, rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) setElement(dtype, data, i * columns + j, value(i, j));
  return fromData({ shape: [rows, columns], dtype }, data);
}

const tables = new Map<string, Complex>();

/**
 * `e^(sign·2πi·(row·column mod n)/n)` in float64, rounded once: reducing the angle in whole numbers keeps tables exact
 * for any length. Tables are kept: a model uses few lengths, often.
 */
function roots(n: number, rows: number, columns: number, sign: number, dtype: DType): Complex {
  const key = `${n} ${rows} ${columns} ${sign} ${dtype}`;
  let known = tables.get(key);
  if (!known) {
    const angle = (i: number, j: number) => (2 * Math.PI * ((i * j) % n)) / n;
    known = {
      re: table(rows, columns, dtype, (i, j) => Math.cos(angle(i, j))),
      im: table(rows, columns, dtype, (i, j) => sign * Math.sin(angle(i, j))),
    };
    tables.set(key, known);
  }
  return known;
}

const times = (a: Complex, b: Complex): Complex => ({
  re: sub(mul(a.re, b.re), mul(a.im, b.im)),
  im: add(mul(a.re, b.im), mul(a.im, b.re)),
});

const map = ({ re, im }: Complex, fn: (x: Tensor) => Tensor): Complex => ({ re: fn(re), im: fn(im) });

/** The divisor of `n` closest to its root from below; 1 for primes. */
function factor(n: number): number {
  for (let d = Math.floor(Math.sqrt(n)); d > 1; d--) if (n % d === 0) return d;
  return 1;
}

/** Transform along the last axis; `sign` is -1 forward, 1 backward, without normalization. A null `im` is zero. */
function transformLast(re: Tensor, im: Tensor | null, sign: number): Complex {
  const n = re.shape.at(-1) as number;
  if (n <= 1) return { re, im: im ?? zerosLike(re) };
  const columns = factor(n);
  if (n <= DENSE) return dense(re, im, sign);
  return columns === 1 || n / columns > 64 * DENSE
    ? bluestein(re, im, sign)
    : twoStages(re, im, sign, n / columns, columns);
}

function dense(re: Tensor, im: Tensor | null, sign: number): Complex {
  const n = re.shape.at(-1) as number;
  const w = roots(n, n, n, sign, re.dtype);
  if (!im) return { re: matmul(re, w.re), im: matmul(re, w.im) };
  return { re: sub(matmul(re, w.re), matmul(im, w.im)), im: add(matmul(re, w.im), matmul(im, w.re)) };
}

/**
 * `n = rows·columns`, time `t = columns·t1 + t2`, frequency `f = f1 + rows·f2`: transforms over t1, twiddle factors
 * `e^(±2πi·f1·t2/n)`, transforms over t2. Each stage is again a transform of a shorter axis.
 */
function twoStages(re: Tensor, im: Tensor | null, sign: number, rows: number, columns: number): Complex {
  const outer = re.shape.slice(0, -1);
  const n = rows * columns;
  const last = outer.length;
  const swap = [...outer.map((_, i) => i), last + 1, last];
  const grid = (x: Tensor): Tensor => transpose(reshape(x, [...outer, rows, columns]), swap);
  // [..., t2, t1] -> [..., t2, f1]
  const first = transformLast(grid(re), im && grid(im), sign);
  const turned = times(first, roots(n, columns, rows, sign, re.dtype));
  // [..., f1, t2] -> [..., f1, f2], and frequencies f1 + rows·f2 in order are [f2, f1].
  const { re: a, im: b } = map(turned, (x) => transpose(x, swap));
  const second = transformLast(a, b, sign);
  return map(second, (x) => reshape(transpose(x, swap), [...outer, n]));
}

/** A transform of any length as a convolution with a chirp, by transforms of a convenient longer length. */
function bluestein(re: Tensor, im: Tensor | null, sign: number): Complex {
  const n = re.shape.at(-1) as number;
  let m = 1;
  while (m < 2 * n - 1) m *= 2;
  const dtype = re.dtype;
  // k² mod 2n keeps the angle exact.
  const angle = (k: number) => (Math.PI * Number((BigInt(k) * BigInt(k)) % BigInt(2 * n))) / n;
  const row = (length: number, value: (k: number) => number) =>
    reshape(
      table(1, length, dtype, (_, k) => value(k)),
      [length],
    );
  const chirp: Complex = { re: row(n, (k) => Math.cos(angle(k))), im: row(n, (k) => sign * Math.sin(angle(k))) };
  const wrapped = (k: number) => (k < n ? k : m - k < n ? m - k : -1);
  const kernel: Complex = {
    re: row(m, (k) => (wrapped(k) < 0 ? 0 : Math.cos(angle(wrapped(k))))),
    im: row(m, (k) => (wrapped(k) < 0 ? 0 : -sign * Math.sin(angle(wrapped(k))))),
  };
  const widen = (x: Tensor): Tensor =>
    pad(x, { before: x.shape.map(() => 0), after: x.shape.map((_, i) => (i === x.rank - 1 ? m - n : 0)) });
  const input = map(times({ re, im: im ?? zerosLike(re) }, chirp), widen);
  const product = times(transformLast(input.re, input.im, -1), transformLast(kernel.re, kernel.im, -1));
  const back = transformLast(product.re, product.im, 1);
  const head = map(back, (x) => mul(slice(x, { starts: [0], stops: [n], axes: [-1] }), 1 / m));
  return times(head, chirp);
}

/** Applies `fn` to the last axis in place of `axis`. */
function along<T extends Complex | Tensor>(axis: number, rank: number, fn: (toLast: (x: Tensor) => Tensor) => T): T {
  const order = [...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis), axis];
  const back = order.map((_, i) => order.indexOf(i));
  const result = fn((x) => transpose(x, order));
  return ("re" in result ? map(result, (x) => transpose(x, back)) : transpose(result, back)) as T;
}

function checkComplex(operation: string, { re, im }: Complex): void {
  checkFloat(operation, re.dtype);
  if (re.dtype !== im.dtype || !sameShape(re.shape, im.shape)) {
    throw new TypeError(`${operation}: expected re and im of one shape and type, got ${re} and ${im}`);
  }
}

function checkLength(operation: string, x: Tensor, axis: number): number {
  const n = x.shape[axis] as number;
  if (n < 1) throw new RangeError(`${operation}: axis ${axis} of shape ${showShape(x.shape)} has no elements`);
  return n;
}

export interface FftOptions {
  /** The axis to transform; the last by default. */
  readonly axis?: number;
}

/** Discrete Fourier transform `Z_f = Σ_t z_t e^(-2πi·f·t/n)` along an axis. */
export function fft(z: Complex, { axis = -1 }: FftOptions = {}): Complex {
  checkComplex("fft", z);
  const at = normalizeAxis("fft", axis, z.re.rank);
  checkLength("fft", z.re, at);
  return along(at, z.re.rank, (toLast) => transformLast(toLast(z.re), toLast(z.im), -1));
}

/** Inverse of `fft`: `z_t = 1/n Σ_f Z_f e^(2πi·f·t/n)`. */
export function ifft(z: Complex, { axis = -1 }: FftOptions = {}): Complex {
  checkComplex("ifft", z);
  const at = normalizeAxis("ifft", axis, z.re.rank);
  const n = checkLength("ifft", z.re, at);
  return map(
    along(at, z.re.rank, (toLast) => transformLast(toLast(z.re), toLast(z.im), 1)),
    (x) => mul(x, 1 / n),
  );
}

/** Transform of real values along an axis: frequencies 0 to n/2, the others being their conjugates. */
export function rfft(x: Tensor, { axis = -1 }: FftOptions = {}): Complex {
  checkFloat("rfft", x.dtype);
  const at = normalizeAxis("rfft", axis, x.rank);
  const n = checkLength("rfft", x, at);
  return along(at, x.rank, (toLast) => realLast(toLast(x), n));
}

/** Real input along the last axis. */
function realLast(x: Tensor, n: number): Complex {
  const kept = Math.floor(n / 2) + 1;
  if (n <= DENSE) {
    const w = roots(n, n, kept, -1, x.dtype);
    return { re: matmul(x, w.re), im: matmul(x, w.im) };
  }
  const half = (z: Complex) => map(z, (y) => slice(y, { starts: [0], stops: [kept], axes: [-1] }));
  if (n % 2 !== 0) return half(transformLast(x, null, -1));
  // Even and odd elements as real and imaginary part of one transform of half the length.
  const outer = x.shape.slice(0, -1);
  const pairs = reshape(x, [...outer, n / 2, 2]);
  const part = (k: number) => reshape(slice(pairs, { starts: [k], stops: [k + 1], axes: [-1] }), [...outer, n / 2]);
  const z = transformLast(part(0), part(1), -1);
  // Frequencies 0 to n/2 and the conjugate of their mirror images.
  const first = (y: Tensor) => slice(y, { starts: [0], stops: [1], axes: [-1] });
  const ahead = map(z, (y) => concat([y, first(y)], { axis: -1 }));
  const mirrored = map(ahead, (y) => flip(y, { axis: -1 }));
  const even: Complex = { re: mul(add(ahead.re, mirrored.re), 0.5), im: mul(sub(ahead.im, mirrored.im), 0.5) };
  const odd: Complex = { re: mul(add(ahead.im, mirrored.im), 0.5), im: mul(sub(mirrored.re, ahead.re), 0.5) };
  const turned = times(odd, twiddle(n, kept, x.dtype));
  return { re: add(even.re, turned.re), im: add(even.im, turned.im) };
}

/** `e^(-2πi·f/n)` for the frequencies 0 to `count - 1`. */
function twiddle(n: number, count: number, dtype: DType): Complex {
  const { re, im } = roots(n, 2, count, -1, dtype);
  const second = (x: Tensor) => reshape(slice(x, { starts: [1], stops: [2] }), [count]);
  return { re: second(re), im: second(im) };
}

/**
 * Inverse of `rfft`: real values of the given length (by default `2·(frequencies - 1)`) from the frequencies 0 to
 * length/2. Imaginary parts at 0, and at length/2 for even lengths, are taken as zero.
 */
export function irfft(z: Complex, { axis = -1, length }: FftOptions & { readonly length?: number } = {}): Tensor {
  checkComplex("irfft", z);
  const at = normalizeAxis("irfft", axis, z.re.rank);
  const kept = checkLength("irfft", z.re, at);
  const n = length ?? 2 * (kept - 1);
  if (!Number.isInteger(n) || n < 1 || Math.floor(n / 2) + 1 !== kept) {
    throw new RangeError(`irfft: ${kept} frequencies give ${2 * kept - 2} or ${2 * kept - 1} values, got length ${n}`);
  }
  return along(at, z.re.rank, (toLast) => irealLast(toLast(z.re), toLast(z.im), n));
}

function irealLast(re: Tensor, im: Tensor, n: number): Tensor {
  const kept = re.shape.at(-1) as number;
  if (n <= DENSE) {
    const w = roots(n, kept, n, 1, re.dtype);
    // Each frequency but 0 and n/2 stands for itself and its conjugate.
    const weight = reshape(
      table(1, kept, re.dtype, (_, f) => (f === 0 || 2 * f === n ? 1 : 2) / n),
      [kept],
    );
    return sub(matmul(mul(re, weight), w.re), matmul(mul(im, weight), w.im));
  }
  const inner = (x: Tensor): Tensor => flip(slice(x, { starts: [1], stops: [n - kept + 1], axes: [-1] }), { axis: -1 });
  const edge = reshape(
    table(1, kept, re.dtype, (_, f) => (f === 0 || 2 * f === n ? 0 : 1)),
    [kept],
  );
  const whole = mul(im, edge);
  const full = transformLast(
    concat([re, inner(re)], { axis: -1 }),
    concat([whole, neg(inner(whole))], { axis: -1 }),
    1,
  );
  return mul(full.re, 1 / n);
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
