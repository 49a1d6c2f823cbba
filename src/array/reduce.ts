/** Reductions, arg-reductions and running sums. Without `axis` they reduce over all axes. */
import { cast, equal, where } from "./compare.ts";
import { allocate, isFloat, setElement } from "./dtype.ts";
import { add, div, exp, log, maximum, mul, square, sub } from "./elementwise.ts";
import { stopGradient } from "./gradient.ts";
import { broadcastTo, reshape } from "./layout.ts";
import { rowsOf, sumRows } from "./onnx/sums.ts";
import { checkFloat } from "./operands.ts";
import { type Primitive, primitive } from "./primitive.ts";
import { normalizeAxes, normalizeAxis, reducedShape, sizeOf } from "./shape.ts";
import { fromData, type Tensor } from "./tensor.ts";

export interface ReduceOptions {
  /** One axis or several, negative ones from the end; all by default. */
  readonly axis?: number | readonly number[];
  /** Keep reduced axes with extent 1. */
  readonly keepDims?: boolean;
}

interface ReduceParams {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

type ReduceGradient = (dy: Tensor, x: Tensor, y: Tensor, axes: readonly number[]) => Tensor;

function reduction(name: string, onnx: string, { gradient, empty }: { gradient: ReduceGradient; empty: boolean }) {
  const apply = primitive<[x: Tensor], ReduceParams>(name, {
    shape: ([x], { axes, keepDims }) => {
      if (x.dtype === "bool") throw new TypeError(`${name}: expected numbers, got bool; cast it first`);
      if (!empty && axes.some((axis) => x.shape[axis] === 0))
        throw new RangeError(`${name}: an axis of 0 elements has no ${name}`);
      return { shape: reducedShape(x.shape, axes, keepDims), dtype: x.dtype };
    },
    gradient: (dy, { inputs: [x], output, params: { axes } }) => {
      const kept = reducedShape(x.shape, axes, true);
      return [gradient(reshape(dy, kept), x, reshape(output, kept), axes)];
    },
    onnx: (graph, [x], { axes, keepDims }, node) => {
      const { dtype, shape } = node.outputs[0] as Tensor;
      const rows = name === "sum" && dtype === "float32" ? rowsOf((node.inputs[0] as Tensor).shape, axes) : undefined;
      if (rows) {
        const sums = sumRows(graph, x, rows);
        return shape.length === 1 ? sums : graph.node("Reshape", [sums, graph.int64s(shape)]);
      }
      // The runtime reduces bytes only as int32.
      const narrow = dtype === "uint8";
      const reduced = graph.node(onnx, [narrow ? graph.cast(x, "int32") : x, graph.int64s(axes)], {
        keepdims: Number(keepDims),
        noop_with_empty_axes: 1,
      });
      return narrow ? graph.cast(reduced, "uint8") : reduced;
    },
  });
  return (x: Tensor, { axis, keepDims = false }: ReduceOptions = {}): Tensor =>
    apply(x, { axes: normalizeAxes(name, axis, x.rank), keepDims });
}

/** Elements that equal the extreme share its gradient. */
const shareAmongEqual: ReduceGradient = (dy, x, y, axes) => {
  const hit = cast(equal(x, y), x.dtype);
  return mul(hit, div(dy, sum(hit, { axis: axes, keepDims: true })));
};

/** Sum of elements; 0 of none. */
export const sum = reduction("sum", "ReduceSum", { gradient: (dy, x) => broadcastTo(dy, x.shape), empty: true });

/** Largest element. The runtime's kernel passes over NaN. Equal largest elements share the gradient. */
export const max = reduction("max", "ReduceMax", { gradient: shareAmongEqual, empty: false });

/** Smallest element. The runtime's kernel passes over NaN. Equal smallest elements share the gradient. */
export const min = reduction("min", "ReduceMin", { gradient: shareAmongEqual, empty: false });

/** Product of elements; 1 of none. The gradient is exact also where elements are 0. */
export const prod = reduction("prod", "ReduceProd", {
  gradient: (dy, x, _, axes) => mul(dy, productOfOthers(x, axes)),
  empty: true,
});

/** For each element the product of all others along the axes. */
function productOfOthers(x: Tensor, axes: readonly number[]): Tensor {
  // Dividing the product by the element fails at zeros: count them, and multiply the non-zero ones.
  const isZero = equal(x, 0);
  const options = { axis: axes, keepDims: true };
  const zeros = sum(cast(isZero, x.dtype), options);
  const nonZero = where(isZero, 1, x);
  const product = prod(nonZero, options);
  // With one zero only that element has a non-zero product of others; with two none has.
  return where(equal(zeros, 0), div(product, nonZero), where(equal(mul(zeros, cast(isZero, x.dtype)), 1), product, 0));
}

const countAlong = (x: Tensor, axes: readonly number[]): number => sizeOf(axes.map((axis) => x.shape[axis] as number));

/** Arithmetic mean of floats; NaN of none. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkFloat("mean", x.dtype);
  return mul(sum(x, options), 1 / countAlong(x, normalizeAxes("mean", options.axis, x.rank)));
}

/** Mean squared distance from the mean (divided by the count, not by the count less one). */
export function variance(x: Tensor, { axis, keepDims = false }: ReduceOptions = {}): Tensor {
  const options = { ...(axis === undefined ? {} : { axis }), keepDims };
  return mean(square(sub(x, mean(x, { ...options, keepDims: true }))), options);
}

/** `log Σ e^x`, without overflow. */
export function logSumExp(x: Tensor, { axis, keepDims = false }: ReduceOptions = {}): Tensor {
  checkFloat("logSumExp", x.dtype);
  const axes = normalizeAxes("logSumExp", axis, x.rank);
  // A row of nothing but -infinity would give NaN; a finite floor keeps it at -infinity.
  const top = maximum(stopGradient(max(x, { axis: axes, keepDims: true })), -1e30);
  const total = add(log(sum(exp(sub(x, top)), { axis: axes, keepDims: true })), top);
  return reshape(total, reducedShape(x.shape, axes, keepDims));
}

/** True where all elements are true (non-zero). */
export const all = (x: Tensor, options: ReduceOptions = {}): Tensor =>
  equal(sum(cast(equal(cast(x, "bool"), false), "int32"), options), 0);

/** True where at least one element is true (non-zero). */
export const any = (x: Tensor, options: ReduceOptions = {}): Tensor => {
  const count = sum(cast(cast(x, "bool"), "int32"), options);
  return cast(count, "bool");
};

function argReduction(name: string, onnx: string) {
  const apply = primitive<[x: Tensor], { readonly axis: number; readonly keepDims: boolean }>(name, {
    shape: ([x], { axis, keepDims }) => {
      if (x.shape[axis] === 0) throw new RangeError(`${name}: an axis of 0 elements has no ${name}`);
      return { shape: reducedShape(x.shape, [axis], keepDims), dtype: "int64" };
    },
    gradient: () => [null],
    onnx: (graph, [x], { axis, keepDims }, node) => {
      const dtype = node.inputs[0]?.dtype;
      const wide = dtype === "bool" || dtype === "int64" ? graph.cast(x, dtype === "bool" ? "int32" : "float64") : x;
      return graph.node(onnx, [wide], { axis, keepdims: Number(keepDims) });
    },
  });
  return (x: Tensor, { axis, keepDims = false }: { readonly axis: number; readonly keepDims?: boolean }): Tensor =>
    apply(x, { axis: normalizeAxis(name, axis, x.rank), keepDims });
}

/** Index (int64) of the largest element along an axis; the first of equal ones. */
export const argMax = argReduction("argMax", "ArgMax");

/** Index (int64) of the smallest element along an axis; the first of equal ones. */
export const argMin = argReduction("argMin", "ArgMin");

interface CumulativeParams {
  readonly axis: number;
  readonly reverse: boolean;
  readonly exclusive: boolean;
}

const cumulative: Primitive<[x: Tensor], CumulativeParams> = primitive("cumulativeSum", {
  shape: ([x]) => {
    if (x.dtype === "bool" || x.dtype === "uint8")
      throw new TypeError(`cumulativeSum: expected numbers wider than a byte, got ${x.dtype}; cast it first`);
    return x;
  },
  // Element s enters every later sum, so its gradient is the sum of theirs: the same operation, backwards.
  gradient: (dy, { params }) => [cumulative(dy, { ...params, reverse: !params.reverse })],
  onnx: (graph, [x], { axis, reverse, exclusive }) =>
    graph.node("CumSum", [x, graph.scalar(axis, "int64")], { reverse: Number(reverse), exclusive: Number(exclusive) }),
});

/** Running sum along an axis, `y_t = Σ_{s ≤ t} x_s`; `exclusive` leaves out `x_t`, `reverse` sums from the end. */
export function cumulativeSum(
  x: Tensor,
  {
    axis,
    reverse = false,
    exclusive = false,
  }: { readonly axis: number; readonly reverse?: boolean; readonly exclusive?: boolean },
): Tensor {
  return cumulative(x, { axis: normalizeAxis("cumulativeSum", axis, x.rank), reverse, exclusive });
}

/** `start, start + step, …` before `stop`; a number counts from 0. int32 by default. */
export function arange(
  range: number | { readonly start: number; readonly stop: number; readonly step?: number },
  dtype: Tensor["dtype"] = "int32",
): Tensor {
  const { start, stop, step = 1 } = typeof range === "number" ? { start: 0, stop: range } : range;
  if (!Number.isFinite(start) || !Number.isFinite(stop) || !Number.isFinite(step) || step === 0) {
    throw new RangeError(`arange: expected finite numbers and a step other than 0, got ${start}, ${stop}, ${step}`);
  }
  if (!isFloat(dtype) && !(Number.isInteger(start) && Number.isInteger(step))) {
    throw new RangeError(`arange: ${dtype} needs a whole start and step, got ${start} and ${step}`);
  }
  const count = Math.max(0, Math.ceil((stop - start) / step));
  const data = allocate(dtype, count);
  for (let i = 0; i < count; i++) setElement(dtype, data, i, start + i * step);
  return fromData({ shape: [count], dtype }, data);
}

/** The identity matrix; float32 by default. */
export function eye(n: number, dtype: Tensor["dtype"] = "float32"): Tensor {
  const data = allocate(dtype, n * n);
  for (let i = 0; i < n; i++) setElement(dtype, data, i * n + i, 1);
  return fromData({ shape: [n, n], dtype }, data);
}
