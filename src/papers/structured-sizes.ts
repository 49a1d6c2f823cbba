/** The language models of papers 16 and 19 at their published sizes. */
import { key } from "../array/index.ts";
import { type DecoderConfig, decoder, type FfnConfig } from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";

/** A model as published. */
export interface PublishedSize {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  /** Parameters with dense feed-forward layers, and with structured ones of 63 % and 32 % of their weights. */
  readonly parameters: readonly [dense: number, large: number, small: number];
}

export const publishedSizes: readonly PublishedSize[] = [
  { width: 768, depth: 12, heads: 12, parameters: [109_632_000, 90_167_808, 73_947_648] },
  { width: 1024, depth: 24, heads: 16, parameters: [335_079_424, 262_727_680, 202_434_560] },
  { width: 1536, depth: 24, heads: 12, parameters: [729_111_552, 566_320_128, 430_660_608] },
  { width: 2048, depth: 24, heads: 16, parameters: [1_274_138_624, 984_731_648, 743_559_168] },
];

/** The shape of a model of this family. */
export interface FamilyShape {
  readonly vocabulary: number;
  readonly context: number;
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
}

/** Rotary positions, LayerNorm, GELU, biases, tied embeddings; the first feed-forward layer is always dense. */
export const familyConfig = (
  { vocabulary, context, width, depth, heads }: FamilyShape,
  ffn: FfnConfig = { kind: "dense", hidden: 4 * width },
): DecoderConfig => ({
  vocabulary,
  context,
  width,
  blocks: Array.from({ length: depth }, (_, block) => [
    { mixer: { kind: "attention", heads } },
    { ffn: block === 0 ? { kind: "dense", hidden: 4 * width } : ffn },
  ]),
});

/** How many of the published numbers of parameters these feed-forward layers give, of 12 in all. */
export const publishedCountsMet = (large: (width: number) => FfnConfig, small: (width: number) => FfnConfig): number =>
  publishedSizes.reduce((total, { width, depth, heads, parameters }) => {
    const shape = { vocabulary: 32_000, context: 1024, width, depth, heads };
    const counts = [undefined, large(width), small(width)].map((ffn) =>
      parameterCount(decoder(familyConfig(shape, ffn)).init(key(0))),
    );
    return total + counts.filter((count, i) => count === parameters[i]).length;
  }, 0);
