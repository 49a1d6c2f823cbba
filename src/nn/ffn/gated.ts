/** Feed-forward block with a multiplicative gate. */
import { mul, silu, type Tensor } from "../../array/index.ts";
import { compose, type Layer, tap } from "../layer.ts";
import { type LinearParams, linear } from "../linear.ts";
import type { FfnOptions } from "./dense.ts";

/** Parameters of `gatedFfn`. */
export type GatedFfnParams<B extends boolean = false> = {
  readonly gate: LinearParams<B>;
  readonly up: LinearParams<B>;
  readonly down: LinearParams<B>;
};

/**
 * Gated feed-forward block: `y = (σ(x·G) ⊙ x·U)·D`. The activation σ is SiLU by default (SwiGLU); GELU gives GEGLU,
 * sigmoid the gated linear unit. There are no biases by default, as in the source.
 * `x: [..., width]` gives `[..., outputs]`; G, U: `[width, hidden]`, D: `[hidden, outputs]`.
 * Source: Shazeer 2020, "GLU Variants Improve Transformer", arXiv:2002.05202.
 */
export function gatedFfn<const B extends boolean = false>(options: FfnOptions<B>): Layer<GatedFfnParams<B>> {
  const { width, hidden, outputs = width, activation = silu, bias = false, ...rest } = options;
  const inner = { inputs: width, outputs: hidden, bias, ...rest };
  return compose(
    { gate: linear(inner), up: linear(inner), down: linear({ inputs: hidden, outputs, bias, ...rest }) },
    ({ gate, up, down }, x: Tensor, mode) =>
      down(tap(mode, "hidden", mul(activation(tap(mode, "preactivation", gate(x))), up(x)))),
  ) as Layer<GatedFfnParams<B>>;
}
