/** What all quantizers of a bottleneck have in common. */
import type { Key, Tensor, Tree } from "../../array/index.ts";
import type { Mode } from "../layer.ts";

/** The outcome of quantizing `z: [..., channels]`. */
export interface Quantized {
  /** `[..., channels]`: what the decoder sees; the gradient passes to `z`. */
  readonly codes: Tensor;
  /** `int32 [...]`: which code each vector became. */
  readonly indices: Tensor;
  /** What the quantizer itself wants minimized, a scalar, or null. */
  readonly loss: Tensor | null;
  /** State after this batch; changed in training only. */
  readonly state: Tree;
}

/** Maps vectors to a finite set of codes. Parameters are trained by gradients, state changes by a rule of its own. */
export interface Quantizer {
  /** Number of codes. */
  readonly size: number;
  /** Extent of the last axis of what is quantized. */
  readonly channels: number;
  init(key: Key): { readonly params: Tree; readonly state: Tree };
  apply(params: Tree, state: Tree, z: Tensor, mode?: Mode): Quantized;
}
