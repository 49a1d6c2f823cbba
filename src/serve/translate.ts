/** Targets from encoder-decoder models, token by token through caches. */
import { argMax, cast, compile, type Tensor, tensor } from "../array/index.ts";
import type { EncoderDecoder, EncoderDecoderParams, RememberedSource, StackCache } from "../models/index.ts";
import { RowCaches } from "./row-caches.ts";

export interface TranslateOptions {
  /** The token that targets begin with. */
  readonly begin: number;
  /** The token that ends a target, which is not given out. */
  readonly end: number;
  /** Tokens of a target at most; the model's context by default. */
  readonly maxTokens?: number;
  /** Ends all rows, once it is aborted, after the token that is being computed. */
  readonly signal?: AbortSignal;
}

/**
 * The target of each source, where every token is the likeliest after those before it (greedy search). Sources are lists
 * of tokens, computed side by side: they are padded to the longest, which does not change what is said. Throws one
 * sentence if there is none, or one is empty or longer than the model's context.
 */
export async function translate(
  model: EncoderDecoder,
  params: EncoderDecoderParams,
  sources: readonly ArrayLike<number>[],
  { begin, end, maxTokens = model.config.context, signal }: TranslateOptions,
): Promise<number[][]> {
  const { context, padding } = model.config;
  if (sources.length === 0) throw new RangeError("translate: expected at least one source");
  if (!Number.isInteger(maxTokens) || maxTokens < 1 || maxTokens > context)
    throw new RangeError(`translate: maxTokens must be a whole number from 1 to ${context}, got ${maxTokens}`);
  for (const { length } of sources)
    if (length === 0 || length > context)
      throw new RangeError(
        `translate: a source needs 1 to ${context} tokens for a model with ${context} positions, got ${length}`,
      );
  const longest = Math.max(...sources.map(({ length }) => length));
  const rows = new Int32Array(sources.length * longest).fill(padding);
  sources.forEach((source, row) => {
    rows.set(source, row * longest);
  });
  const { read, next } = stepsOf(model);
  const remembered = await read(params, tensor(rows, { shape: [sources.length, longest] }));
  const caches = new RowCaches(model.cache, { rows: sources.length, longest: maxTokens });
  let tokens = tensor(new Int32Array(sources.length).fill(begin), { shape: [sources.length, 1] });
  const targets = sources.map((): number[] => []);
  const ended = sources.map(() => false);
  for (let step = 0; step < maxTokens && !signal?.aborted; step++) {
    const seen = tensor(new Int32Array(sources.length).fill(step));
    caches.fit(step + 1);
    const [chosen, fresh] = await next(params, remembered, tokens, caches.view(sources.length), seen);
    tokens = chosen;
    // Rows that have ended are computed on and not looked at.
    targets.forEach((target, row) => {
      const token = Number(tokens.data[row]);
      if (token === end) ended[row] = true;
      if (!ended[row]) target.push(token);
      caches.write(fresh, row, row, step, 1);
    });
    if (ended.every(Boolean)) break;
  }
  return targets;
}

interface Steps {
  /** Reads sources `[batch, time]`. */
  readonly read: (params: EncoderDecoderParams, source: Tensor) => Promise<RememberedSource>;
  /** The likeliest next tokens, int32 `[batch, 1]`, and what the caches must hold of the given ones. */
  readonly next: (
    params: EncoderDecoderParams,
    remembered: RememberedSource,
    tokens: Tensor,
    cache: StackCache,
    seen: Tensor,
  ) => Promise<[Tensor, StackCache]>;
}

/** The likeliest token after new ones, and what the caches must hold of them: what one step of `translate` computes. */
export function nextToken(
  model: EncoderDecoder,
  params: EncoderDecoderParams,
  remembered: RememberedSource,
  tokens: Tensor,
  cache: StackCache,
  seen: Tensor,
): [Tensor, StackCache] {
  const [x, fresh] = model.extend(params, remembered, tokens, cache, seen);
  return [cast(argMax(model.logits(params, x), { axis: -1 }), "int32"), fresh];
}

/** The compiled steps of a model. */
function stepsOf(model: EncoderDecoder): Steps {
  const known = compiled.get(model);
  if (known) return known;
  const steps: Steps = {
    read: compile((params: EncoderDecoderParams, source: Tensor) =>
      model.remember(params, model.encode(params, source)),
    ) as Steps["read"],
    next: compile(
      (params: EncoderDecoderParams, remembered: RememberedSource, tokens: Tensor, cache: StackCache, seen: Tensor) =>
        nextToken(model, params, remembered, tokens, cache, seen),
    ),
  };
  compiled.set(model, steps);
  return steps;
}

const compiled = new WeakMap<EncoderDecoder, Steps>();
