/** Times of encoder-decoder models side by side: reading a source, and writing a token. */
import { compile, evaluate, type Key, key, mapTree, normal, type Tensor, type Tree, tensor } from "../array/index.ts";
import type { EncoderDecoder, EncoderDecoderParams, RememberedSource, StackCache } from "../models/index.ts";
import { median, type StudyContext, type Table, timeInTurn } from "../report/index.ts";
import { nextToken } from "../serve/index.ts";

/** Milliseconds of the rounds. */
export interface DecodeTime {
  /** Reading one source, keys and values for the decoder included. */
  readonly read: readonly number[];
  /** Writing one token at batch 1, in the middle of the target. */
  readonly token: readonly number[];
}

export interface DecodeTimesOptions<K extends string> {
  readonly models: { readonly [P in K]: EncoderDecoder };
  /** Tokens of the source and of the target. */
  readonly length: number;
  readonly rounds: number;
  /** Calls of which a round takes the median. */
  readonly calls: number;
}

/** Times models with random weights at batch 1, all in turn in one process. Remembers them under `name`. */
export function decodeTimes<K extends string>(
  { remember, signal }: Pick<StudyContext, "remember" | "signal">,
  name: string,
  { models, length, rounds, calls }: DecodeTimesOptions<K>,
): Promise<{ readonly [P in K]: DecodeTime }> {
  return remember(`times, ${name}`, async () => {
    const source = tensor(
      Int32Array.from({ length }, (_, i) => 3 + i),
      { shape: [1, length] },
    );
    const token = tensor(Int32Array.of(1), { shape: [1, 1] });
    const seen = tensor(Int32Array.of(length >> 1));
    const named = Object.entries(models) as [K, EncoderDecoder][];
    const functions: Record<string, () => unknown> = {};
    for (const [model, built] of named) {
      const params = await randomWeights(built);
      const read = compile((weights: EncoderDecoderParams, tokens: Tensor) =>
        built.remember(weights, built.encode(weights, tokens)),
      );
      const remembered = (await read(params, source)) as RememberedSource;
      const cache = await evaluate(built.cache({ batch: 1, length }));
      const next = compile(
        (weights: EncoderDecoderParams, from: RememberedSource, tokens: Tensor, before: StackCache, places: Tensor) =>
          nextToken(built, weights, from, tokens, before, places),
      );
      functions[`${model} read`] = () => read(params, source);
      functions[`${model} token`] = () => next(params, remembered, token, cache, seen);
    }
    const times = await timeInTurn(functions, { calls, rounds, signal });
    const of = (model: K): DecodeTime => ({
      read: times[`${model} read`] as readonly number[],
      token: times[`${model} token`] as readonly number[],
    });
    return Object.fromEntries(named.map(([model]) => [model, of(model)])) as { readonly [P in K]: DecodeTime };
  });
}

/**
 * Weights of the shapes of a model. A block of random numbers is used again and again: a graph that drew hundreds of
 * millions of them at once would need many times their memory, and times do not depend on what they are.
 */
export async function randomWeights<P extends Tree>(model: { init(key: Key): P }): Promise<P> {
  const block = (await evaluate(normal(key(0), [2 ** 18], { std: 0.02 }))).data as Float32Array;
  return mapTree(model.init(key(0)), ({ shape, size }) => {
    const values = new Float32Array(size);
    for (let i = 0; i < size; i += block.length) values.set(block.subarray(0, size - i), i);
    return tensor(values, { shape });
  });
}

/** Milliseconds of a translation with as many tokens written as read, for each round. */
export const translationTimes = ({ read, token }: DecodeTime, length: number): readonly number[] =>
  read.map((ms, i) => ms + length * (token[i] as number));

/** The table of these times. */
export const decodeTimesTable = (
  title: string,
  times: { readonly [name: string]: DecodeTime },
  length: number,
): Table => ({
  kind: "table",
  title,
  caption: `Medians of calls in turn in one process, batch 1, milliseconds. A translation reads ${length} tokens and writes as many.`,
  columns: ["model", "reading", "writing a token", "tokens/s", "a translation"],
  rows: Object.entries(times).map(([name, time]) => {
    const token = median(time.token);
    return [
      name,
      ...[median(time.read), token, 1000 / token, median(translationTimes(time, length))].map((value) =>
        Number(value.toPrecision(3)),
      ),
    ];
  }),
});
