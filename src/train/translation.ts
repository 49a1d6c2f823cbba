/** Training and scoring of models that rewrite one sequence into another. */
import { argMax, cast, div, equal, key, mul, notEqual, sum, type Tensor } from "../array/index.ts";
import type { Pair, Rewriting } from "../data/index.ts";
import { PADDING } from "../data/index.ts";
import type { EncoderDecoder, EncoderDecoderParams } from "../models/index.ts";
import type { Mode } from "../nn/index.ts";
import type { AdamWState } from "./adamw.ts";
import { type FitOptions, type FitResult, fit } from "./fit.ts";
import { inputsAndTargets, type LanguageTraining, languageOptimizer } from "./language.ts";
import { crossEntropy } from "./losses.ts";
import { type PairBatch, pairBatch, pairBatches } from "./pair-batches.ts";
import { progressAt } from "./steps.ts";
import { totalOver } from "./total.ts";

/** Sums over the tokens of targets, ends included and padding left out. */
export type TargetTotals = {
  /** Cross-entropy in nats. */
  readonly loss: Tensor;
  /** Tokens that are likeliest where the ones before are given. */
  readonly correct: Tensor;
  /** Tokens in all. */
  readonly tokens: Tensor;
};

/** How well a model says targets when it is given all tokens before each: scalars. */
export function targetTotals(
  model: EncoderDecoder,
  params: EncoderDecoderParams,
  { source, target }: PairBatch,
  mode?: Mode,
): TargetTotals {
  const [inputs, labels] = inputsAndTargets(target);
  const logits = model.apply(params, { source, target: inputs }, mode);
  const counts = cast(notEqual(labels, PADDING), "float32");
  const hits = cast(equal(argMax(logits, { axis: -1 }), cast(labels, "int64")), "float32");
  return {
    loss: sum(mul(crossEntropy(logits, labels, { reduction: "none" }), counts)),
    correct: sum(mul(hits, counts)),
    tokens: sum(counts),
  };
}

export interface FitTranslationOptions
  extends Omit<LanguageTraining, "context">,
    Pick<
      FitOptions<EncoderDecoderParams, PairBatch, AdamWState>,
      "signal" | "onProgress" | "checkpoint" | "metricsFile" | "evaluate" | "stepsPerRun"
    > {
  readonly model: EncoderDecoder;
  readonly pairs: readonly Pair[];
  /** Room for the longest source and target, each with its end. */
  readonly length: Rewriting["length"];
}

/** Trains a model on pairs, as `fitLanguageModel` does on text; the loss of a batch is its mean over tokens. */
export function fitTranslationModel(
  options: FitTranslationOptions,
): Promise<FitResult<EncoderDecoderParams, AdamWState>> {
  const { model, pairs, length, steps, batch, seed = 0 } = options;
  const { rate: _rate, warmup: _warmup, ...rest } = options;
  return fit({
    ...rest,
    params: model.init(key(seed)),
    data: pairBatches(pairs, { batch, length, seed }),
    loss: (params: EncoderDecoderParams, rows: PairBatch, { key, step }) => {
      const mode = { training: true, key, progress: progressAt(step, steps) };
      const { loss, tokens } = targetTotals(model, params, rows, mode);
      return div(loss, tokens);
    },
    optimizer: languageOptimizer(options),
    steps,
    seed,
  });
}

/** How well a model says targets that it has not seen, when it is given all tokens before each. */
export interface TranslationScore {
  /** Mean cross-entropy in nats per token. */
  readonly loss: number;
  /** Share of tokens that are the likeliest. */
  readonly accuracy: number;
}

/** Scores a model on pairs, padded to `length`; `batch` at once, 64 by default. */
export async function scoreTranslationModel(
  model: EncoderDecoder,
  params: EncoderDecoderParams,
  pairs: readonly Pair[],
  {
    length,
    batch = 64,
    signal,
  }: { readonly length: Rewriting["length"]; readonly batch?: number; readonly signal?: AbortSignal },
): Promise<TranslationScore> {
  const totals = await totalOver(
    (weights: EncoderDecoderParams, rows: PairBatch) => targetTotals(model, weights, rows),
    params,
    {
      count: pairs.length,
      piece: Math.min(batch, pairs.length),
      batch: (start, count) => pairBatch(pairs.slice(start, start + count), length),
      ...(signal ? { signal } : {}),
    },
  );
  const [loss, correct, tokens] = [totals.loss, totals.correct, totals.tokens].map(({ data }) => Number(data[0])) as [
    number,
    number,
    number,
  ];
  return { loss: loss / tokens, accuracy: correct / tokens };
}
