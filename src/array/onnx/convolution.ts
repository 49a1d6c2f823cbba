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

/** All positions inside a kernel, in row-major order. */
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

/**
 * Gradient of the weights: products of the output's gradient with what each tap saw. Convolution with exchanged axes, the
 * usual form, takes the runtime 2 to 6 times as long.
 */
export function weightGradientNodes(
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
  const flipped = (name: string) => graph.node("Transpose", [name], { perm: [0, 2, 1] });
  if (groups === 1 && channels <= FEW_CHANNELS) {
    const wide = padded(graph, x, xType, params);
    const seen = taps(kernel).map((tap) =>
      reshape(graph, seenBy(graph, wide, tap, positions, params), [batch, channels, 1, count]),
    );
    const columns = reshape(graph, graph.node("Concat", seen, { axis: 2 }), [batch, channels * sizeOf(kernel), count]);
    const products = graph.node("MatMul", [reshape(graph, dy, [batch, outputs, count]), flipped(columns)]);
    return reshape(graph, graph.node("ReduceSum", [products, graph.int64s([0])], { keepdims: 0 }), shape);
  }
  // With channels before the batch, a product sums over the whole batch at once.
  const perm = [1, 0, ...positions.map((_, i) => i + 2)];
  const wide = padded(graph, graph.node("Transpose", [x], { perm }), xType, params);
  const rows = reshape(graph, graph.node("Transpose", [dy], { perm }), [groups, outputs / groups, batch * count]);
  const parts = taps(kernel).map((tap) => {
    const seen = seenBy(graph, wide, tap, positions, params);
    const columns = reshape(graph, seen, [groups, channels / groups, batch * count]);
    return reshape(graph, graph.node("MatMul", [rows, flipped(columns)]), [outputs, channels / groups, 1]);
  });
  return reshape(graph, graph.node("Concat", parts, { axis: 2 }), shape);
}
