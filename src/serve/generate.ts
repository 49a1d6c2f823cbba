/** Text from language models, token by token through caches. */
import {
  broadcastTo,
  compile,
  evaluate,
  fold,
  key,
  reshape,
  squeeze,
  sub,
  type Tensor,
  takeAlong,
  tensor,
  zerosLike,
} from "../array/index.ts";
import type { Decoder, DecoderParams, StackCache } from "../models/index.ts";
import { checkSampling, type SampleOptions, sample } from "./sample.ts";

export interface GenerateOptions extends SampleOptions {
  /** New tokens of each row at most; fewer if the model's context ends before. */
  readonly maxTokens: number;
  /** Seed of the choices; 0 by default. */
  readonly seed?: number;
  /** A row ends when one of these is chosen, which is not given out. */
  readonly stopTokens?: readonly number[];
  /** Ends all rows, once it is aborted, after the token that is being computed. */
  readonly signal?: AbortSignal;
}

/** One new token of each row; null for rows that have ended. */
export type GeneratedStep = readonly (number | null)[];

/** Prompts are padded to a power of two, so that few graphs serve all lengths. */
const paddedLength = (length: number, limit: number): number => Math.min(limit, 2 ** Math.ceil(Math.log2(length)));

/**
 * Goes on from prompts, one list of tokens for each row, side by side. Gives the new tokens step by step; a row ends at
 * a stop token, at `maxTokens`, or at the end of the model's context. A row's tokens depend on its prompt, its place
 * and the seed only, not on what the other rows say. Throws one sentence if a prompt is empty or fills the context, or
 * a mixer of the model needs whole sequences.
 */
export async function* generate(
  model: Decoder,
  params: DecoderParams,
  prompts: readonly (readonly number[] | Int32Array)[],
  options: GenerateOptions,
): AsyncGenerator<GeneratedStep, void, undefined> {
  const { maxTokens, seed = 0, stopTokens = [], signal } = options;
  const { context, vocabulary } = model.config;
  checkSampling(options);
  if (!Number.isInteger(maxTokens) || maxTokens < 1)
    throw new RangeError(`generate: maxTokens must be a whole number from 1, got ${maxTokens}`);
  if (prompts.length === 0) throw new RangeError("generate: expected at least one prompt");
  for (const prompt of prompts) {
    if (prompt.length === 0 || prompt.length >= context)
      throw new RangeError(
        `generate: a prompt needs 1 to ${context - 1} tokens for a model with ${context} positions, got ${prompt.length}`,
      );
    const wrong = prompt.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabulary);
    if (wrong !== undefined)
      throw new RangeError(`generate: tokens are whole numbers from 0 to ${vocabulary - 1}, got ${wrong}`);
  }
  const { temperature = 1, topK, topP } = options;
  const sampling = { temperature, ...(topK === undefined ? {} : { topK }), ...(topP === undefined ? {} : { topP }) };
  const { first, next } = stepsOf(model, sampling);
  const rows = prompts.length;
  const lengths = Int32Array.from(prompts, (prompt) => prompt.length);
  const length = paddedLength(Math.max(...lengths), context);
  const padded = new Int32Array(rows * length);
  prompts.forEach((prompt, row) => {
    padded.set(prompt, row * length);
  });
  const source = await evaluate(key(seed));
  const seen = Int32Array.from(lengths);
  let cache = await evaluate(model.cache({ batch: rows, length: context }));
  let chosen: Tensor;
  [chosen, cache] = await first(
    params,
    tensor(padded, { shape: [rows, length] }),
    cache,
    tensor(lengths),
    source,
    tensor(Int32Array.of(0), { shape: [] }),
  );
  const ended = prompts.map(() => false);
  for (let step = 1; ; step++) {
    const tokens = chosen.data as Int32Array;
    const given = [...tokens].map((token, row) => {
      if (stopTokens.includes(token)) ended[row] = true;
      return ended[row] ? null : token;
    });
    if (given.every((token) => token === null)) return;
    yield given;
    for (let row = 0; row < rows; row++) if ((seen[row] as number) + 1 >= context) ended[row] = true;
    if (step === maxTokens || ended.every(Boolean) || signal?.aborted) return;
    // Rows that have ended are computed on, at their last place, and not looked at.
    const places = seen.map((place) => Math.min(place, context - 1));
    [chosen, cache] = await next(
      params,
      tensor(Int32Array.from(tokens), { shape: [rows, 1] }),
      cache,
      tensor(places),
      source,
      tensor(Int32Array.of(step), { shape: [] }),
    );
    for (let row = 0; row < rows; row++) (seen[row] as number)++;
  }
}

type Step = (
  params: DecoderParams,
  tokens: Tensor,
  cache: StackCache,
  places: Tensor,
  source: Tensor,
  step: Tensor,
) => Promise<[Tensor, StackCache]>;

/** The compiled first step (a whole prompt) and later ones (a token) of a model. */
function stepsOf(model: Decoder, sampling: SampleOptions): { readonly first: Step; readonly next: Step } {
  const bySampling = compiled.get(model) ?? new Map<string, { first: Step; next: Step }>();
  compiled.set(model, bySampling);
  const name = JSON.stringify(sampling);
  const known = bySampling.get(name);
  if (known) return known;
  // Random bits count on through the rows, so that those of a row do not depend on how many follow it.
  const choose = (params: DecoderParams, vectors: Tensor, source: Tensor, step: Tensor): Tensor =>
    sample(model.logits(params, vectors), fold(source, step), sampling);
  const vectorAt = (x: Tensor, place: Tensor): Tensor => {
    const [rows, , width] = x.shape as [number, number, number];
    return reshape(takeAlong(x, broadcastTo(reshape(place, [rows, 1, 1]), [rows, 1, width]), { axis: 1 }), [
      rows,
      width,
    ]);
  };
  const steps = {
    first: compile(
      (params: DecoderParams, tokens: Tensor, cache: StackCache, lengths: Tensor, source: Tensor, step: Tensor) => {
        const [x, after] = model.extend(params, tokens, cache, zerosLike(lengths));
        return [choose(params, vectorAt(x, sub(lengths, 1)), source, step), after] as [Tensor, StackCache];
      },
    ) as unknown as Step,
    next: compile(
      (params: DecoderParams, tokens: Tensor, cache: StackCache, places: Tensor, source: Tensor, step: Tensor) => {
        const [x, after] = model.extend(params, tokens, cache, places);
        return [choose(params, squeeze(x, 1), source, step), after] as [Tensor, StackCache];
      },
    ) as unknown as Step,
  };
  bySampling.set(name, steps);
  return steps;
}

const compiled = new WeakMap<Decoder, Map<string, { first: Step; next: Step }>>();
