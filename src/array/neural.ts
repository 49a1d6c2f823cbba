/** Operations of neural networks that the runtime computes in one pass. */
import { add, exp, mul, rsqrt, square, sub } from "./elementwise.ts";
import { reshape } from "./layout.ts";
import { weightedSum } from "./linear.ts";
import { checkFloat, floatType } from "./operands.ts";
import { multiPrimitive, primitive } from "./primitive.ts";
import { mean, sum } from "./reduce.ts";
import { broadcastShapes, normalizeAxis, sameShape, showShape, sizeOf } from "./shape.ts";
import type { Tensor, TensorType } from "./tensor.ts";

interface AxisParams {
  readonly axis: number;
}

const softmaxGradient = (dy: Tensor, output: Tensor, axis: number): Tensor =>
  mul(output, sub(dy, sum(mul(dy, output), { axis, keepDims: true })));

const softmaxPrimitive = primitive<[x: Tensor], AxisParams>("softmax", {
  shape: ([x]) => floatType("softmax", x),
  gradient: (dy, { output, params: { axis } }) => [softmaxGradient(dy, output, axis)],
  onnx: (graph, [x], { axis }) => graph.node("Softmax", [x], { axis }),
});

/** Below the largest element by more than this, an element is raised to it: to none that counts in a sum. */
const REACH = { float16: 40, float32: 40, float64: 700 } as const;

const maskedSoftmaxPrimitive = primitive<[x: Tensor, mask: Tensor], AxisParams>("maskedSoftmax", {
  shape: ([x, mask]) => {
    if (mask.dtype !== "bool") throw new TypeError(`softmax: expected a bool mask, got ${mask.dtype}`);
    if (!sameShape(broadcastShapes("softmax", x.shape, mask.shape), x.shape))
      throw new RangeError(
        `softmax: expected a mask that broadcasts to x ${showShape(x.shape)}, got ${showShape(mask.shape)}`,
      );
    return floatType("softmax", x);
  },
  gradient: (dy, { output, params: { axis } }) => [softmaxGradient(dy, output, axis), null],
  // Exponentials too small for a normal number take the processor ten times as long as others, and each masked element
  // would have one. So these are raised to what is small but normal, and their weights set to zero afterwards.
  onnx: (graph, [x, mask], { axis }, { inputs }) => {
    const { rank } = inputs[0] as Tensor;
    const dtype = (inputs[0] as Tensor).dtype as keyof typeof REACH;
    const hidden = graph.scalar(dtype === "float16" ? -3e4 : -1e30, dtype);
    const bias = graph.node("Where", [mask, graph.scalar(0, dtype), hidden]);
    const scores = graph.node("Add", [x, bias]);
    const top = graph.node("ReduceMax", [scores, graph.int64s([axis])], { keepdims: 1 });
    const least = graph.node("Sub", [top, graph.scalar(REACH[dtype], dtype, rank)]);
    const weights = graph.node("Softmax", [graph.node("Max", [scores, least])], { axis });
    return graph.node("Mul", [weights, graph.cast(mask, dtype)]);
  },
});

export interface SoftmaxOptions {
  /** The last by default. */
  readonly axis?: number;
  /** A bool tensor that broadcasts to x: false where an element does not count and gets weight 0; all count by default. */
  readonly mask?: Tensor;
}

/**
 * `e^x / Σ e^x` along an axis. A row of nothing but -infinity gives NaN, one that is masked throughout gives zeros;
 * a mask takes less time than large negative numbers in its place.
 */
export const softmax = (x: Tensor, { axis = -1, mask }: SoftmaxOptions = {}): Tensor => {
  const params = { axis: normalizeAxis("softmax", axis, x.rank) };
  return mask ? maskedSoftmaxPrimitive(x, mask, params) : softmaxPrimitive(x, params);
};

const logSoftmaxPrimitive = primitive<[x: Tensor], AxisParams>("logSoftmax", {
  shape: ([x]) => floatType("logSoftmax", x),
  gradient: (dy, { output, params: { axis } }) => [sub(dy, mul(exp(output), sum(dy, { axis, keepDims: true })))],
  onnx: (graph, [x], { axis }) => graph.node("LogSoftmax", [x], { axis }),
});

/** `x - log Σ e^x` along an axis (the last by default), without overflow. */
export const logSoftmax = (x: Tensor, { axis = -1 }: { readonly axis?: number } = {}): Tensor =>
  logSoftmaxPrimitive(x, { axis: normalizeAxis("logSoftmax", axis, x.rank) });

/** Of a matrix, row by row. Outputs: the result, and the mean and 1/√(variance + eps) of each row. */
const layerNormPrimitive = multiPrimitive<{ readonly eps: number }>({
  name: "layerNormalize",
  types: ([x]) => {
    const { shape, dtype } = x as TensorType;
    const each = { shape: [shape[0] as number, 1], dtype };
    return [x as TensorType, each, each];
  },
  gradient: ([dy, dMean, dInverse], { inputs, outputs }) => {
    const [x, scale] = inputs as [Tensor, Tensor, Tensor];
    const [, center, inverse] = outputs as [Tensor, Tensor, Tensor];
    const width = x.shape.at(-1) as number;
    const normal = mul(sub(x, center), inverse);
    const parts: Tensor[] = [];
    const moved = dy && mul(dy, normal);
    if (dy && moved) {
      // Means over a row of what is scaled are products with the scales: two passes less than scaling first.
      const weights = reshape(mul(scale, 1 / width), [width, 1]);
      const [level, slope] = [weightedSum(dy, weights), weightedSum(moved, weights)];
      parts.push(mul(inverse, sub(sub(mul(dy, scale), level), mul(normal, slope))));
    }
    // Second gradients reach the statistics too: d mean/dx = 1/width, d inverse/dx = -inverse²·normal/width.
    if (dMean) parts.push(mul(dMean, 1 / width));
    if (dInverse) parts.push(mul(mul(dInverse, -1 / width), mul(mul(inverse, inverse), normal)));
    const [first, ...rest] = parts;
    const dx = first ? rest.reduce((total, part) => add(total, part), first) : null;
    return [dx, moved ? sum(moved, { axis: 0 }) : null, dy ? sum(dy, { axis: 0 }) : null];
  },
  onnx: (graph, inputs, { params: { eps }, outputs }) =>
    graph.nodes("LayerNormalization", [...inputs], outputs.length, { axis: -1, epsilon: graph.float(eps) }),
});

function checkScale(x: TensorType, parameters: { readonly [name: string]: TensorType }): void {
  const width = x.shape.at(-1);
  for (const [name, { shape, dtype }] of Object.entries(parameters)) {
    if (shape.length !== 1 || shape[0] !== width || dtype !== x.dtype) {
      throw new TypeError(
        `layerNormalize: expected ${name} ${x.dtype}[${width}] for x ${showShape(x.shape)}, got ${dtype}${showShape(shape)}`,
      );
    }
  }
}

/**
 * `(x - mean) / √(variance + eps) · scale + bias` over the last axis; `scale` and `bias` have its extent.
 * Source: Ba et al. 2016, arXiv:1607.06450.
 */
export const layerNormalize = (
  x: Tensor,
  scale: Tensor,
  bias: Tensor,
  { eps = 1e-5 }: { readonly eps?: number } = {},
): Tensor => {
  if (x.rank === 0) throw new RangeError("layerNormalize: expected at least one axis, got a scalar");
  checkFloat("layerNormalize", x.dtype);
  checkScale(x, { scale, bias });
  if (x.dtype === "float32") {
    const rows = reshape(x, [sizeOf(x.shape.slice(0, -1)), scale.size]);
    return reshape(layerNormPrimitive([rows, scale, bias], { eps })[0] as Tensor, x.shape);
  }
  // The runtime gives the statistics that the gradient needs in float32 only.
  const centered = sub(x, mean(x, { axis: -1, keepDims: true }));
  const inverse = rsqrt(add(mean(square(centered), { axis: -1, keepDims: true }), eps));
  return add(mul(mul(centered, inverse), scale), bias);
};
