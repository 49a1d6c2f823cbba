/** The same affine map at every point of a grid. */
import { add, fold, matmul, reshape, type Tensor } from "../../array/index.ts";
import { checkCount } from "../checks.ts";
import { fanInUniform, type Initializer } from "../initializers.ts";
import type { Layer } from "../layer.ts";
import type { LinearParams } from "../linear.ts";

export interface PointwiseOptions<B extends boolean = true> {
  /** Channels of the input. */
  readonly inputs: number;
  /** Channels of the output. */
  readonly outputs: number;
  /** Whether there is a bias; true by default. */
  readonly bias?: B;
  /** How weight and bias are drawn; `fanInUniform` by default. */
  readonly init?: Initializer;
}

/**
 * Affine map of channels at each point: `y[b, o, p] = Σ_i W[o, i]·x[b, i, p] + bias[o]`, a convolution with a kernel of
 * one point. `x: [batch, inputs, ...grid]` gives `[batch, outputs, ...grid]`; weight: `[outputs, inputs]`, bias: `[outputs]`.
 */
export function pointwise<const B extends boolean = true>({
  inputs,
  outputs,
  bias,
  init = fanInUniform,
}: PointwiseOptions<B>): Layer<LinearParams<B>> {
  checkCount("pointwise", { inputs, outputs });
  const fans = { fanIn: inputs, fanOut: outputs };
  return {
    init: (key) => {
      const weight = init(fold(key, "weight"), [outputs, inputs], fans);
      const params = (bias ?? true) ? { weight, bias: init(fold(key, "bias"), [outputs], fans) } : { weight };
      return params as LinearParams<B>;
    },
    apply: (params: { readonly weight: Tensor; readonly bias?: Tensor }, x) => {
      const [batch, channels, ...grid] = x.shape as [number, number, ...number[]];
      if (x.rank < 3 || channels !== inputs)
        throw new RangeError(`pointwise: expected x of shape [batch, ${inputs}, ...grid], got [${x.shape.join(", ")}]`);
      const points = grid.reduce((total, n) => total * n, 1);
      const y = matmul(params.weight, reshape(x, [batch, inputs, points]));
      return reshape(params.bias ? add(y, reshape(params.bias, [outputs, 1])) : y, [batch, outputs, ...grid]);
    },
  };
}
