/** Operations of neural networks that the runtime computes in one pass. */
import { add, exp, mul, rsqrt, square, sub } from "./elementwise.ts";
import { reshape } from "./layout.ts";
import { checkFloat, floatType } from "./operands.ts";
import { multiPrimitive, primitive } from "./primitive.ts";
import { mean, sum } from "./reduce.ts";
import { normalizeAxis, showShape } from "./shape.ts";
import type { Tensor, TensorType } from "./tensor.ts";

interface AxisParams {
  readonly axis: number;
}

const softmaxPrimitive = primitive<[x: Tensor], AxisParams>("softmax", {
  shape: ([x]) => floatType("softmax", x),
  gradient: (dy, { output, params: { axis } }) => [
    mul(output, sub(dy, sum(mul(dy, output), { axis, keepDims: true }))),
  ],
  onnx: (graph, [x], { axis }) => graph.node("Softmax", [x], { axis }),
});

/**
 * `e^x / Σ e^x` along an axis (the last by default). A row of nothing but -infinity gives NaN: mask with a large
 * negative number.
 */
export const softmax = (x: Tensor, { axis = -1 }: { readonly axis?: number } = {}): Tensor =>
  softmaxPrimitive(x, { axis: normalizeAxis("softmax", axis, x.rank) });

const logSoftmaxPrimitive = primitive<[x: Tensor], AxisParams>("logSoftmax", {
  shape: ([x]) => floatType("logSoftmax", x),
  gradient: (dy, { output, params: { axis } }) => [sub(dy, mul(exp(output), sum(dy, { axis, keepDims: true })))],
  onnx: (graph, [x], { axis }) => graph.node("LogSoftmax", [x], { axis }),
});

/** `x - log Σ e^x` along an axis (the last by default), without overflow. */
export const logSoftmax = (x: Tensor, { axis = -1 }: { readonly axis?: number } = {}): Tensor =>
  logSoftmaxPrimitive(x, { axis: normalizeAxis("logSoftmax", axis, x.rank) });

const layerNormPrimitive = multiPrimitive<{ readonly eps: number }>({
  name: "layerNormalize",
  types: ([x]) => {
    const { shape, dtype } = x as TensorType;
    const kept = [...shape.slice(0, -1), 1];
    return [x as TensorType, { shape: kept, dtype }, { shape: kept, dtype }];
  },
  gradient: ([dy, dMean, dInverse], { inputs, outputs }) => {
    const [x, scale] = inputs as [Tensor, Tensor, Tensor];
    const [, center, inverse] = outputs as [Tensor, Tensor, Tensor];
    const width = x.shape.at(-1) as number;
    const last = { axis: -1, keepDims: true };
    const normal = mul(sub(x, center), inverse);
    const parts: Tensor[] = [];
    if (dy) {
      const g = mul(dy, scale);
      parts.push(mul(inverse, sub(sub(g, mean(g, last)), mul(normal, mean(mul(g, normal), last)))));
    }
    // Second gradients reach the statistics too: d mean/dx = 1/width, d inverse/dx = -inverse²·normal/width.
    if (dMean) parts.push(mul(dMean, 1 / width));
    if (dInverse) parts.push(mul(mul(dInverse, -1 / width), mul(mul(inverse, inverse), normal)));
    const [first, ...rest] = parts;
    const dx = first ? rest.reduce((total, part) => add(total, part), first) : null;
    if (!dy) return [dx, null, null];
    const rows = (t: Tensor) => sum(reshape(t, [-1, width]), { axis: 0 });
    return [dx, rows(mul(dy, normal)), rows(dy)];
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
  if (x.dtype === "float32") return layerNormPrimitive([x, scale, bias], { eps })[0] as Tensor;
  // The runtime gives the statistics that the gradient needs in float32 only.
  const centered = sub(x, mean(x, { axis: -1, keepDims: true }));
  const inverse = rsqrt(add(mean(square(centered), { axis: -1, keepDims: true }), eps));
  return add(mul(mul(centered, inverse), scale), bias);
};
