/** What a language model is worth and what it costs, and several side by side: quality, operations, bytes and time. */
import { argMax, bytesRead, compile, evaluate, key, type Tensor, tensor, zeros } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import type { Decoder, DecoderParams, StackCache } from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import { median, type StudyProgress, timeInTurn } from "../report/index.ts";
import {
  type LanguageScore,
  languageModelFlops,
  type ScoreLanguageOptions,
  scoreLanguageModel,
  spreadWindows,
  tokenLosses,
} from "../train/index.ts";
import { RowCaches } from "./row-caches.ts";
import { readToken } from "./steps.ts";

/** A model and a text in its tokens. */
export interface MeasuredModel {
  readonly model: Decoder;
  readonly params: DecoderParams;
  readonly text: TokenFile;
}

export interface MeasureOptions extends Omit<ScoreLanguageOptions, "batch" | "onProgress"> {
  /** Rounds of timing, each a figure; 5 by default. */
  readonly rounds?: number;
  readonly onProgress?: (progress: StudyProgress) => void;
}

/** What reading a token after others costs, at batch 1. */
export interface DecodeCosts {
  /** Bytes of weights that are read for a token: a lookup reads its row, and experts that are not chosen are not read. */
  readonly weightBytesPerToken: number;
  /** Bytes that a token leaves in the caches, and that each later token reads again. */
  readonly cacheBytesPerPosition: number;
}

/** Figures of a model. */
export interface ModelFigures extends LanguageScore, DecodeCosts {
  readonly parameters: number;
  /** Floating-point operations of products for a token, the mean over a window of the context. */
  readonly flopsPerToken: number;
  /** Milliseconds of a token at batch 1, after half of the context; one figure a round. */
  readonly decodeMs: readonly number[];
  /** Milliseconds of the losses of one batch of windows; one figure a round. */
  readonly windowsMs: readonly number[];
  /** Tokens a second, by the medians of these times. */
  readonly decodedPerSecond: number;
  readonly scoredPerSecond: number;
}

/** Windows that are scored at once when that is timed. */
const TIMED_WINDOWS = 4;
/** A round of timing is to take about so long for each model. */
const ROUND_MS = 400;

/** Bytes that a model touches for a token. Nothing is computed: parameters need no values, but their types count. */
export function decodeCosts(model: Decoder, params: DecoderParams = model.init(key(0))): DecodeCosts {
  const tokens = zeros([1, 1], "int32");
  const [weightBytesPerToken = 0] = bytesRead(
    (weights: DecoderParams, x: Tensor, cache: StackCache, seen: Tensor) => {
      const [vectors, fresh] = readToken(model, weights, x, cache, seen);
      return [model.logits(weights, vectors), fresh];
    },
    params,
    tokens,
    model.cache({ batch: 1, length: 1 }),
    zeros([1], "int32"),
  );
  const { bytesPerPosition } = new RowCaches(model.cache, { rows: 1, longest: 1 });
  return { weightBytesPerToken, cacheBytesPerPosition: bytesPerPosition };
}

/**
 * The figures of models, by name: quality on their texts one after the other, then times of all in turn, so that what
 * disturbs the machine disturbs all alike. Throws one sentence if a text is shorter than a window.
 */
export async function measureModels<K extends string>(
  models: { readonly [P in K]: MeasuredModel },
  { rounds = 5, onProgress, signal, ...scoring }: MeasureOptions,
): Promise<{ readonly [P in K]: ModelFigures }> {
  const { context } = scoring;
  const named = Object.entries(models) as [K, MeasuredModel][];
  const scores = {} as Record<K, LanguageScore>;
  for (const [name, { model, params, text }] of named) {
    const stage = named.length > 1 ? `scores ${name}` : "scores";
    scores[name] = await scoreLanguageModel(model, params, text, {
      ...scoring,
      ...(signal ? { signal } : {}),
      onProgress: (done, total) => onProgress?.({ stage, done, total, unit: "windows" }),
    });
  }
  onProgress?.({ stage: "times", done: 0, total: 2, unit: "kinds" });
  const decodeMs = await timed(
    mapped(models, (each) => decoding(each, context >> 1)),
    rounds,
    signal,
  );
  onProgress?.({ stage: "times", done: 1, total: 2, unit: "kinds" });
  const windowsMs = await timed(
    mapped(models, (each) => scoringOnce(each, context)),
    rounds,
    signal,
  );
  onProgress?.({ stage: "times", done: 2, total: 2, unit: "kinds" });
  return mapped(models, ({ model, params, text }, name) => ({
    ...scores[name],
    ...decodeCosts(model, params),
    // Weights of few bits are more numbers than there are in their bytes.
    parameters: parameterCount(model.init(key(0))),
    flopsPerToken: languageModelFlops(model, context).inference,
    decodeMs: decodeMs[name],
    windowsMs: windowsMs[name],
    decodedPerSecond: 1000 / median(decodeMs[name]),
    scoredPerSecond: (1000 * context * timedWindows(text, context)) / median(windowsMs[name]),
  }));
}

const mapped = <K extends string, T, R>(all: { readonly [P in K]: T }, fn: (each: T, name: K) => R) =>
  Object.fromEntries(Object.entries(all).map(([name, each]) => [name, fn(each as T, name as K)])) as {
    readonly [P in K]: R;
  };

/** Times of all in turn, as many calls as the slowest of them allows. */
async function timed<K extends string>(
  calls: { readonly [P in K]: () => Promise<unknown> },
  rounds: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly [P in K]: readonly number[] }> {
  let slowest = 0;
  for (const call of Object.values(calls) as (() => Promise<unknown>)[]) {
    await call();
    const started = performance.now();
    await call();
    slowest = Math.max(slowest, performance.now() - started);
  }
  const count = Math.min(50, Math.max(3, Math.round(ROUND_MS / slowest)));
  return timeInTurn(calls, { calls: count, rounds, ...(signal ? { signal } : {}) });
}

/** Reads one token after `seen` others, and takes the likeliest next one. */
function decoding({ model, params }: MeasuredModel, seen: number): () => Promise<unknown> {
  const caches = new RowCaches(model.cache, { rows: 1, longest: model.config.context });
  caches.fit(seen + 1);
  const step = compile((weights: DecoderParams, tokens: Tensor, cache: StackCache, places: Tensor) => {
    const [vectors, fresh] = readToken(model, weights, tokens, cache, places);
    return [argMax(model.logits(weights, vectors), { axis: -1 }), fresh] as const;
  });
  const [token, places] = [tensor(Int32Array.of(0), { shape: [1, 1] }), tensor(Int32Array.of(seen))];
  return async () => {
    const [, fresh] = await step(params, token, caches.view(1), places);
    caches.write(fresh as StackCache, 0, 0, seen, 1);
  };
}

const timedWindows = (text: TokenFile, context: number): number =>
  Math.min(TIMED_WINDOWS, spreadWindows(text, { context }).count);

/** The losses of a batch of windows. */
function scoringOnce({ model, params, text }: MeasuredModel, context: number): () => Promise<unknown> {
  const { tokens } = spreadWindows(text, { context }).batch(0, timedWindows(text, context));
  const run = compile((weights: DecoderParams, windows: Tensor) => tokenLosses(model, weights, windows));
  return async () => run(params, await evaluate(tokens));
}
