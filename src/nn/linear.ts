/** The affine map. */
import { add, fold, matmul, type QuantizedMatrix, quantizedMatmul, Tensor } from "../array/index.ts";
import { checkCount, checkLast } from "./checks.ts";
import { fanInUniform, type Initializer } from "./initializers.ts";
import type { Layer } from "./layer.ts";

/** Parameters of `linear`: `weight: [inputs, outputs]`, and `bias: [outputs]` unless it was left out. */
export type LinearParams<B extends boolean = true> = B extends true
  ? { readonly weight: Tensor; readonly bias: Tensor }
  : { readonly weight: Tensor };

export interface LinearOptions<B extends boolean = true> {
  /** Extent of the last axis of the input. */
  readonly inputs: number;
  /** Extent of the last axis of the output. */
  readonly outputs: number;
  /** Whether there is a bias; true by default. */
  readonly bias?: B;
  /** How the weight is drawn; `fanInUniform` by default. */
  readonly init?: Initializer;
  /** How the bias is drawn; like the weight's default by default, uniform in `±1/√inputs`. */
  readonly initBias?: Initializer;
}

/** `x·W`, where the weight may have been rounded to few bits. */
export const timesWeight = (x: Tensor, weight: Tensor | QuantizedMatrix): Tensor =>
  weight instanceof Tensor ? matmul(x, weight) : quantizedMatmul(x, weight);

/**
 * Affine map of the last axis: `y = x·W + b`.
 * `x: [..., inputs]` gives `[..., outputs]`; W: `[inputs, outputs]`, b: `[outputs]`. A `QuantizedMatrix` may stand for W.
 */
export function linear<const B extends boolean = true>(options: LinearOptions<B>): Layer<LinearParams<B>> {
  const { inputs, outputs, bias = true, init = fanInUniform, initBias = fanInUniform } = options;
  checkCount("linear", { inputs, outputs });
  const fans = { fanIn: inputs, fanOut: outputs };
  return {
    init: (key) => {
      const weight = init(fold(key, "weight"), [inputs, outputs], fans);
      return (bias ? { weight, bias: initBias(fold(key, "bias"), [outputs], fans) } : { weight }) as LinearParams<B>;
    },
    apply: (params: { readonly weight: Tensor | QuantizedMatrix; readonly bias?: Tensor }, x) => {
      checkLast("linear", x, inputs);
      const y = timesWeight(x, params.weight);
      return params.bias ? add(y, params.bias) : y;
    },
  };
}
