/** Sublayers taken out of a model with their parameters, and models put together from them again. */
import type { Tensor, Tree } from "../array/index.ts";
import { type DecoderConfig, decoder, type StackParams, type Sublayer } from "../models/index.ts";
import type { ConfiguredDecoder } from "./replace.ts";

/** A sublayer and what is its own; weights that it shares with others are among them. */
export interface OwnedSublayer {
  readonly sublayer: Sublayer;
  readonly norm?: Tree;
  readonly layer: Tree;
  readonly shortcut?: { readonly weight: Tensor };
}

/** Where a sublayer stands. */
export interface Place {
  readonly block: number;
  /** Its name in the block: `mixer`, `ffn`, `ffn2`, … */
  readonly name: string;
}

/** `blocks[0].ffn` */
export const placeText = ({ block, name }: Place): string => `blocks[${block}].${name}`;

/** The names of the sublayers of a block, which its parameters have. */
export function namesOf(block: readonly Sublayer[]): readonly string[] {
  const seen = new Map<string, number>();
  return block.map((sublayer) => {
    const kind = "mixer" in sublayer ? "mixer" : "ffn";
    const times = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, times);
    return times === 1 ? kind : `${kind}${times}`;
  });
}

/** The sublayers of each block with their parameters; options have their defaults filled in. */
export function takeApart({ config, params }: ConfiguredDecoder): readonly (readonly OwnedSublayer[])[] {
  return decoder(config).config.blocks.map((block, b) => {
    const names = namesOf(block);
    return block.map((sublayer, i) => {
      const stored = params.blocks[b]?.[names[i] as string] ?? {};
      const layer = (sublayer.shared === undefined ? stored.layer : params.shared[sublayer.shared]) as Tree;
      return { ...stored, sublayer, layer };
    });
  });
}

/**
 * The model with these blocks instead; blocks without sublayers are left out. Sublayers that share weights must bring the
 * same ones: a sublayer whose weights were changed must not share any more.
 */
export function putTogether(
  { config, params }: ConfiguredDecoder,
  given: readonly (readonly OwnedSublayer[])[],
): ConfiguredDecoder {
  const blocks = given.filter((block) => block.length > 0);
  const shared: Record<string, Tree> = {};
  const stored = blocks.map((block): StackParams["blocks"][number] => {
    const names = namesOf(block.map(({ sublayer }) => sublayer));
    return Object.fromEntries(
      block.map(({ sublayer, norm, layer, shortcut }, i) => {
        if (sublayer.shared !== undefined) shared[sublayer.shared] = layer;
        return [
          names[i],
          {
            ...(norm ? { norm } : {}),
            ...(sublayer.shared === undefined ? { layer } : {}),
            ...(shortcut ? { shortcut } : {}),
          },
        ];
      }),
    );
  });
  const list: DecoderConfig["blocks"] = blocks.map((block) => block.map(({ sublayer }) => sublayer));
  return { config: { ...config, blocks: list }, params: { ...params, blocks: stored, shared } };
}

/** The model without some sublayers. What stood beside one that is gone reads what that one read. */
export function leaveOut(
  model: ConfiguredDecoder,
  blocks: readonly (readonly OwnedSublayer[])[],
  gone: (place: Place) => boolean,
): ConfiguredDecoder {
  const left = blocks.map((block, b) => {
    const names = namesOf(block.map(({ sublayer }) => sublayer));
    const list: OwnedSublayer[] = [];
    let inherited: Sublayer["beside"] | null = null;
    for (const [i, owned] of block.entries()) {
      const { beside = false } = owned.sublayer;
      const own: Sublayer["beside"] =
        inherited === "block" || (inherited !== null && beside === true) ? inherited : beside;
      const isGone = gone({ block: b, name: names[i] as string });
      inherited = isGone ? own : null;
      if (!isGone) list.push(own === beside ? owned : { ...owned, sublayer: { ...owned.sublayer, beside: own } });
    }
    return list;
  });
  return putTogether(model, left);
}

/** The same sublayer with weights of its own. */
export function unshared({ shared: _, ...sublayer }: Sublayer): Sublayer {
  return sublayer as Sublayer;
}
