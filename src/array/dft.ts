/**
 * The sums behind Fourier transforms, as matrix products: one dense matrix for short lengths, stages of them (Cooley and
 * Tukey's factorization) for long ones, Bluestein's convolution where a large prime factor remains. The runtime's own
 * operator is 3 to 10 times slower. Gradients follow from the products.
 */
import { allocate, type DType, setElement } from "./dtype.ts";
import { add, mul, sub } from "./elementwise.ts";
import { pad, reshape, slice, swapAxes } from "./layout.ts";
import { matmul } from "./linear.ts";
import { type Shape, sizeOf } from "./shape.ts";
import { fromData, type Tensor } from "./tensor.ts";

/** Complex values as a pair of tensors of one shape and type. */
export interface Complex {
  readonly re: Tensor;
  readonly im: Tensor;
}

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

const tables = new Map<string, Complex>();
const KEPT_ELEMENTS = 2 ** 24;

/** The tables of a name, made once: transforms of one length in a program share them. The oldest go when they take much memory. */
export function shared(key: string, make: () => Complex): Complex {
  const found = tables.get(key) ?? make();
  tables.delete(key);
  tables.set(key, found);
  let total = 0;
  for (const [name, { re }] of [...tables].reverse()) {
    total += 2 * re.size;
    if (total > KEPT_ELEMENTS) tables.delete(name);
  }
  return found;
}

/** `scale·e^(sign·2πi·row·column/n)`. The angle is reduced in whole numbers, which keeps it exact for any length. */
function roots({ n, sign, scale }: FourierSum, rows: number, columns: number, dtype: DType): Complex {
  return shared(`roots ${n} ${sign} ${scale} ${rows} ${columns} ${dtype}`, () => {
    const angle = (i: number) => (sign * 2 * Math.PI * ((Math.floor(i / columns) * (i % columns)) % n)) / n;
    return {
      re: table([rows, columns], dtype, (i) => scale * Math.cos(angle(i))),
      im: table([rows, columns], dtype, (i) => scale * Math.sin(angle(i))),
    };
  });
}

// --- complex arithmetic ---

const map = ({ re, im }: Parts, fn: (x: Tensor) => Tensor): Parts => ({ re: fn(re), im: im && fn(im) });

/** A product of complex operands, from a product of real ones that is linear in both. */
function times(a: Complex, b: Parts, product: (a: Tensor, b: Tensor) => Tensor, realOnly = false): Parts {
  if (!b.im) return { re: product(a.re, b.re), im: realOnly ? null : product(a.im, b.re) };
  return {
    re: sub(product(a.re, b.re), product(a.im, b.im)),
    im: realOnly ? null : add(product(a.im, b.re), product(a.re, b.im)),
  };
}

// --- the ways to compute a sum ---

/** Dense matrices larger than the square of this, and stages longer, are never fastest. */
const DENSE = 512;

/** What passes over memory between two stages cost, in rows of a dense matrix of complex values. */
const BETWEEN = 125;

interface Plan {
  /** Extent of the first stage: the whole length means one dense matrix, 0 means Bluestein's convolution. */
  readonly first: number;
  readonly cost: number;
}

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
  let best: Plan = isDense ? { first: n, cost: n * input * output } : { first: 0, cost: Number.POSITIVE_INFINITY };
  const consider = (first: number, cost: number): void => {
    if (cost < best.cost) best = { first, cost };
  };
  for (let first = 2; first <= DENSE && first * first <= n; first++)
    if (n % first === 0) consider(first, first * input + BETWEEN + planOf(n / first, 1, output).cost);
  const m = convolutionLength(2 * n);
  if (m !== 2 * n) consider(0, ((planOf(m, input / 2, 1).cost + planOf(m, 1, output / 2).cost + 2 * BETWEEN) * m) / n);
  plans.set(key, best);
  return best;
}

const firstStage = (z: Parts, axis: number, { n, take, realOnly, factors }: FourierSum): number =>
  factors?.[0] ??
  planOf(n, ((z.im ? 1 : 0.5) * (z.re.shape.at(axis) as number)) / n, ((realOnly ? 0.5 : 1) * take) / n).first;

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
  if (first === sum.n) {
    const w = roots(sum, z.re.shape.at(-1) as number, sum.take, z.re.dtype);
    return times(w, z, (a, b) => matmul(b, a), sum.realOnly);
  }
  return first === 0 ? bluestein(z, sum) : stages(z, sum, first);
}

/** The sum along the axis before the last. */
function leftDense(z: Parts, sum: FourierSum): Parts {
  const w = roots(sum, sum.take, z.re.shape.at(-2) as number, z.re.dtype);
  return times(w, z, matmul, sum.realOnly);
}

/**
 * With `n = rows·columns`, time `t = columns·t1 + t2` and frequency `f = f1 + rows·f2`: sums over t1, factors
 * `e^(±2πi·f1·t2/n)`, sums over t2. Times that are zeros save work in the first stage, frequencies that are not wanted in
 * the last.
 */
function stages(z: Parts, { n, sign, take, scale, realOnly = false, factors }: FourierSum, rows: number): Parts {
  const { shape, dtype } = z.re;
  const outer = shape.slice(0, -1);
  const columns = n / rows;
  const given = Math.ceil((shape.at(-1) as number) / columns);
  const grid = map(z, (x) => reshape(widen(x, given * columns), [...outer, given, columns]));
  const summed = leftDense(grid, { n: rows, sign, take: rows, scale });
  const turned = times(roots({ n, sign, take, scale: 1 }, rows, columns, dtype), summed, mul);
  const taken = Math.ceil(take / rows);
  const rest: FourierSum = {
    ...{ n: columns, sign, take: taken, scale: 1, realOnly },
    ...(factors ? { factors: factors.slice(1) } : {}),
  };
  // [..., f1, t2] -> [..., f2, f1]
  const ordered =
    firstStage(turned, -1, rest) === columns
      ? times(roots(rest, taken, columns, dtype), turned, (a, b) => matmul(a, b, { transposeB: true }), realOnly)
      : map(alongLast(turned, rest), (x) => swapAxes(x, -1, -2));
  return map(ordered, (x) => slice(reshape(x, [...outer, taken * rows]), { starts: [0], stops: [take], axes: [-1] }));
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
  const forward = alongLast(times(chirp(given, 1), z, mul), { n: m, sign: -1, take: m, scale: 1 });
  const back = alongLast(times(spectrum, forward, mul), { n: m, sign: 1, take, scale: 1 / m });
  return times(chirp(take, scale), back, mul, realOnly);
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
