/** Text from language models, token by token through caches. */
import { compile, evaluate, fold, type Key, key, onDevice, type Tensor, tensor } from "../array/index.ts";
import type { Decoder, DecoderParams, StackCache } from "../models/index.ts";
import { RowCaches } from "./row-caches.ts";
import { checkSampling, type SampleOptions, sample } from "./sample.ts";
import { LONGEST_PIECE, padded, paddedLength, readPiece, readToken } from "./steps.ts";

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
  const steps = stepsOf(model, sampling);
  const source = await evaluate(key(seed));
  const weights = await onDevice(params);
  const caches = new RowCaches(model.cache, { rows: prompts.length, longest: context });
  const seen = Int32Array.from(prompts, ({ length }) => length);
  let chosen = await readPrompts(steps, weights, prompts, caches, source, context);
  const ended = prompts.map(() => false);
  for (let step = 1; ; step++) {
    const given = [...chosen].map((token, row) => {
      if (stopTokens.includes(token)) ended[row] = true;
      return ended[row] ? null : token;
    });
    if (given.every((token) => token === null)) return;
    yield given;
    prompts.forEach((_, row) => {
      if ((seen[row] as number) + 1 >= context) ended[row] = true;
    });
    if (step === maxTokens || ended.every(Boolean) || signal?.aborted) return;
    // Rows that have ended are computed on and not looked at; they do not make the caches longer.
    const places = seen.map((place, row) => (ended[row] ? 0 : place));
    caches.fit(Math.max(...places) + 1);
    const [next, fresh] = await steps.next(
      weights,
      tensor(chosen, { shape: [prompts.length, 1] }),
      caches.view(prompts.length),
      tensor(places),
      source,
      tensor(Int32Array.of(step), { shape: [] }),
    );
    prompts.forEach((_, row) => {
      if (ended[row]) return;
      caches.write(fresh, row, row, seen[row] as number, 1);
      (seen[row] as number)++;
    });
    chosen = next.data as Int32Array;
  }
}

/** The compiled steps of a model: each gives the chosen tokens, int32 `[rows]`, and what the caches must hold. */
interface Steps {
  first(params: DecoderParams, tokens: Tensor, lengths: Tensor, source: Key, step: Tensor): Result;
  /** A further piece of one prompt. */
  piece(
    params: DecoderParams,
    tokens: Tensor,
    lengths: Tensor,
    cache: StackCache,
    seen: Tensor,
    source: Key,
    step: Tensor,
  ): Result;
  next(params: DecoderParams, tokens: Tensor, cache: StackCache, seen: Tensor, source: Key, step: Tensor): Result;
}
type Result = Promise<readonly [chosen: Tensor, fresh: StackCache]>;

/** Reads prompts into the caches, piece by piece; gives the token that is chosen after each. */
async function readPrompts(
  steps: Steps,
  params: DecoderParams,
  prompts: readonly (readonly number[] | Int32Array)[],
  caches: RowCaches,
  source: Key,
  context: number,
): Promise<Int32Array> {
  const longest = Math.max(...prompts.map(({ length }) => length));
  caches.fit(longest + 1);
  const chosen = new Int32Array(prompts.length);
  for (let from = 0; from < longest; from += LONGEST_PIECE) {
    const pieces = prompts.map((prompt) => prompt.slice(from, from + LONGEST_PIECE));
    const length = paddedLength(Math.max(...pieces.map((piece) => piece.length)), context - from);
    const tokens = tensor(padded(pieces, length), { shape: [prompts.length, length] });
    // A row whose prompt has ended is computed on and not looked at.
    const lengths = tensor(Int32Array.from(pieces, (piece) => Math.max(1, piece.length)));
    const step = tensor(Int32Array.of(0), { shape: [] });
    const seen = tensor(new Int32Array(prompts.length).fill(from));
    const [tokensAfter, fresh] = await (from === 0
      ? steps.first(params, tokens, lengths, source, step)
      : steps.piece(params, tokens, lengths, caches.view(prompts.length), seen, source, step));
    pieces.forEach((piece, row) => {
      if (piece.length === 0) return;
      caches.write(fresh, row, row, from, piece.length);
      chosen[row] = tokensAfter.data[row] as number;
    });
  }
  return chosen;
}

function stepsOf(model: Decoder, sampling: SampleOptions): Steps {
  const bySampling = compiled.get(model) ?? new Map<string, Steps>();
  compiled.set(model, bySampling);
  const name = JSON.stringify(sampling);
  const known = bySampling.get(name);
  if (known) return known;
  // Random bits count on through the rows, so that those of a row do not depend on how many follow it.
  const chosen = (params: DecoderParams, vectors: Tensor, source: Key, step: Tensor): Tensor =>
    sample(model.logits(params, vectors), fold(source, step), sampling);
  const steps: Steps = {
    first: compile((params, tokens, lengths, source, step) => {
      const [vectors, fresh] = readPiece(model, params, tokens, lengths);
      return [chosen(params, vectors, source, step), fresh] as const;
    }),
    piece: compile((params, tokens, lengths, cache, seen, source, step) => {
      const [vectors, fresh] = readPiece(model, params, tokens, lengths, { cache, seen });
      return [chosen(params, vectors, source, step), fresh] as const;
    }),
    next: compile((params, tokens, cache, seen, source, step) => {
      const [vectors, fresh] = readToken(model, params, tokens, cache, seen);
      return [chosen(params, vectors, source, step), fresh] as const;
    }),
  };
  bySampling.set(name, steps);
  return steps;
}

const compiled = new WeakMap<Decoder, Map<string, Steps>>();
