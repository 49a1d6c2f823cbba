/**
 * The sums behind Fourier transforms, as matrix products: one dense matrix for short lengths, stages of them (Cooley and
 * Tukey's factorization) for long ones, Bluestein's convolution where a large prime factor remains. Matrices are real, with
 * the parts of complex values side by side. The runtime's own operator is 3 to 10 times slower. Gradients follow from the
 * products.
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

/** Roots of unity: `scale·e^(sign·2πi·f·t/n)`. */
export interface Wave {
  readonly n: number;
  readonly sign: 1 | -1;
  readonly scale: number;
}

/** `Z_f = scale·Σ_t z_t e^(sign·2πi·f·t/n)` for `f < take`. There may be fewer than `n` values `z_t`: the rest are zeros. */
export interface FourierSum extends Wave {
  readonly take: number;
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
const angleOf = ({ n, sign }: Wave, frequency: number, time: number): number =>
  (sign * 2 * Math.PI * ((frequency * time) % n)) / n;

/** `scale·e^(sign·2πi·row·column/n)`. */
export function roots(wave: Wave, rows: number, columns: number, dtype: DType): Complex {
  const { n, sign, scale } = wave;
  return shared(`roots ${n} ${sign} ${scale} ${rows} ${columns} ${dtype}`, () => {
    const angle = (i: number) => angleOf(wave, Math.floor(i / columns), i % columns);
    return {
      re: table([rows, columns], dtype, (i) => scale * Math.cos(angle(i))),
      im: table([rows, columns], dtype, (i) => scale * Math.sin(angle(i))),
    };
  });
}

/** Rows or columns of a real matrix: places, and which parts of the complex values there. */
export interface Side {
  readonly places: number;
  /** Both parts: `stacked`, all imaginary parts after all real ones, or `paired`, those of each place together. */
  readonly parts: "real" | "imaginary" | "stacked" | "paired";
}

const extentOf = ({ places, parts }: Side): number => (parts === "stacked" || parts === "paired" ? 2 * places : places);

/** The part (0 real, 1 imaginary) and the place of a row or column. */
function at({ places, parts }: Side, i: number): readonly [part: 0 | 1, place: number] {
  if (parts === "stacked") return [i < places ? 0 : 1, i % places];
  if (parts === "paired") return [i % 2 === 0 ? 0 : 1, Math.floor(i / 2)];
  return [parts === "real" ? 0 : 1, i];
}

/**
 * The matrix of a sum, for products of real numbers: what the parts of values at times (columns) contribute to the parts of
 * results at frequencies (rows). So both parts come from one product, and nothing is summed after it.
 */
export function realRoots(wave: Wave, frequencies: Side, times: Side, dtype: DType): Tensor {
  const { n, sign, scale } = wave;
  const sides = [frequencies, times].map(({ places, parts }) => `${places} ${parts}`);
  return shared(`real ${n} ${sign} ${scale} ${sides} ${dtype}`, () => {
    const shape = [extentOf(frequencies), extentOf(times)] as const;
    const value = (i: number): number => {
      const [[to, frequency], [from, time]] = [at(frequencies, Math.floor(i / shape[1])), at(times, i % shape[1])];
      const angle = angleOf(wave, frequency, time);
      return scale * (to === from ? Math.cos(angle) : (to - from) * Math.sin(angle));
    };
    return { matrix: table(shape, dtype, value) };
  }).matrix;
}

// --- complex arithmetic ---

const map = ({ re, im }: Parts, fn: (x: Tensor) => Tensor): Parts => ({ re: fn(re), im: im && fn(im) });

/** A product, element by element. */
function product(a: Complex, b: Parts, realOnly = false): Parts {
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

/** The extents of all stages of a sum over the last axis; 0 at the end stands for Bluestein's convolution of what is left. */
function stagesOf(sum: FourierSum, given: number, parts: 1 | 2): readonly number[] {
  if (sum.factors) return sum.factors;
  const first = stageOf(sum, given, parts);
  if (first === 0 || first === sum.n) return [first];
  const columns = sum.n / first;
  return [first, ...stagesOf({ ...sum, n: columns, take: Math.ceil(sum.take / first) }, columns, 2)];
}

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
  if (first === sum.n) return rightDense(z, sum);
  return first === 0 ? bluestein(z, sum) : stages(z, sum);
}

/** The sum along the last axis; the transposed matrix is that of the other direction with its sides exchanged. */
const rightDense = (z: Parts, sum: FourierSum): Parts => {
  const other: Wave = { ...sum, sign: sum.sign === 1 ? -1 : 1 };
  return dense(z, sum, -1, (f, t, x) => matmul(x, realRoots(other, t, f, x.dtype)));
};

/** The sum along the axis before the last. */
const leftDense = (z: Parts, sum: FourierSum): Parts =>
  dense(z, sum, -2, (f, t, x) => matmul(realRoots(sum, f, t, x.dtype), x));

/** Sums of more terms lose digits where they are computed one by one; they are made in two parts. */
const LONG = 512;

/** The sum along an axis, from products with the matrices of frequencies and times. */
function dense(
  z: Parts,
  sum: FourierSum,
  axis: number,
  multiplied: (frequencies: Side, times: Side, x: Tensor) => Tensor,
): Parts {
  const { x, times } = stackedAlong(z, axis);
  const { re, im } = z;
  const places = re.shape.at(axis) as number;
  return partsOf(sum.realOnly, (parts) => {
    const frequencies: Side = { places: sum.take, parts };
    if (!im || 2 * places <= LONG) return multiplied(frequencies, times, x);
    return add(
      multiplied(frequencies, { places, parts: "real" }, re),
      multiplied(frequencies, { places, parts: "imaginary" }, im),
    );
  });
}

/** Both parts in one tensor, the imaginary ones after the real ones along an axis. */
function stackedAlong({ re, im }: Parts, axis: number): { readonly x: Tensor; readonly times: Side } {
  const places = re.shape.at(axis) as number;
  if (!im) return { x: re, times: { places, parts: "real" } };
  return { x: concat([re, im], { axis }), times: { places, parts: "stacked" } };
}

/** The parts of a result, each from a product of its own. */
const partsOf = (realOnly: boolean | undefined, make: (part: "real" | "imaginary") => Tensor): Parts => ({
  re: make("real"),
  im: realOnly ? null : make("imaginary"),
});

/**
 * With `n = rows·columns`, time `t = columns·t1 + t2` and frequency `f = f1 + rows·f2`: sums over t1, factors
 * `e^(±2πi·f1·t2/n)`, sums over t2, which may be made in the same way. Times that are zeros save work in the first stage,
 * frequencies that are not wanted in the last. Of real values in more than two stages only half of the f1 are computed,
 * up to the last stage, which makes the sums for the others as conjugates. With two stages that takes as long as it saves.
 */
function stages(z: Parts, sum: FourierSum): Parts {
  const { n, sign, take, scale, realOnly = false } = sum;
  const { shape, dtype } = z.re;
  const outer = shape.slice(0, -1);
  const extents = stagesOf(sum, shape.at(-1) as number, z.im ? 2 : 1);
  const [rows, last] = [extents[0] as number, extents.at(-1) as number];
  const given = Math.ceil((shape.at(-1) as number) / (n / rows));
  const grid = map(z, (x) => reshape(widen(x, (given * n) / rows), [...outer, given, n / rows]));
  const isHalved = !z.im && !realOnly && rows > 2 && last > 0 && extents.length > 2;

  let { x, times } = stackedAlong(grid, -2);
  // Digits of frequencies, from the lowest on: [..., f1, ..., both parts of each time that is left]
  const digits: number[] = [];
  let columns = n;
  for (const extent of extents.slice(0, -1)) {
    const isFirst = columns === n;
    columns /= extent;
    const places = isFirst && isHalved ? Math.floor(extent / 2) + 1 : extent;
    if (!isFirst) {
      times = { places: extent, parts: "stacked" };
      x = reshape(x, [...outer, ...digits, 2 * extent, columns]);
    }
    const first = realRoots({ n: extent, sign, scale: isFirst ? scale : 1 }, { places, parts: "paired" }, times, dtype);
    digits.push(places);
    const summed = reshape(matmul(first, x), [...outer, ...digits, 2 * columns]);
    x = complexMul(summed, roots({ n: extent * columns, sign, scale: 1 }, places, columns, dtype));
  }

  const taken = Math.ceil((take * columns) / n);
  const rest: FourierSum = { n: columns, sign, take: taken, scale: 1, realOnly };
  // [..., f1, ..., the last digit, the one before it]
  let parts = last > 0 ? lastStage(x, rest) : map(bluestein(unstack(x), rest), (part) => swapAxes(part, -1, -2));
  if (isHalved) {
    const others = conjugateStage(mirrored(x, outer.length, rows), rest);
    const axis = outer.length;
    parts = { re: concat([parts.re, others.re], { axis }), im: concat([parts.im as Tensor, others.im], { axis }) };
    digits[0] = rows;
  }
  return map(parts, (part) => {
    let extent = taken * (digits.at(-1) as number);
    let ordered = reshape(part, [...outer, ...digits.slice(0, -1), extent]);
    for (let i = digits.length - 2; i >= 0; i--) {
      extent *= digits[i] as number;
      ordered = reshape(swapAxes(ordered, -1, -2), [...outer, ...digits.slice(0, i), extent]);
    }
    return slice(ordered, { starts: [0], stops: [take], axes: [-1] });
  });
}

/** The sums over the last axis of `[..., rows, both parts]`: `[..., take, rows]`. */
const lastStage = (x: Tensor, { n, sign, scale, take, realOnly }: FourierSum): Parts =>
  partsOf(realOnly, (parts) => {
    const matrix = realRoots({ n, sign, scale }, { places: take, parts }, { places: n, parts: "stacked" }, x.dtype);
    return matmul(matrix, x, { transposeB: true });
  });

/** Conjugates of the sums at frequencies `n - 1 - f` for `f < take`: those of the other direction at `f + 1`. */
function conjugateStage(x: Tensor, { n, sign, take }: FourierSum): Complex {
  const part = (parts: "real" | "imaginary"): Tensor => {
    const other = { n, sign: sign === 1 ? -1 : 1, scale: parts === "real" ? 1 : -1 } as const;
    const matrix = realRoots(other, { places: take + 1, parts }, { places: n, parts: "stacked" }, x.dtype);
    return matmul(slice(matrix, { starts: [1], stops: [take + 1] }), x, { transposeB: true });
  };
  return { re: part("real"), im: part("imaginary") };
}

/** The rows of the digits whose sums are conjugates of those that are wanted: f1 from `rows - 1 - ⌊rows/2⌋` down to 1, others reversed. */
function mirrored(x: Tensor, first: number, rows: number): Tensor {
  const axes = Array.from({ length: x.rank - 1 - first }, (_, i) => first + i);
  const starts = axes.map((axis) =>
    axis === first ? rows - (x.shape[axis] as number) : (x.shape[axis] as number) - 1,
  );
  const stops = axes.map((axis) => (axis === first ? 0 : Number.NEGATIVE_INFINITY));
  return slice(x, { starts, stops, steps: axes.map(() => -1), axes });
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
  const forward = alongLast(product(chirp(given, 1), z), { n: m, sign: -1, take: m, scale: 1 });
  const back = alongLast(product(spectrum, forward), { n: m, sign: 1, take, scale: 1 / m });
  return product(chirp(take, scale), back, realOnly);
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
