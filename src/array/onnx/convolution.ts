/** How the products of convolution are written in ONNX where the runtime's own operator is slow or missing. */
import { type Shape, sizeOf } from "../shape.ts";
import type { TensorType } from "../tensor.ts";
import { blockedConvolution, suitsBlocks } from "./blocked.ts";
import type { OnnxBuilder } from "./builder.ts";

/** A convolution's parameters along its spatial axes. */
export interface Spatial {
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly groups: number;
}

const spatial = (shape: Shape): readonly number[] => shape.slice(2);

/** All positions inside a kernel or an image, in row-major order. */
function taps(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (list, k) => list.flatMap((tap) => Array.from({ length: k }, (_, i) => [...tap, i])),
    [[]],
  );
}

const padded = (graph: OnnxBuilder, x: string, { dtype }: TensorType, { before, after }: Spatial): string =>
  [...before, ...after].every((n) => n === 0)
    ? x
    : graph.node("Pad", [x, graph.int64s([0, 0, ...before, 0, 0, ...after]), graph.scalar(0, dtype)]);

/** What one tap of the kernel sees of the padded input: `[batch, channels, ...positions]`. */
function seenBy(
  graph: OnnxBuilder,
  x: string,
  tap: readonly number[],
  positions: readonly number[],
  { stride, dilation }: Spatial,
): string {
  const starts = tap.map((k, i) => k * (dilation[i] as number));
  const stops = starts.map((start, i) => start + ((positions[i] as number) - 1) * (stride[i] as number) + 1);
  const axes = tap.map((_, i) => i + 2);
  return graph.node("Slice", [x, graph.int64s(starts), graph.int64s(stops), graph.int64s(axes), graph.int64s(stride)]);
}

const reshape = (graph: OnnxBuilder, x: string, shape: Shape): string =>
  graph.node("Reshape", [x, graph.int64s(shape)], { allowzero: 1 });

const addAll = (graph: OnnxBuilder, parts: readonly string[]): string =>
  parts.slice(1).reduce((total, part) => graph.node("Add", [total, part]), parts[0] as string);

/** The weights of one tap: `[groups, outputs/groups, channels/groups]`. */
function weightOf(
  graph: OnnxBuilder,
  w: string,
  { shape }: TensorType,
  tap: readonly number[],
  groups: number,
): string {
  const axes = tap.map((_, i) => i + 2);
  const picked = graph.node("Slice", [w, graph.int64s(tap), graph.int64s(tap.map((k) => k + 1)), graph.int64s(axes)]);
  return reshape(graph, picked, [groups, (shape[0] as number) / groups, shape[1] as number]);
}

/** A batch of nothing: the runtime's product does not broadcast over it. */
const nothing = (graph: OnnxBuilder, shape: Shape): string =>
  graph.constant({ shape, dtype: "float64" }, new Float64Array(0));

/** Forward convolution as a sum over taps, for float64, in which the runtime has no kernel. */
function float64Convolution(
  graph: OnnxBuilder,
  x: string,
  w: string,
  [xType, wType]: readonly [TensorType, TensorType],
  shape: Shape,
  params: Spatial,
): string {
  const { groups } = params;
  const [batch, channels] = xType.shape as readonly [number, number];
  const positions = spatial(shape);
  if (batch === 0) return nothing(graph, shape);
  const wide = padded(graph, x, xType, params);
  const parts = taps(spatial(wType.shape)).map((tap) => {
    const seen = reshape(graph, seenBy(graph, wide, tap, positions, params), [
      batch,
      groups,
      channels / groups,
      sizeOf(positions),
    ]);
    return graph.node("MatMul", [weightOf(graph, w, wType, tap, groups), seen]);
  });
  return reshape(graph, addAll(graph, parts), shape);
}

/** Forward convolution to an output of `shape`, with a bias for each of its channels if given, in the way that suits. */
export function convolutionNodes(
  graph: OnnxBuilder,
  operands: readonly [x: string, w: string, bias?: string],
  [xType, wType]: readonly [TensorType, TensorType],
  shape: Shape,
  params: Spatial,
): string {
  const { dtype } = xType;
  if (dtype === "float64") {
    const [x, w, bias] = operands;
    const product = float64Convolution(graph, x, w, [xType, wType], shape, params);
    const extents = [shape[1] as number, ...spatial(shape).map(() => 1)];
    return bias === undefined ? product : graph.node("Add", [product, reshape(graph, bias, extents)]);
  }
  if (suitsBlocks(graph.target, [xType, wType, { shape, dtype }], params))
    return blockedConvolution(graph, operands, wType, params);
  const { groups } = params;
  const kernel = spatial(wType.shape);
  const name = graph.node("Conv", operands as readonly string[], {
    strides: params.stride,
    dilations: params.dilation,
    pads: [...params.before, ...params.after],
    group: groups,
    kernel_shape: kernel,
  });
  // WebGPU's has no groups over three axes.
  if (kernel.length > 2 && groups > 1) graph.keepOnHost(name);
  return name;
}

/** Gradient of the input. */
export function inputGradientNodes(
  graph: OnnxBuilder,
  dy: string,
  w: string,
  [dyType, wType]: readonly [TensorType, TensorType],
  params: Spatial & { readonly shape: Shape },
): string {
  if (dyType.dtype === "float64") return float64InputGradient(graph, dy, w, dyType, wType, params);
  const { stride, dilation, before, after, groups, shape } = params;
  const kernel = spatial(wType.shape);
  const [outputs, channels] = wType.shape as readonly [number, number];
  const swappedType = { shape: [channels, outputs, ...kernel], dtype: wType.dtype };
  const reach = kernel.map((k, i) => (k - 1) * (dilation[i] as number));
  const turned: Spatial = {
    ...{ stride, dilation, groups },
    before: reach.map((r, i) => r - (before[i] as number)),
    after: reach.map((r, i) => r - (after[i] as number)),
  };
  // Copying what each tap sees takes most of the time: of the output's channels in a convolution by the turned kernel, of
  // the input's in the runtime's transposed one, which also adds it up again.
  const copiesLess = channels >= 32 || outputs <= 2 * channels;
  const isFast = copiesLess || suitsBlocks(graph.target, [dyType, swappedType, { shape, dtype: dyType.dtype }], turned);
  // Padding wider than the reach of the kernel would need a negative amount, which no convolution takes.
  const fits = [...turned.before, ...turned.after].every((n) => n >= 0);
  if (stride.every((s) => s === 1) && groups === 1 && kernel.some((k) => k > 1) && isFast && fits) {
    const axes = kernel.map((_, i) => i + 2);
    const each = (value: number) => graph.int64s(axes.map(() => value));
    const reversed = graph.node("Slice", [w, each(-1), each(-(2 ** 31)), graph.int64s(axes), each(-1)]);
    const swapped = graph.node("Transpose", [reversed], { perm: [1, 0, ...axes] });
    return convolutionNodes(graph, [dy, swapped], [dyType, swappedType], shape, turned);
  }
  const missing = shape.slice(2).map((n, i) => {
    const covered =
      ((dyType.shape[i + 2] as number) - 1) * (stride[i] as number) +
      ((kernel[i] as number) - 1) * (dilation[i] as number) +
      1;
    return n - (covered - (before[i] as number) - (after[i] as number));
  });
  const name = graph.node("ConvTranspose", [dy, w], {
    strides: stride,
    dilations: dilation,
    pads: [...before, ...after],
    group: groups,
    kernel_shape: kernel,
    output_padding: missing,
  });
  // With one output channel for an even number of inputs, WebGPU's (1.30) leaves some of them out of a group's sums.
  const isWrong = groups > 1 && wType.shape[1] === 1 && ((dyType.shape[1] as number) / groups) % 2 === 0;
  if (isWrong || kernel.length > 2) graph.keepOnHost(name);
  return name;
}

/** Gradient of the input in float64: each tap's product, spread back to where the tap saw it. */
function float64InputGradient(
  graph: OnnxBuilder,
  dy: string,
  w: string,
  dyType: TensorType,
  wType: TensorType,
  params: Spatial & { readonly shape: Shape },
): string {
  const { groups, stride, dilation, before, after, shape } = params;
  const [batch, outputs] = dyType.shape as readonly [number, number];
  if (batch === 0) return nothing(graph, shape);
  const positions = spatial(dyType.shape);
  const extents = spatial(shape).map((n, i) => n + (before[i] as number) + (after[i] as number));
  const rows = reshape(graph, dy, [batch, groups, outputs / groups, sizeOf(positions)]);
  const parts = taps(spatial(wType.shape)).map((tap) => {
    const weight = graph.node("Transpose", [weightOf(graph, w, wType, tap, groups)], { perm: [0, 2, 1] });
    let spread = reshape(graph, graph.node("MatMul", [weight, rows]), [batch, shape[1] as number, ...positions]);
    positions.forEach((n, i) => {
      const step = stride[i] as number;
      const start = (tap[i] as number) * (dilation[i] as number);
      spread = spreadAxis(graph, spread, i + 2, positions.length + 2, n, step, start, extents[i] as number);
    });
    return spread;
  });
  const axes = positions.map((_, i) => i + 2);
  const stops = spatial(shape).map((n, i) => n + (before[i] as number));
  return graph.node("Slice", [addAll(graph, parts), graph.int64s(before), graph.int64s(stops), graph.int64s(axes)]);
}

/** Puts `n` elements of an axis at `start, start + step, …` among zeros, in an axis of `extent` elements. */
function spreadAxis(
  graph: OnnxBuilder,
  x: string,
  axis: number,
  rank: number,
  n: number,
  step: number,
  start: number,
  extent: number,
): string {
  const places = BigInt64Array.from({ length: n }, (_, i) => BigInt(start + i * step));
  const indices = graph.constant({ shape: [n], dtype: "int64" }, places);
  // There is no float64 kernel of OneHot.
  const matrix = graph.cast(
    graph.node(
      "OneHot",
      [indices, graph.scalar(extent, "int64"), graph.constant({ shape: [2], dtype: "float32" }, Float32Array.of(0, 1))],
      { axis: -1 },
    ),
    "float64",
  );
  const last = [...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis), axis];
  const back = last.map((_, i) => last.indexOf(i));
  return graph.node("Transpose", [graph.node("MatMul", [graph.node("Transpose", [x], { perm: last }), matrix])], {
    perm: back,
  });
}

/** Up to so many channels, what all taps see of an image is put side by side: one product instead of many thin ones. */
const FEW_CHANNELS = 4;

/** Elements of the columns that are made at once: more would leave the caches before they are used. */
const COLUMNS_AT_ONCE = 2 ** 23;

/** With more places to gather from than this, a model would be mostly these numbers. */
const MOST_PLACES = 2 ** 20;

/**
 * Gradient of the weights: products of the output's gradient with what each tap saw. Convolution with exchanged axes, the
 * usual form, takes the runtime 2 to 6 times as long.
 */
export function weightGradientNodes(
  graph: OnnxBuilder,
  x: string,
  dy: string,
  types: readonly [TensorType, TensorType],
  params: Spatial & { readonly shape: Shape },
): string {
  const [{ shape }, dyType] = types;
  const kernel = spatial(params.shape);
  const [batch, channels] = shape as readonly [number, number];
  if (params.groups > 1 || batch === 0 || kernel.every((k) => k === 1))
    return weightGradientByTaps(graph, x, dy, types, params);
  if (channels <= FEW_CHANNELS) return weightGradientOfFewChannels(graph, x, dy, types, params);
  return sizeOf(spatial(dyType.shape)) * sizeOf(kernel) > MOST_PLACES
    ? weightGradientByTaps(graph, x, dy, types, params)
    : weightGradientByColumns(graph, x, dy, types, params);
}

/** What all taps see of each image side by side, by cuts of the padded input: rows too short to be gathered. */
function weightGradientOfFewChannels(
  graph: OnnxBuilder,
  x: string,
  dy: string,
  [xType, dyType]: readonly [TensorType, TensorType],
  params: Spatial & { readonly shape: Shape },
): string {
  const { shape } = params;
  const kernel = spatial(shape);
  const [batch, channels] = xType.shape as readonly [number, number];
  const positions = spatial(dyType.shape);
  const count = sizeOf(positions);
  const wide = padded(graph, x, xType, params);
  const seen = taps(kernel).map((tap) =>
    reshape(graph, seenBy(graph, wide, tap, positions, params), [batch, channels, 1, count]),
  );
  const columns = reshape(graph, graph.node("Concat", seen, { axis: 2 }), [batch, channels * sizeOf(kernel), count]);
  const rows = reshape(graph, dy, [batch, dyType.shape[1] as number, count]);
  const products = graph.node("MatMul", [rows, graph.node("Transpose", [columns], { perm: [0, 2, 1] })]);
  return reshape(graph, graph.node("ReduceSum", [products, graph.int64s([0])], { keepdims: 0 }), shape);
}

/**
 * With channels last, what a tap sees at a position is one row of the input: rows are gathered, in all threads, to columns
 * of which one product makes the weights of many taps.
 */
function weightGradientByColumns(
  graph: OnnxBuilder,
  x: string,
  dy: string,
  [xType, dyType]: readonly [TensorType, TensorType],
  params: Spatial & { readonly shape: Shape },
): string {
  const { shape, stride, dilation, before, after } = params;
  const kernel = spatial(shape);
  const [batch, channels] = xType.shape as readonly [number, number];
  const outputs = dyType.shape[1] as number;
  const positions = spatial(dyType.shape);
  const count = sizeOf(positions);
  const axes = kernel.map((_, i) => i + 2);
  const last = channelsLast(graph, x, xType.shape);
  const isPadded = [...before, ...after].some((n) => n > 0);
  const wide = isPadded
    ? graph.node("Pad", [last, graph.int64s([0, ...before, 0, 0, ...after, 0]), graph.scalar(0, xType.dtype)])
    : last;
  const extents = spatial(xType.shape).map((n, i) => n + (before[i] as number) + (after[i] as number));
  const images = reshape(graph, wide, [batch, sizeOf(extents), channels]);
  const rows = reshape(graph, graph.node("Transpose", [dy], { perm: [1, 0, ...axes] }), [outputs, batch * count]);
  const all = taps(kernel);
  const inRow = kernel.at(-1) as number;
  const fitting = Math.floor(COLUMNS_AT_ONCE / (batch * count * channels * inRow));
  const atOnce = inRow * Math.max(1, fitting);
  const parts: string[] = [];
  for (let first = 0; first < all.length; first += atOnce) {
    const some = all.slice(first, first + atOnce);
    const places = graph.constant(
      { shape: [count * some.length], dtype: "int32" },
      placesSeen(some, positions, extents, { stride, dilation }),
    );
    const columns = reshape(graph, graph.node("Gather", [images, places], { axis: 1 }), [
      batch * count,
      some.length * channels,
    ]);
    parts.push(reshape(graph, graph.node("MatMul", [rows, columns]), [outputs, some.length, channels]));
  }
  const joined = parts.length === 1 ? (parts[0] as string) : graph.node("Concat", parts, { axis: 1 });
  return reshape(graph, graph.node("Transpose", [joined], { perm: [0, 2, 1] }), shape);
}

/** Images of no more elements than this are turned together. */
const SMALL_IMAGE = 256;

/** `[batch, channels, ...extents]` to `[batch, ...extents, channels]`. */
function channelsLast(graph: OnnxBuilder, x: string, shape: Shape): string {
  const [batch, channels, ...extents] = shape as [number, number, ...number[]];
  const axes = extents.map((_, i) => i + 2);
  if (sizeOf(extents) > SMALL_IMAGE) return graph.node("Transpose", [x], { perm: [0, ...axes, 1] });
  // The runtime takes up to three times as long for many small matrices as for a large one.
  const first = reshape(graph, graph.node("Transpose", [x], { perm: [1, 0, ...axes] }), [channels, -1]);
  return reshape(graph, graph.node("Transpose", [first], { perm: [1, 0] }), [batch, ...extents, channels]);
}

/** For each position and each of some taps, the number of the element that it sees in a padded image. */
function placesSeen(
  some: readonly (readonly number[])[],
  positions: readonly number[],
  extents: readonly number[],
  { stride, dilation }: Pick<Spatial, "stride" | "dilation">,
): Int32Array {
  const strides = extents.map((_, axis) => sizeOf(extents.slice(axis + 1)));
  const place = (at: readonly number[], steps: readonly number[]): number =>
    at.reduce((total, k, axis) => total + k * (steps[axis] as number) * (strides[axis] as number), 0);
  const offsets = some.map((tap) => place(tap, dilation));
  const places = new Int32Array(sizeOf(positions) * some.length);
  taps(positions).forEach((position, i) => {
    const start = place(position, stride);
    offsets.forEach((offset, k) => {
      places[i * some.length + k] = start + offset;
    });
  });
  return places;
}

/** One product for each tap, over the whole batch at once with channels before it. */
function weightGradientByTaps(
  graph: OnnxBuilder,
  x: string,
  dy: string,
  [xType, dyType]: readonly [TensorType, TensorType],
  params: Spatial & { readonly shape: Shape },
): string {
  const { groups, shape } = params;
  const kernel = spatial(shape);
  const [batch, channels] = xType.shape as readonly [number, number];
  const outputs = dyType.shape[1] as number;
  const positions = spatial(dyType.shape);
  const count = sizeOf(positions);
  const perm = [1, 0, ...positions.map((_, i) => i + 2)];
  const wide = padded(graph, graph.node("Transpose", [x], { perm }), xType, params);
  const rows = reshape(graph, graph.node("Transpose", [dy], { perm }), [groups, outputs / groups, batch * count]);
  const parts = taps(kernel).map((tap) => {
    const seen = seenBy(graph, wide, tap, positions, params);
    const columns = reshape(graph, seen, [groups, channels / groups, batch * count]);
    const flipped = graph.node("Transpose", [columns], { perm: [0, 2, 1] });
    return reshape(graph, graph.node("MatMul", [rows, flipped]), [outputs, channels / groups, 1]);
  });
  return reshape(graph, graph.node("Concat", parts, { axis: 2 }), shape);
}
