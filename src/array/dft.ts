/**
 * The sums behind Fourier transforms, as matrix products: one dense matrix for short lengths, stages of them (Cooley and
 * Tukey's factorization) for long ones, Bluestein's convolution where a large prime factor remains. The runtime's own
 * operator is 3 to 10 times slower. Gradients follow from the products.
 */
import { type Complex, complexMul, unstack } from "./complex.ts";
import { allocate, type DType, setElement } from "./dtype.ts";
import { add, mul, sub } from "./elementwise.ts";
import { concat, pad, reshape, slice, swapAxes } from "./layout.ts";
import { matmul } from "./linear.ts";
import { type Shape, sizeOf } from "./shape.ts";
import { fromData, type Tensor } from "./tensor.ts";

/** A pair whose imaginary part may be known to be zero, or not be wanted. */
export interface Parts {
  readonly re: Tensor;
  readonly im: Tensor | null;
}

/** `Z_f = scale·Σ_t z_t e^(sign·2πi·f·t/n)` for `f < take`. There may be fewer than `n` values `z_t`: the rest are zeros. */
export interface FourierSum {
  readonly n: number;
  readonly sign: 1 | -1;
  readonly take: number;
  readonly scale: number;
  /** Only the real part of the result is wanted. */
  readonly realOnly?: boolean;
  /** Extents of the stages, whose product is `n`; the cheapest by `planOf` unless they are given. */
  readonly factors?: readonly number[];
}

// --- tables ---

/** A tensor from a function of the index, rounded once from float64. */
export function table(shape: Shape, dtype: DType, value: (index: number) => number): Tensor {
  const data = allocate(dtype, sizeOf(shape));
  for (let i = 0; i < data.length; i++) setElement(dtype, data, i, value(i));
  return fromData({ shape, dtype }, data);
}

const tables = new Map<string, { readonly [name: string]: Tensor }>();
const KEPT_ELEMENTS = 2 ** 24;

/** The tables of a name, made once: transforms of one length in a program share them. The oldest go when they take much memory. */
export function shared<T extends { readonly [K in keyof T]: Tensor }>(key: string, make: () => T): T {
  const found = tables.get(key) ?? { ...make() };
  tables.delete(key);
  tables.set(key, found);
  let total = 0;
  for (const [name, kept] of [...tables].reverse()) {
    for (const { size } of Object.values(kept)) total += size;
    if (total > KEPT_ELEMENTS) tables.delete(name);
  }
  return found as T;
}

/** The angle of the root of unity at a frequency and a time, which is reduced in whole numbers: so it is exact for any length. */
const angleOf = ({ n, sign }: FourierSum, frequency: number, time: number): number =>
  (sign * 2 * Math.PI * ((frequency * time) % n)) / n;

/** `scale·e^(sign·2πi·row·column/n)`. */
function roots(sum: FourierSum, rows: number, columns: number, dtype: DType): Complex {
  const { n, sign, scale } = sum;
  return shared(`roots ${n} ${sign} ${scale} ${rows} ${columns} ${dtype}`, () => {
    const angle = (i: number) => angleOf(sum, Math.floor(i / columns), i % columns);
    return {
      re: table([rows, columns], dtype, (i) => scale * Math.cos(angle(i))),
      im: table([rows, columns], dtype, (i) => scale * Math.sin(angle(i))),
    };
  });
}

/** Element of the real 2 x 2 matrix of a complex number: what a part of a product takes of a part of the other factor. */
const element = (to: number, from: number, angle: number): number =>
  to === from ? Math.cos(angle) : (to - from) * Math.sin(angle);

/**
 * The matrix of a sum for products of real numbers. Columns are the times and, where values are complex (`parts` 2), the
 * times once more for their imaginary parts; rows are the frequencies, for each the parts of its result that are asked for
 * (0 real, 1 imaginary).
 */
function realRoots(sum: FourierSum, times: number, parts: 1 | 2, results: readonly (0 | 1)[], dtype: DType): Tensor {
  const { n, sign, scale, take } = sum;
  return shared(`real ${n} ${sign} ${scale} ${take} ${times} ${parts} ${results} ${dtype}`, () => {
    const columns = parts * times;
    const value = (row: number, column: number): number => {
      const angle = angleOf(sum, Math.floor(row / results.length), column % times);
      return scale * element(results[row % results.length] as 0 | 1, Math.floor(column / times), angle);
    };
    const shape = [results.length * take, columns];
    return { matrix: table(shape, dtype, (i) => value(Math.floor(i / columns), i % columns)) };
  }).matrix;
}

// --- complex arithmetic ---

const map = ({ re, im }: Parts, fn: (x: Tensor) => Tensor): Parts => ({ re: fn(re), im: im && fn(im) });

/** A product, element by element. */
function times(a: Complex, b: Parts, realOnly = false): Parts {
  if (!b.im) return { re: mul(a.re, b.re), im: realOnly ? null : mul(a.im, b.re) };
  return {
    re: sub(mul(a.re, b.re), mul(a.im, b.im)),
    im: realOnly ? null : add(mul(a.im, b.re), mul(a.re, b.im)),
  };
}

// --- the ways to compute a sum ---

/** Dense matrices larger than the square of this, and stages longer, are never fastest. */
const DENSE = 512;

/** What turning values between two stages costs, in rows of a dense matrix of complex values. */
const BETWEEN = 30;

/** Products of short rows do not fill the processor: a stage costs so much more, divided by its extent. */
const SHORT = 500;

/** What the passes over memory of a convolution with a chirp cost. */
const CHIRPS = 250;

interface Plan {
  /** Extent of the first stage: the whole length means one dense matrix, 0 means Bluestein's convolution. */
  readonly first: number;
  readonly cost: number;
}

const stageCost = (extent: number, share: number): number => extent * share + SHORT / extent;

const plans = new Map<string, Plan>();

/**
 * The cheapest way for a length. Costs are in rows of a dense matrix of complex values, for each element; `input` and
 * `output` are the shares of work that is left where values are real, zero or not wanted.
 */
function planOf(n: number, input: number, output: number): Plan {
  const key = `${n} ${input} ${output}`;
  const known = plans.get(key);
  if (known) return known;
  const isDense = n ** 2 * input * output <= DENSE ** 2;
  let best: Plan = isDense
    ? { first: n, cost: stageCost(n, input * output) }
    : { first: 0, cost: Number.POSITIVE_INFINITY };
  const consider = (first: number, cost: number): void => {
    if (cost < best.cost) best = { first, cost };
  };
  for (let first = 2; first <= DENSE && first * first <= n; first++)
    if (n % first === 0) consider(first, stageCost(first, input) + BETWEEN + planOf(n / first, 1, output).cost);
  const m = convolutionLength(2 * n);
  if (m !== 2 * n) consider(0, ((planOf(m, input / 2, 1).cost + planOf(m, 1, output / 2).cost + CHIRPS) * m) / n);
  plans.set(key, best);
  return best;
}

/** The first stage of a sum over values with so many parts, of which so many are given. */
const stageOf = ({ n, take, realOnly, factors }: FourierSum, given: number, parts: 1 | 2): number =>
  factors?.[0] ?? planOf(n, (parts * given) / (2 * n), ((realOnly ? 0.5 : 1) * take) / n).first;

const firstStage = (z: Parts, axis: number, sum: FourierSum): number =>
  stageOf(sum, z.re.shape.at(axis) as number, z.im ? 2 : 1);

const convolutionLength = (atLeast: number): number => 2 ** Math.ceil(Math.log2(atLeast));

/** The sum along an axis, which has `take` elements in the result. */
export function fourierSum(z: Parts, axis: number, sum: FourierSum): Parts {
  const { shape } = z.re;
  if (axis === shape.length - 1) return alongLast(z, sum);
  if (firstStage(z, axis, sum) === sum.n) {
    const [outer, inner] = [shape.slice(0, axis), shape.slice(axis + 1)];
    const columns = map(z, (x) => reshape(x, [...outer, shape[axis] as number, sizeOf(inner)]));
    return map(leftDense(columns, sum), (x) => reshape(x, [...outer, sum.take, ...inner]));
  }
  const toLast = (x: Tensor) => swapAxes(x, axis, -1);
  return map(alongLast(map(z, toLast), sum), toLast);
}

function alongLast(z: Parts, sum: FourierSum): Parts {
  const first = firstStage(z, -1, sum);
  if (first === sum.n) return dense(z, sum, -1, (w, x) => matmul(x, w, { transposeB: true }));
  return first === 0 ? bluestein(z, sum) : stages(z, sum, first);
}

/** The sum along the axis before the last. */
const leftDense = (z: Parts, sum: FourierSum): Parts => dense(z, sum, -2, matmul);

/** The sum along an axis, from a product with a matrix of `[frequencies, times]`. */
function dense(z: Parts, sum: FourierSum, axis: number, product: (w: Tensor, x: Tensor) => Tensor): Parts {
  const { re, im } = z;
  const x = im ? concat([re, im], { axis }) : re;
  return partsOf(sum, re.shape.at(axis) as number, im ? 2 : 1, (w) => product(w, x), re.dtype);
}

/** The parts of a result, each from the matrix that gives it. */
function partsOf(sum: FourierSum, times: number, parts: 1 | 2, product: (w: Tensor) => Tensor, dtype: DType): Parts {
  const part = (which: 0 | 1): Tensor => product(realRoots(sum, times, parts, [which], dtype));
  return { re: part(0), im: sum.realOnly ? null : part(1) };
}

/**
 * With `n = rows·columns`, time `t = columns·t1 + t2` and frequency `f = f1 + rows·f2`: sums over t1, factors
 * `e^(±2πi·f1·t2/n)`, sums over t2. Times that are zeros save work in the first stage, frequencies that are not wanted in
 * the last.
 */
function stages(z: Parts, sum: FourierSum, rows: number): Parts {
  const { shape } = z.re;
  const columns = sum.n / rows;
  const given = Math.ceil((shape.at(-1) as number) / columns);
  const grid = map(z, (x) => reshape(widen(x, given * columns), [...shape.slice(0, -1), given, columns]));
  const all = grid.im ? staged(concat([grid.re, grid.im], { axis: -2 }), 2, sum, rows) : staged(grid.re, 1, sum, rows);
  return map(all, (x) => slice(x, { starts: [0], stops: [sum.take], axes: [-1] }));
}

/**
 * The stages from the one of so many rows on. `x: [..., parts·given, columns]` has the values at the times t1 that are
 * given, and below them their imaginary parts if there are any: products of real matrices give both parts of the results.
 * There may be more of these than are wanted.
 */
function staged(x: Tensor, parts: 1 | 2, sum: FourierSum, rows: number): Parts {
  const { n, sign, take, scale, realOnly = false, factors } = sum;
  const { shape, dtype } = x;
  const outer = shape.slice(0, -2);
  const [stacked, columns] = shape.slice(-2) as [number, number];
  const first = realRoots({ n: rows, sign, take: rows, scale }, stacked / parts, parts, [0, 1], dtype);
  // [..., f1, both parts of each t2]
  const summed = reshape(matmul(first, x), [...outer, rows, 2 * columns]);
  const turned = complexMul(summed, roots({ n, sign, take, scale: 1 }, rows, columns, dtype));
  const taken = Math.ceil(take / rows);
  const rest: FourierSum = {
    ...{ n: columns, sign, take: taken, scale: 1, realOnly },
    ...(factors ? { factors: factors.slice(1) } : {}),
  };
  const next = stageOf(rest, columns, 2);
  const afterNext = (z: Parts): Parts => map(z, (part) => swapAxes(part, -1, -2));
  const ordered = (): Parts => {
    if (next === columns) return partsOf(rest, columns, 2, (w) => matmul(w, turned, { transposeB: true }), dtype);
    if (next > 0) return afterNext(staged(reshape(turned, [...outer, rows, 2 * next, columns / next]), 2, rest, next));
    return afterNext(bluestein(unstack(turned), rest));
  };
  // [..., f2, f1]
  return map(ordered(), (part) => reshape(part, [...outer, sizeOf(part.shape.slice(-2))]));
}

/** `x` with zeros after it along the last axis. */
function widen(x: Tensor, extent: number): Tensor {
  const zeros = x.shape.map(() => 0);
  return pad(x, { before: zeros, after: zeros.with(-1, extent - (x.shape.at(-1) as number)) });
}

/**
 * `f·t = (f² + t² - (f - t)²)/2` makes the sum a convolution with a chirp, for which any convenient longer length will do.
 * Source: Bluestein 1970, "A linear filtering approach to the computation of discrete Fourier transform".
 */
function bluestein(z: Parts, { n, sign, take, scale, realOnly = false }: FourierSum): Parts {
  const { shape, dtype } = z.re;
  const given = shape.at(-1) as number;
  const m = convolutionLength(given + take - 1);
  const angle = (t: number) => (sign * Math.PI * ((t * t) % (2 * n))) / n;
  const chirp = (count: number, size: number) =>
    shared(`chirp ${n} ${sign} ${size} ${count} ${dtype}`, () => ({
      re: table([count], dtype, (t) => size * Math.cos(angle(t))),
      im: table([count], dtype, (t) => size * Math.sin(angle(t))),
    }));
  const spectrum = shared(`spectrum ${n} ${sign} ${given} ${take} ${dtype}`, () => {
    const kernel = { re: new Float64Array(m), im: new Float64Array(m) };
    for (let d = 1 - given; d < take; d++) {
      kernel.re[(d + m) % m] = Math.cos(angle(d));
      kernel.im[(d + m) % m] = -Math.sin(angle(d));
    }
    const { re, im } = hostTransform(kernel.re, kernel.im);
    return {
      re: table([m], dtype, (f) => re[f] as number),
      im: table([m], dtype, (f) => im[f] as number),
    };
  });
  const forward = alongLast(times(chirp(given, 1), z), { n: m, sign: -1, take: m, scale: 1 });
  const back = alongLast(times(spectrum, forward), { n: m, sign: 1, take, scale: 1 / m });
  return times(chirp(take, scale), back, realOnly);
}

/** Forward transform of a power of two on the host, in float64. */
function hostTransform(re: Float64Array, im: Float64Array): { re: Float64Array; im: Float64Array } {
  const n = re.length;
  if (n === 1) return { re, im };
  const part = (x: Float64Array, k: number) => x.filter((_, t) => t % 2 === k);
  const even = hostTransform(part(re, 0), part(im, 0));
  const odd = hostTransform(part(re, 1), part(im, 1));
  const out = { re: new Float64Array(n), im: new Float64Array(n) };
  for (let f = 0; f < n; f++) {
    const k = f % (n / 2);
    const [c, s] = [Math.cos((2 * Math.PI * f) / n), -Math.sin((2 * Math.PI * f) / n)];
    const [a, b] = [odd.re[k] as number, odd.im[k] as number];
    out.re[f] = (even.re[k] as number) + c * a - s * b;
    out.im[f] = (even.im[k] as number) + c * b + s * a;
  }
  return out;
}
