/** Deepening of trained feed-forward blocks by layers that change nothing at first. */
import { eye, type Tensor, type Tree, zeros } from "../array/index.ts";
import { type DecoderConfig, type DecoderParams, decoder, type Sublayer } from "../models/index.ts";
import type { ActivationName } from "../nn/index.ts";

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
  return { up, middle, down } as unknown as P & { readonly middle: P["up"] };
}

/** A decoder in plain data with parameters for it. */
export interface ConfiguredDecoder {
  readonly config: DecoderConfig;
  readonly params: DecoderParams;
}

/**
 * Turns every feed-forward sublayer of kind `dense` into one of kind `threeLayer` by `insertIdentityLayer`. The logits
 * stay the same; the middle layers are free to learn. Throws one sentence if there is no such sublayer, or if one has an
 * activation for which an identity layer changes the function.
 */
export function deepenFfns({ config, params }: ConfiguredDecoder): ConfiguredDecoder {
  let changed = 0;
  const shared: Record<string, Tree> = { ...params.shared };
  const deepened = new Set<string>();
  // The checked configuration has its defaults filled in, among them the activations.
  const blocks = decoder(config).config.blocks.map((sublayers, b) => {
    const own: Record<string, { readonly norm?: Tree; readonly layer?: Tree }> = { ...params.blocks[b] };
    let seen = 0;
    const list = sublayers.map((sublayer): Sublayer => {
      if (!("ffn" in sublayer)) return sublayer;
      const name = ++seen === 1 ? "ffn" : `ffn${seen}`;
      const { ffn } = sublayer;
      if (ffn.kind !== "dense") return sublayer;
      const activation = ffn.activation as ActivationName;
      if (!idempotent.includes(activation))
        throw new Error(
          `deepenFfns: blocks[${b}] has the activation ${activation}, under which an identity layer changes the function; it stays the same with ${idempotent.join(" or ")}`,
        );
      changed++;
      if (sublayer.shared === undefined)
        own[name] = { ...own[name], layer: insertIdentityLayer(own[name]?.layer as TwoLayers) };
      else if (!deepened.has(sublayer.shared)) {
        deepened.add(sublayer.shared);
        shared[sublayer.shared] = insertIdentityLayer(shared[sublayer.shared] as TwoLayers);
      }
      return { ...sublayer, ffn: { ...ffn, kind: "threeLayer" } };
    });
    return { list, own };
  });
  if (changed === 0) throw new Error("deepenFfns: the model has no feed-forward sublayer of kind dense");
  return {
    config: { ...config, blocks: blocks.map(({ list }) => list) },
    params: { ...params, shared, blocks: blocks.map(({ own }) => own) },
  };
}
