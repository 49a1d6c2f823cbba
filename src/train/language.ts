/** Training and scoring of language models. */
import {
  arange,
  argMax,
  cast,
  equal,
  flopCount,
  greaterEqual,
  key,
  mean,
  mul,
  reshape,
  slice,
  sum,
  type Tensor,
  type Tree,
  valueAndGrad,
  zeros,
} from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import type { Layer, Mode } from "../nn/index.ts";
import type { AdamWState } from "./adamw.ts";
import { adamW } from "./adamw.ts";
import { clipped } from "./clip.ts";
import { type FitOptions, type FitResult, fit } from "./fit.ts";
import { crossEntropy } from "./losses.ts";
import type { Optimizer } from "./optimizer.ts";
import { cosine, type Schedule, warmup } from "./schedules.ts";
import { progressAt } from "./steps.ts";
import { spreadWindows, stridedWindows, type TokenBatch, tokenBatches } from "./token-batches.ts";
import { totalOver } from "./total.ts";

/** A model that gives logits `[batch, time, vocabulary]` of the token after each of `tokens: [batch, time]`. */
export type LanguageModel<P extends Tree = Tree> = Layer<P>;

/** Tokens and, one place further, the tokens to predict: `[batch, context + 1]` gives two times `[batch, context]`. */
export const inputsAndTargets = (tokens: Tensor): readonly [inputs: Tensor, targets: Tensor] => {
  const context = (tokens.shape[1] as number) - 1;
  const cut = (from: number): Tensor => slice(tokens, { starts: [from], stops: [from + context], axes: [1] });
  return [cut(0), cut(1)];
};

/**
 * Cross-entropy of each next token in nats, and whether the likeliest token is the right one (1 or 0):
 * `tokens: [batch, context + 1]` gives two times `[batch, context]`.
 */
export function tokenScores<P extends Tree>(
  model: LanguageModel<P>,
  params: P,
  tokens: Tensor,
): { readonly losses: Tensor; readonly hits: Tensor } {
  const [inputs, targets] = inputsAndTargets(tokens);
  const logits = model.apply(params, inputs);
  return {
    losses: crossEntropy(logits, targets, { reduction: "none" }),
    hits: cast(equal(cast(argMax(logits, { axis: -1 }), "int32"), targets), "float32"),
  };
}

/** Cross-entropy of each next token in nats: `tokens: [batch, context + 1]` gives `[batch, context]`. */
export function tokenLosses<P extends Tree>(model: LanguageModel<P>, params: P, tokens: Tensor, mode?: Mode): Tensor {
  const [inputs, targets] = inputsAndTargets(tokens);
  return crossEntropy(model.apply(params, inputs, mode), targets, { reduction: "none" });
}

/** How language models are trained here. */
export interface LanguageTraining {
  readonly steps: number;
  /** Sequences in a step. */
  readonly batch: number;
  /** Tokens of a sequence that are predicted. */
  readonly context: number;
  /** The highest learning rate: after a linear rise over `warmup` of the steps it falls as a cosine to a tenth. */
  readonly rate: number;
  /** Share of the steps over which the rate rises; 0.05 by default. */
  readonly warmup?: number;
  /** 0.1 by default; vectors such as biases and norms do not decay. */
  readonly weightDecay?: number;
  /** Largest norm of the gradient; 1 by default. */
  readonly clip?: number;
  /** Seed of weights, batches and dropout; 0 by default. */
  readonly seed?: number;
}

/** The learning rate of `LanguageTraining` by step. */
export const languageSchedule = ({
  rate,
  steps,
  warmup: share = 0.05,
}: Pick<LanguageTraining, "rate" | "steps" | "warmup">): Schedule => {
  const rise = Math.max(1, Math.round(share * steps));
  return warmup(rise, cosine({ from: rate, to: rate / 10, steps: Math.max(1, steps - rise) }));
};

/** AdamW (β₂ 0.95, as is usual for transformers) on clipped gradients; matrices decay, vectors such as norms do not. */
export const languageOptimizer = (training: Omit<LanguageTraining, "context">): Optimizer<AdamWState> =>
  clipped(
    adamW({
      learningRate: languageSchedule(training),
      beta2: 0.95,
      weightDecay: training.weightDecay ?? 0.1,
      decay: (_, weight) => weight.rank > 1,
    }),
    training.clip ?? 1,
  );

export interface FitLanguageOptions<P extends Tree>
  extends LanguageTraining,
    Pick<
      FitOptions<P, TokenBatch, AdamWState>,
      "signal" | "onProgress" | "checkpoint" | "metricsFile" | "evaluate" | "stepsPerRun"
    > {
  readonly model: LanguageModel<P>;
  readonly data: TokenFile;
  /** Parameters to start from; new ones by default. */
  readonly params?: P;
}

/** Trains a language model by `languageOptimizer` on next-token cross-entropy. Rejects and resumes as `fit` does. */
export function fitLanguageModel<P extends Tree>(options: FitLanguageOptions<P>): Promise<FitResult<P, AdamWState>> {
  const { model, data, params, steps, batch, context, seed = 0 } = options;
  const { rate: _rate, warmup: _warmup, ...rest } = options;
  return fit({
    ...rest,
    params: params ?? model.init(key(seed)),
    data: tokenBatches(data, { batch, context, seed }),
    loss: (weights: P, { tokens }: TokenBatch, { key, step }) =>
      mean(tokenLosses(model, weights, tokens, { training: true, key, progress: progressAt(step, steps) })),
    optimizer: languageOptimizer(options),
    steps,
    seed,
  });
}

export interface ScoreLanguageOptions {
  /** Tokens of a window that are predicted. */
  readonly context: number;
  /** Windows that are scored at once; 16 by default. */
  readonly batch?: number;
  /**
   * Each window begins so many tokens after the one before, and only the tokens that none before it has scored count: a
   * smaller stride gives tokens more text before them, at more cost. By default windows lie side by side.
   */
  readonly stride?: number;
  /** Score at most so many windows, spread evenly over the file; all by default. */
  readonly windows?: number;
  /** Called after each batch with the windows that are done. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops between batches, once it is aborted, by rejecting with its reason. */
  readonly signal?: AbortSignal;
}

/** How well a language model predicts a text. */
export interface LanguageScore {
  /** Mean cross-entropy in nats per token. */
  readonly loss: number;
  /** `exp(loss)`. */
  readonly perplexity: number;
  /** Share of the tokens that the model holds likeliest. */
  readonly accuracy: number;
  /** Tokens that were predicted. */
  readonly tokens: number;
}

/**
 * Mean cross-entropy over windows of a text, each predicted from its own beginning only: side by side, where tokens after
 * the last whole window are left out, or with a `stride`, where every token is scored once.
 * Source of strides: Baevski & Auli 2019, arXiv:1809.10853, section 4.4 (sliding context windows).
 */
export async function scoreLanguageModel<P extends Tree>(
  model: LanguageModel<P>,
  params: P,
  data: TokenFile,
  { context, stride, batch = 16, windows = Number.POSITIVE_INFINITY, signal, onProgress }: ScoreLanguageOptions,
): Promise<LanguageScore> {
  const strided = stride === undefined ? null : stridedWindows(data, { context, stride, windows });
  const { count, batch: windowsFrom } = strided ?? spreadWindows(data, { context, windows });
  const { loss, hits } = await totalOver(
    (weights: P, { tokens, from }: TokenBatch & { readonly from?: Tensor }) => {
      const { losses, hits } = tokenScores(model, weights, tokens);
      const counts = from ? cast(greaterEqual(arange(context, "int32"), reshape(from, [-1, 1])), losses.dtype) : null;
      const total = (x: Tensor): Tensor => sum(counts ? mul(x, counts) : x);
      return { loss: total(losses), hits: total(hits) };
    },
    params,
    {
      count,
      piece: Math.min(batch, count),
      batch: windowsFrom,
      ...(signal ? { signal } : {}),
      ...(onProgress ? { onProgress } : {}),
    },
  );
  const tokens = strided?.scored ?? count * context;
  const nats = Number(loss.data[0]) / tokens;
  return { loss: nats, perplexity: Math.exp(nats), accuracy: Number(hits.data[0]) / tokens, tokens };
}

/** Floating-point operations of products for one token, in inference and in a training step, counted in the graph. */
export function languageModelFlops<P extends Tree>(
  model: LanguageModel<P>,
  context: number,
): { readonly inference: number; readonly training: number } {
  const params = model.init(key(0));
  const tokens = zeros([1, context + 1], "int32");
  const start = { training: true, key: key(0), progress: zeros([]) };
  const training = flopCount(
    valueAndGrad((weights: P) => mean(tokenLosses(model, weights, tokens, start))),
    params,
  );
  return {
    inference: flopCount((weights: P, x: Tensor) => tokenLosses(model, weights, x), params, tokens) / context,
    training: training / context,
  };
}
