/** Weights of linear maps in few bits, for models that only generate: a token reads a quarter of the bytes, or an eighth. */
import { type QuantizedBits, type QuantizedMatrix, quantizeMatrix, Tensor, type Tree } from "../array/index.ts";
import type { DecoderParams } from "../models/index.ts";
import type { ConfiguredDecoder } from "./replace.ts";
import { type OwnedSublayer, putTogether, takeApart } from "./sublayers.ts";

export interface QuantizeLinearsOptions {
  readonly bits: QuantizedBits;
  /** Inputs that share a scale; by default 32 with 4 bits, and with 8 bits 128 where the inputs divide by it. */
  readonly block?: number;
}

/** The maps of layers that are plain products, by kind. */
const mapsOf: { readonly [kind: string]: readonly string[] } = {
  attention: ["query", "key", "value", "output"],
  dense: ["up", "down"],
  gated: ["up", "gate", "down"],
};

/** A model with its weights in it has room for so many bytes: the format ends at 2 GiB. */
const MOST_BYTES = 2e9;

/**
 * The decoder with the weights of attention, of dense and gated layers and of the head in few bits; embeddings, norms,
 * biases and layers of other kinds stay as they are. Where the head is tied to the embeddings it gets a matrix of its own.
 * It computes what a decoder does, with weights rounded, and has no gradients. Throws one sentence if the weights are more
 * than a model can hold.
 */
export function quantizeLinears(model: ConfiguredDecoder, options: QuantizeLinearsOptions): ConfiguredDecoder {
  const known = new Map<Tensor, QuantizedMatrix>();
  let bytes = 0;
  const quantized = (weight: Tensor, transposed = false): QuantizedMatrix => {
    const inputs = weight.shape[transposed ? 1 : 0] as number;
    const { bits, block = bits === 8 && inputs % 128 === 0 ? 128 : 32 } = options;
    const made = known.get(weight) ?? quantizeMatrix(weight, { bits, block, transposed });
    if (!known.has(weight)) {
      known.set(weight, made);
      for (const { data } of [made.scales, made.int8 ?? made.int4]) bytes += data.byteLength;
      if (bytes > MOST_BYTES)
        throw new RangeError(`quantizeLinears: expected at most 2 GB of rounded weights; this model has more`);
    }
    return made;
  };
  const layerOf = ({ sublayer, layer }: OwnedSublayer): Tree => {
    const { kind } = "mixer" in sublayer ? sublayer.mixer : sublayer.ffn;
    const maps = layer as { readonly [name: string]: Tree };
    return Object.fromEntries(
      Object.entries(maps).map(([name, map]) => {
        const { weight } = map as { readonly weight?: Tree };
        const isProduct = mapsOf[kind]?.includes(name) && weight instanceof Tensor && weight.rank === 2;
        return [name, isProduct ? { ...(map as object), weight: quantized(weight) } : map];
      }),
    );
  };
  const blocks = takeApart(model).map((block) => block.map((owned) => ({ ...owned, layer: layerOf(owned) })));
  const { config, params } = putTogether(model, blocks);
  const { head, embedding } = model.params;
  const weight = head ? quantized(head.weight) : quantized(embedding.weight, true);
  return { config, params: { ...params, head: { ...head, weight } } as unknown as DecoderParams };
}
