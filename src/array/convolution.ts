/** Convolutions in any number of dimensions. Their three products are each other's gradients. */
import { convolutionNodes, inputGradientNodes, type Spatial, weightGradientNodes } from "./onnx/convolution.ts";
import { checkFloat } from "./operands.ts";
import { type Primitive, primitive } from "./primitive.ts";
import { sum } from "./reduce.ts";
import { type Shape, showShape, sizeOf } from "./shape.ts";
import type { Tensor, TensorType } from "./tensor.ts";

/** Extents along the spatial axes that `x` and `w` determine. */
const spatial = (shape: Shape): readonly number[] => shape.slice(2);

/** Reach of a kernel of `k` taps with gaps. */
const reach = (k: number, dilation: number): number => (k - 1) * dilation + 1;

/** Positions of a kernel along one axis. */
const positions = (n: number, k: number, axis: number, { stride, dilation, before, after }: Spatial): number =>
  Math.floor(
    (n + (before[axis] as number) + (after[axis] as number) - reach(k, dilation[axis] as number)) /
      (stride[axis] as number),
  ) + 1;

function outputShape(x: Shape, w: Shape, params: Spatial): number[] {
  return [
    x[0] as number,
    w[0] as number,
    ...spatial(x).map((n, axis) => positions(n, w[axis + 2] as number, axis, params)),
  ];
}

/** Parameters of the gradients: the forward parameters, and the shape of what they are the gradient of. */
interface GradientParams extends Spatial {
  readonly shape: Shape;
}

/** Operations of any of the three products: each element of the large side meets each weight of its group once. */
const products = (y: Shape, w: Shape): number => 2 * sizeOf(y) * sizeOf(w.slice(1));

const forward: Primitive<[x: Tensor, w: Tensor], Spatial> = primitive("conv", {
  shape: ([x, w], params) => ({ shape: outputShape(x.shape, w.shape, params), dtype: x.dtype }),
  gradient: (dy, { inputs: [x, w], params }) => [
    inputGradient(dy, w, { ...params, shape: x.shape }),
    weightGradient(x, dy, { ...params, shape: w.shape }),
  ],
  operations: ([, w], y) => products(y.shape, w.shape),
  onnx: (graph, operands, params, { inputs, outputs }) =>
    convolutionNodes(graph, operands, inputs as [Tensor, Tensor], (outputs[0] as Tensor).shape, params),
});

const forwardWithBias = primitive<[x: Tensor, w: Tensor, bias: Tensor], Spatial>("convWithBias", {
  shape: ([x, w], params) => ({ shape: outputShape(x.shape, w.shape, params), dtype: x.dtype }),
  gradient: (dy, { inputs: [x, w], params }) => [
    inputGradient(dy, w, { ...params, shape: x.shape }),
    weightGradient(x, dy, { ...params, shape: w.shape }),
    sum(dy, { axis: [0, ...spatial(dy.shape).map((_, i) => i + 2)] }),
  ],
  operations: ([, w], y) => products(y.shape, w.shape),
  onnx: (graph, operands, params, { inputs, outputs }) =>
    convolutionNodes(graph, operands, inputs as unknown as [Tensor, Tensor], (outputs[0] as Tensor).shape, params),
});

const inputGradient: Primitive<[dy: Tensor, w: Tensor], GradientParams> = primitive("convInputGradient", {
  shape: ([dy], { shape }) => ({ shape, dtype: dy.dtype }),
  gradient: (dx, { inputs: [dy, w], params: { shape: _, ...params } }) => [
    forward(dx, w, params),
    weightGradient(dx, dy, { ...params, shape: w.shape }),
  ],
  operations: ([dy, w]) => products(dy.shape, w.shape),
  onnx: (graph, [dy, w], params, node) => inputGradientNodes(graph, dy, w, node.inputs as [Tensor, Tensor], params),
});

const weightGradient: Primitive<[x: Tensor, dy: Tensor], GradientParams> = primitive("convWeightGradient", {
  shape: ([x], { shape }) => ({ shape, dtype: x.dtype }),
  gradient: (dw, { inputs: [x, dy], params: { shape: _, ...params } }) => [
    inputGradient(dy, dw, { ...params, shape: x.shape }),
    forward(x, dw, params),
  ],
  operations: ([, dy], w) => products(dy.shape, w.shape),
  onnx: (graph, [x, dy], params, node) => weightGradientNodes(graph, x, dy, node.inputs as [Tensor, Tensor], params),
});

/** `same`: as many positions as elements (at stride 1); `valid`: none; else elements before and after each axis. */
export type Padding = number | "same" | "valid" | readonly (readonly [before: number, after: number])[];

/** Where a kernel is put. */
export interface ConvGeometry {
  /** Distance between positions of the kernel, for all axes or each; 1 by default. */
  readonly stride?: number | readonly number[];
  /** Zeros around the input; none by default. */
  readonly padding?: Padding;
  /** Distance between taps of the kernel; 1 by default. */
  readonly dilation?: number | readonly number[];
  /** Channels are cut into so many groups that do not see each other; 1 by default, all channels for depthwise. */
  readonly groups?: number;
}

export interface ConvOptions extends ConvGeometry {
  /** What is added to each channel of the output, `[outputs]`; nothing by default. */
  readonly bias?: Tensor;
}

/** A whole number of at least 1 for each of `rank` axes. */
export function perAxis(
  operation: string,
  name: string,
  value: number | readonly number[],
  rank: number,
): readonly number[] {
  const list = typeof value === "number" ? Array<number>(rank).fill(value) : value;
  if (list.length !== rank || list.some((n) => !Number.isInteger(n) || n < 1)) {
    throw new RangeError(
      `${operation}: ${name} needs whole numbers of at least 1, one or ${rank}, got ${JSON.stringify(value)}`,
    );
  }
  return list;
}

/** Padding as amounts before and after each axis. */
export function paddingAmounts(
  operation: string,
  padding: Padding,
  kernel: readonly number[],
  stride: readonly number[],
  extents: readonly number[],
): { before: readonly number[]; after: readonly number[] } {
  if (padding === "valid") return { before: kernel.map(() => 0), after: kernel.map(() => 0) };
  if (padding === "same") {
    const total = extents.map((n, i) =>
      Math.max(0, (Math.ceil(n / (stride[i] as number)) - 1) * (stride[i] as number) + (kernel[i] as number) - n),
    );
    return { before: total.map((t) => Math.floor(t / 2)), after: total.map((t) => Math.ceil(t / 2)) };
  }
  const pairs = typeof padding === "number" ? kernel.map(() => [padding, padding] as const) : padding;
  if (pairs.length !== kernel.length || pairs.flat().some((n) => !Number.isInteger(n) || n < 0)) {
    throw new RangeError(
      `${operation}: padding needs whole numbers of at least 0, a pair for each of ${kernel.length} axes, got ${JSON.stringify(padding)}`,
    );
  }
  return { before: pairs.map(([low]) => low), after: pairs.map(([, high]) => high) };
}

function normalize(
  operation: string,
  w: TensorType,
  extents: readonly number[],
  { stride = 1, padding = 0, dilation = 1, groups = 1 }: ConvGeometry,
): Spatial {
  const rank = w.shape.length - 2;
  const strides = perAxis(operation, "stride", stride, rank);
  const dilations = perAxis(operation, "dilation", dilation, rank);
  if (!Number.isInteger(groups) || groups < 1)
    throw new RangeError(`${operation}: groups is a whole number of at least 1, got ${groups}`);
  const reaches = spatial(w.shape).map((k, i) => reach(k, dilations[i] as number));
  return {
    stride: strides,
    dilation: dilations,
    groups,
    ...paddingAmounts(operation, padding, reaches, strides, extents),
  };
}

function checkOperands(operation: string, x: Tensor, w: Tensor): void {
  checkFloat(operation, x.dtype);
  if (x.dtype !== w.dtype)
    throw new TypeError(`${operation}: operands are ${x.dtype} and ${w.dtype}; cast one of them`);
  if (x.rank < 3 || w.rank !== x.rank) {
    throw new RangeError(
      `${operation}: expected x [batch, channels, ...spatial] and a kernel of the same rank, got ${showShape(x.shape)} and ${showShape(w.shape)}`,
    );
  }
}

function checkGroups(operation: string, count: number, what: string, groups: number): void {
  if (count % groups !== 0)
    throw new RangeError(`${operation}: ${count} ${what} cannot be cut into ${groups} equal groups`);
}

/**
 * Convolution (cross-correlation, as in all of deep learning):
 * `y[b, o, p] = Σ_{i, k} x[b, i, p·stride + k·dilation] w[o, i, k] + bias[o]`.
 * `x: [batch, channels, ...spatial]`, `w: [outputs, channels/groups, ...kernel]` give `[batch, outputs, ...positions]`.
 */
export function conv(x: Tensor, w: Tensor, options: ConvOptions = {}): Tensor {
  checkOperands("conv", x, w);
  const params = normalize("conv", w, spatial(x.shape), options);
  const { groups } = params;
  const [channels, outputs] = [x.shape[1] as number, w.shape[0] as number];
  checkGroups("conv", channels, "channels", groups);
  checkGroups("conv", outputs, "outputs", groups);
  if (channels !== (w.shape[1] as number) * groups) {
    throw new RangeError(
      `conv: x has ${channels} channels in ${groups} ${groups === 1 ? "group" : "groups"}, so w needs shape [outputs, ${channels / groups}, ...kernel], got ${showShape(w.shape)}`,
    );
  }
  const shape = outputShape(x.shape, w.shape, params);
  if (spatial(shape).some((n) => n < 1))
    throw new RangeError(
      `conv: a kernel ${showShape(spatial(w.shape))} with its dilation does not fit into x ${showShape(x.shape)} with its padding`,
    );
  const { bias } = options;
  if (!bias) return forward(x, w, params);
  if (bias.rank !== 1 || bias.size !== outputs || bias.dtype !== x.dtype)
    throw new RangeError(
      `conv: bias needs shape [${outputs}] in ${x.dtype}, got ${showShape(bias.shape)} in ${bias.dtype}`,
    );
  return forwardWithBias(x, w, bias, params);
}

/**
 * Transposed convolution: the map from the output back to the input of `conv` with the same options, used to enlarge.
 * `x: [batch, channels, ...spatial]`, `w: [channels, outputs/groups, ...kernel]` give extents
 * `(n - 1)·stride + (kernel - 1)·dilation + 1 - padding + outputPadding`.
 */
export function convTranspose(
  x: Tensor,
  w: Tensor,
  {
    outputPadding = 0,
    ...options
  }: Omit<ConvGeometry, "padding"> & {
    readonly padding?: Exclude<Padding, "same">;
    readonly outputPadding?: number | readonly number[];
  } = {},
): Tensor {
  checkOperands("convTranspose", x, w);
  if (x.shape[1] !== w.shape[0])
    throw new RangeError(
      `convTranspose: x has ${x.shape[1]} channels and w is ${showShape(w.shape)}; w needs as many in its first axis`,
    );
  const params = normalize("convTranspose", w, spatial(x.shape), options);
  checkGroups("convTranspose", x.shape[1] as number, "channels", params.groups);
  const extra = typeof outputPadding === "number" ? spatial(x.shape).map(() => outputPadding) : outputPadding;
  const extents = spatial(x.shape).map((n, i) => {
    const added = extra[i] as number;
    if (!Number.isInteger(added) || added < 0 || added >= (params.stride[i] as number)) {
      throw new RangeError(
        `convTranspose: outputPadding is a whole number from 0 to stride - 1, got ${JSON.stringify(outputPadding)}`,
      );
    }
    return (
      (n - 1) * (params.stride[i] as number) +
      reach(w.shape[i + 2] as number, params.dilation[i] as number) -
      (params.before[i] as number) -
      (params.after[i] as number) +
      added
    );
  });
  if (extents.some((n) => n < 1))
    throw new RangeError(`convTranspose: the padding leaves nothing of extents ${showShape(extents)}`);
  return inputGradient(x, w, {
    ...params,
    shape: [x.shape[0] as number, (w.shape[1] as number) * params.groups, ...extents],
  });
}
