/** Dense feed-forward blocks of two and three layers. */
import { gelu, type Tensor } from "../../array/index.ts";
import type { Initializer } from "../initializers.ts";
import { compose, type Layer } from "../layer.ts";
import { type LinearParams, linear } from "../linear.ts";

export interface FfnOptions<B extends boolean = true> {
  /** Extent of the last axis of the input. */
  readonly width: number;
  /** Extent of the layer, or the layers, between. */
  readonly hidden: number;
  /** Extent of the last axis of the output; `width` by default. */
  readonly outputs?: number;
  /** Function after each layer but the last; exact GELU by default. */
  readonly activation?: (x: Tensor) => Tensor;
  /** Whether the layers have biases; true by default. */
  readonly bias?: B;
  /** How the weights are drawn; as in `linear` by default. */
  readonly init?: Initializer;
}

/** Parameters of `ffn`. */
export type FfnParams<B extends boolean = true> = { readonly up: LinearParams<B>; readonly down: LinearParams<B> };

/**
 * Feed-forward block: `y = σ(x·U + a)·D + b`.
 * `x: [..., width]` gives `[..., outputs]`; U: `[width, hidden]`, a: `[hidden]`, D: `[hidden, outputs]`, b: `[outputs]`.
 * Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.3 (there σ is ReLU).
 */
export function ffn<const B extends boolean = true>(options: FfnOptions<B>): Layer<FfnParams<B>> {
  const { width, hidden, outputs = width, activation = gelu, ...rest } = options;
  return compose(
    { up: linear({ inputs: width, outputs: hidden, ...rest }), down: linear({ inputs: hidden, outputs, ...rest }) },
    ({ up, down }, x: Tensor) => down(activation(up(x))),
  ) as Layer<FfnParams<B>>;
}

/** Parameters of `threeLayerFfn`. */
export type ThreeLayerFfnParams<B extends boolean = true> = FfnParams<B> & { readonly middle: LinearParams<B> };

/**
 * Feed-forward block with a second hidden layer: `y = σ(σ(x·U + a)·M + c)·D + b`.
 * `x: [..., width]` gives `[..., outputs]`; U: `[width, hidden]`, M: `[hidden, hidden]`, D: `[hidden, outputs]`, and
 * biases a, c: `[hidden]`, b: `[outputs]`.
 * Source: Gerber 2025, arXiv:2505.06633, there with `hidden = 4·width`.
 */
export function threeLayerFfn<const B extends boolean = true>(options: FfnOptions<B>): Layer<ThreeLayerFfnParams<B>> {
  const { width, hidden, outputs = width, activation = gelu, ...rest } = options;
  return compose(
    {
      up: linear({ inputs: width, outputs: hidden, ...rest }),
      middle: linear({ inputs: hidden, outputs: hidden, ...rest }),
      down: linear({ inputs: hidden, outputs, ...rest }),
    },
    ({ up, middle, down }, x: Tensor) => down(activation(middle(activation(up(x))))),
  ) as Layer<ThreeLayerFfnParams<B>>;
}
