/** Models with grouped queries of paper 19: dense ones, and structured ones with half of the attention and of the rank. */
import { compile, evaluate, fold, key, mapTree, normal, type Tensor, tensor, zeros } from "../array/index.ts";
import { type DecoderConfig, decoder, type FfnConfig, type Sublayer } from "../models/index.ts";
import { type Measurement, type StudyContext, speedMeasurement, timeInTurn } from "../report/index.ts";

/** Feed-forward layers of low rank, whose rank is a share of the width. */
export const lowRank = (width: number, share: number, hidden = 4 * width): FfnConfig => ({
  kind: "lowRank",
  hidden,
  rank: Math.round(width * share),
});

/** Attention of one model: heads of queries, heads of keys and values, and the width of a head. */
export interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
}

/** The two models that are compared: the same stream and hidden units, other attention and other matrices. */
export interface GroupedPair {
  readonly width: number;
  readonly hidden: number;
  readonly dense: Heads;
  readonly structured: Heads;
}
export type GroupedArm = "dense" | "structured";

/** The published pairs of the medium and the large size. */
export const publishedPairs = {
  medium: {
    width: 1024,
    hidden: 4864,
    dense: { heads: 16, kvHeads: 4, headWidth: 64 },
    structured: { heads: 8, kvHeads: 4, headWidth: 64 },
  },
  large: {
    width: 1536,
    hidden: 7424,
    dense: { heads: 12, kvHeads: 2, headWidth: 128 },
    structured: { heads: 12, kvHeads: 4, headWidth: 64 },
  },
} as const satisfies { readonly [size: string]: GroupedPair };

/** The medium pair in small: the same shares of the width. */
export const smallPair = (width: number, heads: number): GroupedPair => {
  const [headWidth, kvHeads] = [width / heads, heads / 2];
  return {
    width,
    hidden: 4.75 * width,
    dense: { heads, kvHeads, headWidth },
    structured: { heads: heads / 2, kvHeads, headWidth },
  };
};

/** Blocks of one of the models; with `first`, the first of them has a dense feed-forward layer in any case. */
export const groupedBlocks = (
  pair: GroupedPair,
  arm: GroupedArm,
  { depth, first }: { readonly depth: number; readonly first: boolean },
): DecoderConfig["blocks"] => {
  const { width, hidden } = pair;
  const dense: FfnConfig = { kind: "dense", hidden };
  return Array.from({ length: depth }, (_, block): Sublayer[] => [
    { mixer: { kind: "attention", ...pair[arm] } },
    { ffn: arm === "dense" || (first && block === 0) ? dense : lowRank(width, 1 / 2, hidden) },
  ]);
};

/**
 * How many times as quick one block of the structured model is as one of the dense model when sequences are continued by
 * a token each: weights are random, and keys and values of earlier tokens are kept.
 */
export async function generationSpeed(
  context: Pick<StudyContext, "remember" | "signal">,
  name: string,
  pair: GroupedPair,
  { batch, seen, calls }: { readonly batch: number; readonly seen: number; readonly calls: number },
): Promise<Measurement> {
  const prepare = async (arm: GroupedArm) => {
    const { width } = pair;
    const blocks = groupedBlocks(pair, arm, { depth: 1, first: false });
    const model = decoder({ vocabulary: 8, context: seen + 1, width, blocks });
    const draw = (x: Tensor, path: string) => normal(fold(key(1), path), x.shape, { std: 1 / Math.sqrt(width) });
    const params = await evaluate(mapTree(model.init(key(0)), draw));
    const cache = await evaluate(model.cache({ batch, length: seen + 1 }));
    const [tokens, before] = [zeros([batch, 1], "int32"), tensor(new Int32Array(batch).fill(seen), { shape: [batch] })];
    const run = compile((weights: typeof params, state: typeof cache) => model.extend(weights, tokens, state, before));
    return () => run(params, cache);
  };
  const times = await context.remember(`generation, ${name}, ${batch} sequences after ${seen} tokens`, async () =>
    timeInTurn(
      { dense: await prepare("dense"), structured: await prepare("structured") },
      { calls, signal: context.signal },
    ),
  );
  return speedMeasurement(times.dense, times.structured);
}
