/** The feed-forward block as a memory of keys and values. */
import { fold, matmul, mul, relu, softmax, type Tensor } from "../../array/index.ts";
import { checkCount, checkLast } from "../checks.ts";
import { fanInUniform, type Initializer } from "../initializers.ts";
import { type Layer, tap } from "../layer.ts";
import { layerNorm, type NormParams } from "../norm.ts";

export interface KeyValueMemoryOptions {
  /** Extent of the last axis of input and output. */
  readonly width: number;
  /** Keys, each with its value. */
  readonly slots: number;
  /** What makes weights of the products with keys: each by itself, or all in competition; ReLU by default. */
  readonly weights?: "relu" | "softmax";
  /** Whether what is read is normalized, which gives it back the scale that a softmax takes away; false by default. */
  readonly normalized?: boolean;
  /** How keys and values are drawn; as in `linear` by default. */
  readonly init?: Initializer;
}

/** Parameters: `up: [width, slots]`, a key in each column; `down: [slots, width]`, a value in each row; and the norm. */
export type KeyValueMemoryParams = {
  readonly up: { readonly weight: Tensor };
  readonly down: { readonly weight: Tensor };
  readonly norm?: NormParams;
};

/**
 * Reads values by the likeness of their keys: `y = σ(x·K)·V` with σ = ReLU, which is a feed-forward block without biases,
 * or σ = softmax of `x·K/√width` over all slots; then, if asked for, `layerNorm(y)`.
 * `x: [..., width]` gives the same shape.
 * Source: Shen et al. 2023, arXiv:2302.06461, section 2; as a memory: Geva et al. 2021, arXiv:2012.14913.
 */
export function keyValueMemory(options: KeyValueMemoryOptions): Layer<KeyValueMemoryParams> {
  const { width, slots, weights = "relu", normalized = false, init = fanInUniform } = options;
  checkCount("keyValueMemory", { width, slots });
  const norm = layerNorm({ width });
  return {
    init: (key) => ({
      up: { weight: init(fold(key, "up"), [width, slots], { fanIn: width, fanOut: slots }) },
      down: { weight: init(fold(key, "down"), [slots, width], { fanIn: slots, fanOut: width }) },
      ...(normalized ? { norm: norm.init(fold(key, "norm")) } : {}),
    }),
    apply: ({ up, down, norm: own }, x, mode) => {
      checkLast("keyValueMemory", x, width);
      const products = tap(mode, "preactivation", matmul(x, up.weight));
      const chosen = weights === "relu" ? relu(products) : softmax(mul(products, 1 / Math.sqrt(width)));
      const read = matmul(tap(mode, "hidden", chosen), down.weight);
      return own ? norm.apply(own, read) : read;
    },
  };
}
