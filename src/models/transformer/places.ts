/** Where feed-forward layers stand in a decoder, and what stands there. */
import type { Tree } from "../../array/index.ts";
import type { DecoderConfig, DecoderParams } from "./decoder.ts";
import type { FfnConfig } from "./ffns.ts";

/** A feed-forward sublayer of a decoder. */
export interface FfnPlace {
  readonly block: number;
  /** Its name in the block: `ffn`, `ffn2`, … */
  readonly name: string;
  /** Before the names of its activations: `blocks.0.ffn`. */
  readonly path: string;
  readonly ffn: FfnConfig;
  /** Factor on what it adds to the stream. */
  readonly scale: number;
  /** The name under which its weights are shared, if they are. */
  readonly shared: string | undefined;
}

/** The feed-forward sublayers of a decoder in order; `config` with its defaults filled in, as `decoder(…).config` is. */
export const ffnPlaces = ({ blocks }: Pick<DecoderConfig, "blocks">): readonly FfnPlace[] =>
  blocks.flatMap((sublayers, block) => {
    let seen = 0;
    return sublayers.flatMap((sublayer): FfnPlace[] => {
      if (!("ffn" in sublayer)) return [];
      const name = ++seen === 1 ? "ffn" : `ffn${seen}`;
      const { ffn, scale = 1, shared } = sublayer;
      return [{ block, name, path: `blocks.${block}.${name}`, ffn, scale, shared }];
    });
  });

/** The parameters of the layer at a place. */
export const ffnParams = ({ blocks, shared: groups }: DecoderParams, { block, name, shared }: FfnPlace): Tree =>
  (shared === undefined ? blocks[block]?.[name]?.layer : groups[shared]) as Tree;
