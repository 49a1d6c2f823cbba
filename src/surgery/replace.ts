/** Exchange of the feed-forward layers of a model, with their parameters. */
import type { Tree } from "../array/index.ts";
import { type DecoderConfig, type DecoderParams, decoder, type FfnConfig, type Sublayer } from "../models/index.ts";

/** A decoder in plain data with parameters for it. */
export interface ConfiguredDecoder {
  readonly config: DecoderConfig;
  readonly params: DecoderParams;
}

/** A feed-forward layer as it stands in a configuration, its defaults filled in, with its parameters. */
export interface ConfiguredFfn {
  readonly ffn: FfnConfig;
  readonly params: Tree;
}

/**
 * The same model with other feed-forward layers: `replace` gets each one with its place, such as `blocks[0].ffn`, and
 * gives what stands there instead, or null to leave it. Weights that sublayers share are replaced once for all of them.
 */
export function replaceFfns(
  { config, params }: ConfiguredDecoder,
  replace: (layer: ConfiguredFfn, place: string) => ConfiguredFfn | null,
): ConfiguredDecoder {
  const shared: Record<string, Tree> = { ...params.shared };
  const known = new Map<string, ConfiguredFfn | null>();
  const blocks = decoder(config).config.blocks.map((sublayers, b) => {
    const own: Record<string, { readonly norm?: Tree; readonly layer?: Tree }> = { ...params.blocks[b] };
    let seen = 0;
    const list = sublayers.map((sublayer): Sublayer => {
      if (!("ffn" in sublayer)) return sublayer;
      const name = ++seen === 1 ? "ffn" : `ffn${seen}`;
      const group = sublayer.shared;
      const stored = group === undefined ? own[name]?.layer : shared[group];
      let after = known.get(group ?? "");
      if (group === undefined || after === undefined)
        after = replace({ ffn: sublayer.ffn, params: stored as Tree }, `blocks[${b}].${name}`);
      if (group !== undefined) known.set(group, after);
      if (after === null) return sublayer;
      if (group === undefined) own[name] = { ...own[name], layer: after.params };
      else shared[group] = after.params;
      return { ...sublayer, ffn: after.ffn };
    });
    return { list, own };
  });
  return {
    config: { ...config, blocks: blocks.map(({ list }) => list) },
    params: { ...params, shared, blocks: blocks.map(({ own }) => own) },
  };
}

/** The feed-forward layer with that name (`ffn`, `ffn2`, …) in a block, shared weights looked up; null if there is none. */
export function ffnAt({ config, params }: ConfiguredDecoder, block: number, name: string): ConfiguredFfn | null {
  const layers = (config.blocks[block] ?? []).filter((sublayer) => "ffn" in sublayer);
  const sublayer = layers[name === "ffn" ? 0 : Number(name.slice("ffn".length)) - 1];
  if (!sublayer) return null;
  const stored = sublayer.shared === undefined ? params.blocks[block]?.[name]?.layer : params.shared[sublayer.shared];
  return { ffn: sublayer.ffn, params: stored as Tree };
}
