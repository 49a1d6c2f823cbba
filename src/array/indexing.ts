/** Gather, scatter-add, sorting. Indices are int32 or int64; negative ones count from the end. */
import { cast, equal } from "./compare.ts";
import { type DType, isFloat } from "./dtype.ts";
import { mod } from "./elementwise.ts";
import { reshape, slice, zeros } from "./layout.ts";
import { weightedSum } from "./linear.ts";
import { multiPrimitive, primitive } from "./primitive.ts";
import { arange } from "./reduce.ts";
import { normalizeAxis, type Shape, sameShape, showShape, sizeOf } from "./shape.ts";
import type { Tensor, TensorType } from "./tensor.ts";

interface AxisParams {
  readonly axis: number;
}

function checkIndices(operation: string, indices: TensorType): void {
  if (indices.dtype !== "int32" && indices.dtype !== "int64") {
    throw new TypeError(`${operation}: expected int32 or int64 indices, got ${indices.dtype}; cast them`);
  }
}

/**
 * Of up to so many rows, as there are bytes, a product of matrices adds up gradients sooner than the runtime's operator.
 * A gradient that is not finite reaches all rows then.
 */
const FEW_ROWS = 256;

const gather = primitive<[x: Tensor, indices: Tensor], AxisParams>("take", {
  shape: ([x, indices], { axis }) => {
    checkIndices("take", indices);
    return { shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], dtype: x.dtype };
  },
  gradient: (dy, { inputs: [x, indices], params: { axis } }) => {
    const [rows, width] = x.shape as readonly [number, number];
    if (axis > 0 || x.rank !== 2 || rows > FEW_ROWS || x.size === 0 || !isFloat(x.dtype))
      return [scatterAdd(zeros(x.shape, x.dtype), indices, dy, { axis }), null];
    const chosen = oneHot(mod(reshape(indices, [indices.size]), rows), rows, x.dtype);
    return [weightedSum(chosen, reshape(dy, [indices.size, width]), { transposeA: true }), null];
  },
  onnx: (graph, [x, indices], { axis }) => graph.node("Gather", [x, indices], { axis }),
  reads: ([, indices], y) => [sizeOf(y.shape), sizeOf(indices.shape)],
});

/**
 * The slices of `x` at `indices` along an axis (0 by default): the axis is replaced by the shape of `indices`.
 * An index out of range fails when the graph runs.
 */
export const take = (x: Tensor, indices: Tensor, { axis = 0 }: { readonly axis?: number } = {}): Tensor =>
  gather(x, indices, { axis: normalizeAxis("take", axis, x.rank) });

const scatterSlices = primitive<[x: Tensor, indices: Tensor, updates: Tensor], AxisParams>("scatterAdd", {
  shape: ([x, indices, updates], { axis }) => {
    checkIndices("scatterAdd", indices);
    checkUpdates("scatterAdd", x, updates, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)]);
    return x;
  },
  gradient: (dy, { inputs: [, indices], params }) => [dy, null, take(dy, indices, params)],
  // ScatterND is the runtime's operator for slices, and several times faster, but it adds slices of the same index from
  // several threads at once and loses some. ScatterElements goes through its updates one after the other.
  onnx: (graph, [x, indices, updates], { axis }, node) => {
    const [xType, indexType, updateType] = node.inputs as [Tensor, Tensor, Tensor];
    if (updateType.size === 0) return graph.node("Identity", [x]);
    const k = indexType.rank;
    const others = xType.shape.map((_, i) => i).filter((i) => i !== axis);
    const toFront = [axis, ...others];
    const updatesToFront = [
      ...indexType.shape.map((_, i) => axis + i),
      ...others.map((i) => (i < axis ? i : i + k - 1)),
    ];
    const move = (name: string, perm: readonly number[]) =>
      perm.every((p, i) => p === i) ? name : graph.node("Transpose", [name], { perm });
    const shaped = (name: string, shape: Shape) => graph.node("Reshape", [name, graph.int64s(shape)], { allowzero: 1 });
    const width = others.reduce((total, i) => total * (xType.shape[i] as number), 1);
    const [count, rows] = [indexType.size, xType.shape[axis] as number];
    const index = graph.node("Expand", [shaped(indices, [count, 1]), graph.int64s([count, width])]);
    const sums = graph.node(
      "ScatterElements",
      [shaped(move(x, toFront), [rows, width]), index, shaped(move(updates, updatesToFront), [count, width])],
      { axis: 0, reduction: "add" },
    );
    const frontShape = toFront.map((i) => xType.shape[i] as number);
    return move(
      shaped(sums, frontShape),
      toFront.map((_, i) => toFront.indexOf(i)),
    );
  },
});

function checkUpdates(operation: string, x: TensorType, updates: TensorType, expected: Shape): void {
  if (updates.dtype !== x.dtype)
    throw new TypeError(`${operation}: x is ${x.dtype} and updates are ${updates.dtype}; cast one of them`);
  if (!sameShape(updates.shape, expected)) {
    throw new RangeError(
      `${operation}: expected updates of shape ${showShape(expected)}, got ${showShape(updates.shape)}`,
    );
  }
}

/** `x` with `updates` added at `indices` along an axis (0 by default): the transpose of `take`. Repeated indices add up. */
export const scatterAdd = (
  x: Tensor,
  indices: Tensor,
  updates: Tensor,
  { axis = 0 }: { readonly axis?: number } = {},
): Tensor => scatterSlices(x, indices, updates, { axis: normalizeAxis("scatterAdd", axis, x.rank) });

function checkAlong(operation: string, x: TensorType, indices: TensorType, axis: number): void {
  checkIndices(operation, indices);
  if (indices.shape.length !== x.shape.length || indices.shape.some((n, i) => i !== axis && n !== x.shape[i])) {
    throw new RangeError(
      `${operation}: indices of shape ${showShape(indices.shape)} differ from x ${showShape(x.shape)} beside axis ${axis}`,
    );
  }
}

const gatherElements = primitive<[x: Tensor, indices: Tensor], AxisParams>("takeAlong", {
  shape: ([x, indices], { axis }) => {
    checkAlong("takeAlong", x, indices, axis);
    return { shape: indices.shape, dtype: x.dtype };
  },
  gradient: (dy, { inputs: [x, indices], params }) => [
    scatterAddAlong(zeros(x.shape, x.dtype), indices, dy, params),
    null,
  ],
  onnx: (graph, [x, indices], { axis }) => graph.node("GatherElements", [x, indices], { axis }),
  reads: ([, indices], y) => [sizeOf(y.shape), sizeOf(indices.shape)],
});

/** For each position the element of `x` at that position but for the axis, where `indices` says which. */
export const takeAlong = (x: Tensor, indices: Tensor, { axis }: AxisParams): Tensor =>
  gatherElements(x, indices, { axis: normalizeAxis("takeAlong", axis, x.rank) });

const scatterElements = primitive<[x: Tensor, indices: Tensor, updates: Tensor], AxisParams>("scatterAddAlong", {
  shape: ([x, indices, updates], { axis }) => {
    checkAlong("scatterAddAlong", x, indices, axis);
    checkUpdates("scatterAddAlong", x, updates, indices.shape);
    return x;
  },
  gradient: (dy, { inputs: [, indices], params }) => [dy, null, takeAlong(dy, indices, params)],
  onnx: (graph, inputs, { axis }) => graph.node("ScatterElements", [...inputs], { axis, reduction: "add" }),
});

/** `x` with `updates` added where `takeAlong` with the same indices would read. Repeated indices add up. */
export const scatterAddAlong = (x: Tensor, indices: Tensor, updates: Tensor, { axis }: AxisParams): Tensor =>
  scatterElements(x, indices, updates, { axis: normalizeAxis("scatterAddAlong", axis, x.rank) });

/** 1 at the index, 0 elsewhere, along a new last axis of extent `depth`. Indices out of range give all zeros. */
export function oneHot(indices: Tensor, depth: number, dtype: DType = "float32"): Tensor {
  checkIndices("oneHot", indices);
  return cast(equal(reshape(indices, [...indices.shape, 1]), arange(depth, indices.dtype)), dtype);
}

interface TopKParams {
  readonly k: number;
  readonly axis: number;
  readonly largest: boolean;
}

const topKPrimitive = multiPrimitive<TopKParams>({
  name: "topK",
  types: ([x], { k, axis }) => {
    const { shape, dtype } = x as TensorType;
    const kept = shape.map((n, i) => (i === axis ? k : n));
    return [
      { shape: kept, dtype },
      { shape: kept, dtype: "int64" },
    ];
  },
  gradient: ([dy], { inputs, outputs, params: { axis } }) => {
    const [x, indices] = [inputs[0] as Tensor, outputs[1] as Tensor];
    return [dy ? scatterAddAlong(zeros(x.shape, x.dtype), indices, dy, { axis }) : null];
  },
  onnx: (graph, [x], { params: { k, axis, largest } }) =>
    graph.nodes("TopK", [x as string, graph.int64s([k])], 2, { axis, largest: Number(largest), sorted: 1 }),
});

/**
 * The `k` largest (or smallest) elements along an axis (the last by default), sorted, and their int64 indices. Of equal
 * elements the one with the lower index comes first.
 */
export function topK(
  x: Tensor,
  k: number,
  { axis = -1, largest = true }: { readonly axis?: number; readonly largest?: boolean } = {},
): { values: Tensor; indices: Tensor } {
  const at = normalizeAxis("topK", axis, x.rank);
  if (x.dtype === "bool" || x.dtype === "uint8")
    throw new TypeError(`topK: expected numbers wider than a byte, got ${x.dtype}; cast it first`);
  if (!Number.isInteger(k) || k < 0 || k > (x.shape[at] as number)) {
    throw new RangeError(`topK: k must be a whole number from 0 to ${x.shape[at]} (axis ${at}), got ${k}`);
  }
  const [values, indices] = topKPrimitive([x], { k, axis: at, largest }) as [Tensor, Tensor];
  return { values, indices };
}

export interface SortOptions {
  /** The last axis by default. */
  readonly axis?: number;
  /** Largest first; false by default. */
  readonly descending?: boolean;
}

/** Elements in order along an axis. */
export const sort = (x: Tensor, { axis = -1, descending = false }: SortOptions = {}): Tensor =>
  topK(x, x.shape[normalizeAxis("sort", axis, x.rank)] as number, { axis, largest: descending }).values;

/** The int64 indices that put `x` in order along an axis; equal elements keep theirs. */
export const argSort = (x: Tensor, { axis = -1, descending = false }: SortOptions = {}): Tensor =>
  topK(x, x.shape[normalizeAxis("argSort", axis, x.rank)] as number, { axis, largest: descending }).indices;

/** Element (or slice) `index` of the first axis, as a tensor without that axis; `index` may be a traced scalar. */
export const at = (x: Tensor, index: Tensor | number): Tensor =>
  typeof index === "number"
    ? reshape(
        slice(x, { starts: [index], stops: [index === -1 ? Number.POSITIVE_INFINITY : index + 1] }),
        x.shape.slice(1),
      )
    : take(x, index);
