/** Deepening of trained feed-forward blocks by layers that change nothing at first. */
import { eye, type Tensor, zeros } from "../array/index.ts";
import type { ActivationName } from "../nn/index.ts";
import { type ConfiguredDecoder, replaceFfns } from "./replace.ts";

export type { ConfiguredDecoder } from "./replace.ts";

type Linear = { readonly weight: Tensor; readonly bias?: Tensor };
type TwoLayers = { readonly up: Linear; readonly down: Linear };

/** Activations with `σ(σ(x)) = σ(x)`: only with these does a layer of the identity leave a block as it was. */
const idempotent: readonly ActivationName[] = ["relu", "identity"];

/**
 * Parameters of a block of three layers (`threeLayerFfn`) that computes what the block of two layers (`ffn`) with these
 * parameters computes: the new middle layer is the identity, with a bias of zeros if the block has biases. Exact for
 * ReLU, since `relu(relu(x)) = relu(x)`; the blocks differ under activations without this property.
 * Source: Chen et al. 2016 (Net2Net), arXiv:1511.05641, section 2.3.
 */
export function insertIdentityLayer<P extends TwoLayers>({ up, down }: P): P & { readonly middle: P["up"] } {
  const hidden = up.weight.shape[1] as number;
  const dtype = up.weight.dtype;
  const middle = { weight: eye(hidden, dtype), ...(up.bias ? { bias: zeros([hidden], dtype) } : {}) };
  return { up, middle, down } as P & { readonly middle: P["up"] };
}

/**
 * Turns every feed-forward sublayer of kind `dense` into one of kind `threeLayer` by `insertIdentityLayer`. The logits
 * stay the same; the middle layers are free to learn. Throws one sentence if there is no such sublayer, or if one has an
 * activation for which an identity layer changes the function.
 */
export function deepenFfns(model: ConfiguredDecoder): ConfiguredDecoder {
  let changed = 0;
  const deepened = replaceFfns(model, ({ ffn, params }, place) => {
    if (ffn.kind !== "dense") return null;
    const activation = ffn.activation as ActivationName;
    if (!idempotent.includes(activation))
      throw new Error(
        `deepenFfns: ${place} has the activation ${activation}, under which an identity layer changes the function; it stays the same with ${idempotent.join(" or ")}`,
      );
    changed++;
    return { ffn: { ...ffn, kind: "threeLayer" }, params: insertIdentityLayer(params as TwoLayers) };
  });
  if (changed === 0) throw new Error("deepenFfns: the model has no feed-forward sublayer of kind dense");
  return deepened;
}
