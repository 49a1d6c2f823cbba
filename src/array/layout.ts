/** Rearranging elements: reshape, transpose, broadcast, slice, pad, concatenate, and what is composed of them. */
import { cast } from "./compare.ts";
import { bytesOf, type DType } from "./dtype.ts";
import { multiPrimitive, primitive } from "./primitive.ts";
import { sum } from "./reduce.ts";
import {
  broadcastShapes,
  checkShape,
  normalizeAxes,
  normalizeAxis,
  type Shape,
  sameShape,
  showShape,
  sizeOf,
} from "./shape.ts";
import { scalar, type Tensor } from "./tensor.ts";

const reshapePrimitive = primitive<[x: Tensor], { readonly shape: Shape }>("reshape", {
  shape: ([x], { shape }) => ({ shape, dtype: x.dtype }),
  gradient: (dy, { inputs: [x] }) => [reshape(dy, x.shape)],
  onnx: (graph, [x], { shape }) => graph.node("Reshape", [x, graph.int64s(shape)], { allowzero: 1 }),
  reads: () => "view",
});

/** The same elements in another shape; one extent may be -1 and is computed. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = sizeOf(shape.filter((n) => n !== -1));
  const unknown = shape.filter((n) => n === -1).length;
  const target = shape.map((n) => (n === -1 ? x.size / known : n));
  if (unknown > 1 || (unknown === 1 && !Number.isInteger(x.size / known)) || sizeOf(target) !== x.size) {
    throw new RangeError(
      `reshape: ${x.size} elements of shape ${showShape(x.shape)} do not fill shape ${showShape(shape)}`,
    );
  }
  checkShape("reshape", target);
  return sameShape(target, x.shape) ? x : reshapePrimitive(x, { shape: target });
}

const transposePrimitive = primitive<[x: Tensor], { readonly permutation: readonly number[] }>("transpose", {
  shape: ([x], { permutation }) => ({ shape: permutation.map((axis) => x.shape[axis] as number), dtype: x.dtype }),
  gradient: (dy, { params: { permutation } }) => [
    transpose(
      dy,
      permutation.map((_, i) => permutation.indexOf(i)),
    ),
  ],
  onnx: (graph, [x], { permutation }, node) => {
    const [{ dtype, shape }, { shape: to }] = [node.inputs[0] as Tensor, node.outputs[0] as Tensor];
    const rows = graph.target.fused ? movedRows(permutation, shape, dtype) : null;
    if (rows) {
      const [moved, key] = [to.slice(0, rows.axes), `rows of [${shape}] by [${permutation}]`];
      const index = graph.constant({ shape: moved, dtype: "int32" }, rows.order, key);
      const listed = graph.node("Reshape", [x, graph.int64s([rows.order.length, ...shape.slice(rows.axes)])]);
      return graph.node("Gather", [listed, index], { axis: 0 });
    }
    const groups = movedTogether(permutation);
    if (groups.length === permutation.length || movesOneAxis(permutation))
      return graph.node("Transpose", [x], { perm: permutation });
    const order = [...groups].sort((a, b) => (a[0] as number) - (b[0] as number));
    const merged = order.map((group) => sizeOf(group.map((axis) => shape[axis] as number)));
    const reshaped = (name: string, to: Shape) => graph.node("Reshape", [name, graph.int64s(to)], { allowzero: 1 });
    // Without the axis of extent 1 in front the runtime would join all three to the slow transposition again.
    const perm = [0, ...groups.map((group) => order.indexOf(group) + 1)];
    const turned = graph.node("Transpose", [reshaped(x, [1, ...merged])], { perm });
    return reshaped(turned, to);
  },
});

/** Rows of so many bytes the runtime gathers in half of the time in which it transposes them. */
const SHORT_ROWS = { from: 16, to: 64 };
/** So many rows may have their order in the model. */
const MOST_ROWS = 16_384;

/** For a permutation that moves whole short rows: the number of axes that it moves, and where each row comes from; else null. */
function movedRows(permutation: readonly number[], shape: Shape, dtype: DType) {
  let axes = permutation.length;
  while (axes > 0 && permutation[axes - 1] === axes - 1) axes--;
  const bytes = sizeOf(shape.slice(axes)) * bytesOf(dtype);
  const extents = shape.slice(0, axes);
  const count = sizeOf(extents);
  if (axes === 0 || axes === permutation.length || bytes < SHORT_ROWS.from || bytes > SHORT_ROWS.to) return null;
  if (count === 0 || count > MOST_ROWS) return null;
  // The row of each place of the result, its last moved axis fastest.
  let order = [0];
  for (const axis of permutation.slice(0, axes)) {
    const stride = sizeOf(extents.slice(axis + 1));
    order = order.flatMap((start) => Array.from({ length: extents[axis] as number }, (_, i) => start + i * stride));
  }
  return { axes, order: Int32Array.from(order) };
}

/** Runs of axes that stay neighbours, in the order of the result. */
function movedTogether(permutation: readonly number[]): number[][] {
  const groups: number[][] = [];
  for (const axis of permutation) {
    const last = groups.at(-1);
    if (last?.at(-1) === axis - 1) last.push(axis);
    else groups.push([axis]);
  }
  return groups;
}

/** Whether all axes but one keep their order: the runtime is fast at that, and slow at all else, so runs are merged first. */
const movesOneAxis = (permutation: readonly number[]): boolean =>
  permutation.some((moved) => {
    const others = permutation.filter((axis) => axis !== moved);
    return others.every((axis, i) => i === 0 || axis > (others[i - 1] as number));
  });

/** Axes in another order: axis `i` of the result is axis `permutation[i]` of `x`; by default the order is reversed. */
export function transpose(x: Tensor, permutation?: readonly number[]): Tensor {
  const order =
    permutation?.map((axis) => normalizeAxis("transpose", axis, x.rank)) ?? x.shape.map((_, i) => x.rank - 1 - i);
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new RangeError(`transpose: expected each of the ${x.rank} axes once, got ${showShape(order)}`);
  }
  return order.every((axis, i) => axis === i) ? x : transposePrimitive(x, { permutation: order });
}

/** `x` with two axes exchanged. */
export function swapAxes(x: Tensor, a: number, b: number): Tensor {
  const [i, j] = [normalizeAxis("swapAxes", a, x.rank), normalizeAxis("swapAxes", b, x.rank)];
  return transpose(
    x,
    x.shape.map((_, axis) => (axis === i ? j : axis === j ? i : axis)),
  );
}

/** `x` with an axis of extent 1 inserted so that it becomes `axis` of the result. */
export function expandDims(x: Tensor, axis: number): Tensor {
  const at = normalizeAxis("expandDims", axis, x.rank + 1);
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** `x` without axes of extent 1: the given ones, or all of them. */
export function squeeze(x: Tensor, axis?: number | readonly number[]): Tensor {
  const axes =
    axis === undefined ? x.shape.flatMap((n, i) => (n === 1 ? [i] : [])) : normalizeAxes("squeeze", axis, x.rank);
  for (const i of axes)
    if (x.shape[i] !== 1) throw new RangeError(`squeeze: axis ${i} of shape ${showShape(x.shape)} is not 1`);
  return reshape(
    x,
    x.shape.filter((_, i) => !axes.includes(i)),
  );
}

const broadcastPrimitive = primitive<[x: Tensor], { readonly shape: Shape }>("broadcastTo", {
  shape: ([x], { shape }) => ({ shape, dtype: x.dtype }),
  // The reverse walk sums over the axes that were repeated.
  gradient: (dy) => [dy],
  onnx: (graph, [x], { shape }) => graph.node("Expand", [x, graph.int64s(shape)]),
});

/** `x` repeated along new axes on the left and axes of extent 1, as arithmetic would do by itself. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  checkShape("broadcastTo", shape);
  if (!sameShape(broadcastShapes("broadcastTo", x.shape, shape), shape)) {
    throw new RangeError(`broadcastTo: shape ${showShape(x.shape)} does not broadcast to ${showShape(shape)}`);
  }
  return sameShape(x.shape, shape) ? x : broadcastPrimitive(x, { shape });
}

interface SliceParams {
  readonly starts: readonly number[];
  readonly stops: readonly number[];
  readonly steps: readonly number[];
}

/** Elements `start, start + step, …` before (after, for negative steps) `stop`. */
const sliceLength = (start: number, stop: number, step: number): number =>
  Math.max(0, Math.ceil((stop - start) / step));

const slicePrimitive = primitive<[x: Tensor], SliceParams>("slice", {
  shape: ([x], { starts, stops, steps }) => ({
    shape: starts.map((start, i) => sliceLength(start, stops[i] as number, steps[i] as number)),
    dtype: x.dtype,
  }),
  gradient: (dy, { inputs: [x], params }) => [unslice(dy, { ...params, shape: x.shape })],
  onnx: (graph, [x], { starts, stops, steps }, node) => {
    const { shape } = node.inputs[0] as Tensor;
    const cut = (from: string, axes: readonly number[], ends: Omit<SliceParams, "steps">, by: readonly number[]) => {
      const pick = (values: readonly number[]) => graph.int64s(axes.map((i) => values[i] as number));
      return graph.node("Slice", [from, pick(ends.starts), pick(ends.stops), graph.int64s(axes), pick(by)]);
    };
    // WebGPU's operator takes negative steps from the last element on, so what stands behind the first is cut off before.
    const late = starts.flatMap((start, i) =>
      (steps[i] as number) < 0 && start < (shape[i] as number) - 1 ? [i] : [],
    );
    const [none, one] = [shape.map(() => 0), shape.map(() => 1)];
    const firsts = late.length === 0 ? x : cut(x, late, { starts: none, stops: starts.map((start) => start + 1) }, one);
    const axes = starts.flatMap((start, i) => (start === 0 && steps[i] === 1 && stops[i] === shape[i] ? [] : [i]));
    // A stop before element 0, met with negative steps, is written as the smallest integer: -1 would mean the last one.
    return cut(firsts, axes, { starts, stops: stops.map((n) => (n < 0 ? -(2 ** 31) : n)) }, steps);
  },
  reads: (_, y) => [sizeOf(y.shape)],
});

/** The transpose of `slice`: puts elements back to where they were taken from, among zeros. */
const unslice = (dy: Tensor, { starts, steps, shape }: SliceParams & { readonly shape: Shape }): Tensor => {
  const backwards = steps.flatMap((step, axis) => (step < 0 ? [axis] : []));
  let spread = backwards.length > 0 ? flip(dy, { axis: backwards }) : dy;
  steps.forEach((step, axis) => {
    if (Math.abs(step) > 1) spread = dilate(spread, axis, Math.abs(step));
  });
  const before = starts.map((start, axis) => {
    const n = dy.shape[axis] as number;
    return n === 0 ? 0 : (steps[axis] as number) < 0 ? start + (n - 1) * (steps[axis] as number) : start;
  });
  return pad(spread, { before, after: shape.map((n, i) => n - (before[i] as number) - (spread.shape[i] as number)) });
};

/** Inserts `step - 1` zeros between neighbours along an axis. */
function dilate(x: Tensor, axis: number, step: number): Tensor {
  const n = x.shape[axis] as number;
  if (n === 0) return x;
  const zeros = x.shape.map(() => 0);
  const wide = pad(expandDims(x, axis + 1), {
    before: [...zeros, 0],
    after: [...zeros, 0].map((_, i) => (i === axis + 1 ? step - 1 : 0)),
  });
  const merged = reshape(
    wide,
    x.shape.map((m, i) => (i === axis ? n * step : m)),
  );
  return slice(merged, { starts: [0], stops: [n * step - (step - 1)], axes: [axis] });
}

export interface SliceOptions {
  /** First element along each axis; negative values count from the end, values out of range are clamped. */
  readonly starts: readonly number[];
  /** End (exclusive) along each axis; negative values count from the end, `Infinity` is the end. */
  readonly stops: readonly number[];
  /** Distance between elements; 1 by default; negative steps walk backwards (`stop: -Infinity` includes element 0). */
  readonly steps?: readonly number[];
  /** The axes that the lists speak of; by default the first ones in order. */
  readonly axes?: readonly number[];
}

/** A rectangular part of `x`, as NumPy's `x[start:stop:step, …]`. */
export function slice(x: Tensor, { starts, stops, steps, axes }: SliceOptions): Tensor {
  const named = axes?.map((axis) => normalizeAxis("slice", axis, x.rank)) ?? starts.map((_, i) => i);
  if (
    stops.length !== starts.length ||
    (steps && steps.length !== starts.length) ||
    named.length !== starts.length ||
    named.length > x.rank
  ) {
    throw new RangeError(
      `slice: starts, stops, steps and axes need one value for each axis named (at most ${x.rank}), got ${starts.length}, ${stops.length}, ${steps?.length ?? 0}, ${named.length}`,
    );
  }
  const full: { starts: number[]; stops: number[]; steps: number[] } = {
    starts: x.shape.map(() => 0),
    stops: [...x.shape],
    steps: x.shape.map(() => 1),
  };
  named.forEach((axis, i) => {
    const n = x.shape[axis] as number;
    const step = steps?.[i] ?? 1;
    if (!Number.isInteger(step) || step === 0)
      throw new RangeError(`slice: steps are whole numbers other than 0, got ${step}`);
    const [low, high] = step > 0 ? [0, n] : [-1, n - 1];
    const clamp = (at: number): number => {
      if (Number.isNaN(at) || (Number.isFinite(at) && !Number.isInteger(at)))
        throw new RangeError(`slice: bounds are whole numbers, got ${at}`);
      return Math.min(high, Math.max(low, at < 0 ? at + n : at));
    };
    full.starts[axis] = clamp(starts[i] as number);
    full.stops[axis] = clamp(stops[i] as number);
    full.steps[axis] = step;
  });
  const whole = x.shape.every((n, i) => full.starts[i] === 0 && full.stops[i] === n && full.steps[i] === 1);
  return whole ? x : slicePrimitive(x, full);
}

interface PadParams {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly value: number;
}

const padPrimitive = primitive<[x: Tensor], PadParams>("pad", {
  shape: ([x], { before, after }) => ({
    shape: x.shape.map((n, i) => n + (before[i] as number) + (after[i] as number)),
    dtype: x.dtype,
  }),
  gradient: (dy, { inputs: [x], params: { before } }) => [
    slice(dy, { starts: before, stops: x.shape.map((n, i) => n + (before[i] as number)) }),
  ],
  onnx: (graph, [x], { before, after, value }, node) => {
    const dtype = node.outputs[0]?.dtype as Tensor["dtype"];
    return graph.node("Pad", [x, graph.int64s([...before, ...after]), graph.scalar(value, dtype)]);
  },
});

/** `x` with `before` and `after` elements of `value` (0 by default) added along each axis. */
export function pad(
  x: Tensor,
  {
    before,
    after,
    value = 0,
  }: { readonly before: readonly number[]; readonly after: readonly number[]; readonly value?: number },
): Tensor {
  for (const amounts of [before, after]) {
    if (amounts.length !== x.rank || amounts.some((n) => !Number.isInteger(n) || n < 0)) {
      throw new RangeError(
        `pad: expected ${x.rank} whole numbers of at least 0 before and after, got ${showShape(amounts)}`,
      );
    }
  }
  return [...before, ...after].every((n) => n === 0) ? x : padPrimitive(x, { before, after, value });
}

const concatPrimitive = primitive<Tensor[], { readonly axis: number }>("concat", {
  shape: (xs, { axis }) => {
    const [first, ...rest] = xs as [Tensor, ...Tensor[]];
    for (const x of rest) {
      if (x.dtype !== first.dtype)
        throw new TypeError(`concat: operands are ${first.dtype} and ${x.dtype}; cast one of them`);
      if (x.shape.length !== first.shape.length || x.shape.some((n, i) => i !== axis && n !== first.shape[i])) {
        throw new RangeError(
          `concat: shapes ${showShape(first.shape)} and ${showShape(x.shape)} differ beside axis ${axis}`,
        );
      }
    }
    const total = xs.reduce((n, x) => n + (x.shape[axis] as number), 0);
    return { shape: first.shape.map((n, i) => (i === axis ? total : n)), dtype: first.dtype };
  },
  gradient: (dy, { inputs, params: { axis } }) =>
    split(dy, { axis, sizes: inputs.map((x) => x.shape[axis] as number) }),
  onnx: (graph, inputs, { axis }) => graph.node("Concat", [...inputs], { axis }),
});

/** Tensors joined along an existing axis (0 by default); the other extents must agree. */
export function concat(xs: readonly Tensor[], { axis = 0 }: { readonly axis?: number } = {}): Tensor {
  const first = xs[0];
  if (!first) throw new RangeError("concat: expected at least one tensor");
  const at = normalizeAxis("concat", axis, first.rank);
  return xs.length === 1 ? first : concatPrimitive(...xs, { axis: at });
}

/** Tensors of one shape joined along a new axis (0 by default). */
export function stack(xs: readonly Tensor[], { axis = 0 }: { readonly axis?: number } = {}): Tensor {
  const first = xs[0];
  if (!first) throw new RangeError("stack: expected at least one tensor");
  const at = normalizeAxis("stack", axis, first.rank + 1);
  return concat(
    xs.map((x) => expandDims(x, at)),
    { axis: at },
  );
}

const splitPrimitive = multiPrimitive<{ readonly axis: number; readonly sizes: readonly number[] }>({
  name: "split",
  types: ([x], { axis, sizes }) => {
    const { shape, dtype } = x as Tensor;
    return sizes.map((size) => ({ shape: shape.map((n, i) => (i === axis ? size : n)), dtype }));
  },
  gradient: (dys, { outputs, params: { axis } }) => [
    concat(
      dys.map((dy, i) => dy ?? zerosLike(outputs[i] as Tensor)),
      { axis },
    ),
  ],
  onnx: (graph, [x], { params: { axis, sizes } }) =>
    graph.nodes("Split", [x as string, graph.int64s(sizes)], sizes.length, { axis }),
});

/** `x` cut along an axis into parts of the given sizes, which must add up to its extent. */
export function split(
  x: Tensor,
  { axis = 0, sizes }: { readonly axis?: number; readonly sizes: readonly number[] },
): Tensor[] {
  const at = normalizeAxis("split", axis, x.rank);
  checkShape("split", sizes);
  const total = sizes.reduce((a, b) => a + b, 0);
  if (total !== x.shape[at])
    throw new RangeError(`split: sizes ${showShape(sizes)} add up to ${total}, axis ${at} has ${x.shape[at]}`);
  return sizes.length === 1 ? [x] : [...splitPrimitive([x], { axis: at, sizes })];
}

/** `x` in reverse order along one axis, several, or (by default) all. */
export function flip(x: Tensor, { axis }: { readonly axis?: number | readonly number[] } = {}): Tensor {
  const axes = normalizeAxes("flip", axis, x.rank).filter((i) => x.shape[i] !== 0);
  const each = (value: number) => axes.map(() => value);
  return slice(x, { starts: each(-1), stops: each(Number.NEGATIVE_INFINITY), steps: each(-1), axes });
}

/** `x` repeated a whole number of times along each axis. */
export function tile(x: Tensor, repeats: readonly number[]): Tensor {
  if (repeats.length !== x.rank) throw new RangeError(`tile: expected ${x.rank} repeats, got ${repeats.length}`);
  checkShape("tile", repeats);
  const interleaved = broadcastTo(
    reshape(
      x,
      x.shape.flatMap((n) => [1, n]),
    ),
    x.shape.flatMap((n, i) => [repeats[i] as number, n]),
  );
  return reshape(
    interleaved,
    x.shape.map((n, i) => n * (repeats[i] as number)),
  );
}

/** A tensor of one value; `dtype` is float32 by default. */
export const full = (shape: Shape, value: number | boolean, dtype: Tensor["dtype"] = "float32"): Tensor =>
  broadcastTo(scalar(value, dtype), shape);
/** Zeros; float32 by default. */
export const zeros = (shape: Shape, dtype?: Tensor["dtype"]): Tensor => full(shape, 0, dtype);
/** Ones; float32 by default. */
export const ones = (shape: Shape, dtype?: Tensor["dtype"]): Tensor => full(shape, 1, dtype);
/** Zeros in the shape and type of `x`. */
export const zerosLike = (x: Tensor): Tensor => zeros(x.shape, x.dtype);
/** Ones in the shape and type of `x`. */
export const onesLike = (x: Tensor): Tensor => ones(x.shape, x.dtype);

/** Number of true (non-zero) elements along the axes, as int64. */
export const countNonZero = (
  x: Tensor,
  options: { readonly axis?: number | readonly number[]; readonly keepDims?: boolean } = {},
): Tensor => sum(cast(cast(x, "bool"), "int64"), options);
