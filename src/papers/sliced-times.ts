/** Times of decoders with random weights, whole and with a narrower stream. */
import { compile, type Tensor, zeros } from "../array/index.ts";
import { type DecoderConfig, type DecoderParams, decoder, type Sublayer } from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import {
  type Measurement,
  median,
  type StudyContext,
  speedMeasurement,
  type Table,
  timeInTurn,
} from "../report/index.ts";
import { randomWeights } from "./decode-times.ts";

/** A model that is timed. */
export interface TimedShape {
  readonly width: number;
  readonly hidden: number;
  readonly depth: number;
  /** Tokens at once; one is a step of generation. */
  readonly tokens: number;
}

/** What came of one share, in milliseconds a round. */
export interface SlicedTime extends TimedShape {
  readonly share: number;
  readonly kept: number;
  /** Weights outside the table of embeddings, which is looked up, over those of the whole model. */
  readonly weights: number;
  readonly whole: readonly number[];
  readonly sliced: readonly number[];
}

const VOCABULARY = 4096;
const HEAD_WIDTH = 64;

/** A Llama-like model of `width` whose stream has `kept` dimensions, as `sliceStream` leaves it. */
export function slicedShape({ width, hidden, depth, tokens }: TimedShape, kept: number): DecoderConfig {
  const shortcut = kept < width ? { shortcut: "linear" as const } : {};
  const block: readonly Sublayer[] = [
    { mixer: { kind: "attention", heads: width / HEAD_WIDTH, headWidth: HEAD_WIDTH, bias: false }, ...shortcut },
    { ffn: { kind: "gated", hidden }, ...shortcut },
  ];
  const blocks = Array.from({ length: depth }, () => block);
  return { vocabulary: VOCABULARY, context: tokens, width: kept, norm: "rms", tied: false, blocks };
}

const weightsOf = (config: DecoderConfig, params: DecoderParams): number =>
  parameterCount(params) - config.vocabulary * config.width;

/** Times whole and sliced models in turn. */
export async function slicedTimes(
  { remember, signal, progress }: Pick<StudyContext, "remember" | "signal" | "progress">,
  shapes: readonly TimedShape[],
  { shares, calls }: { readonly shares: readonly number[]; readonly calls: number },
): Promise<readonly SlicedTime[]> {
  const all: SlicedTime[] = [];
  for (const [i, shape] of shapes.entries()) {
    progress({ stage: `timing models of width ${shape.width}`, done: i, total: shapes.length });
    const { width, hidden, depth, tokens } = shape;
    const key = `times, ${width} ${hidden} ${depth}, ${tokens} tokens, ${shares.join(" ")}`;
    const results = await remember(key, async () => {
      const input = zeros([1, tokens], "int32");
      const prepared = await Promise.all(
        [0, ...shares].map(async (share) => {
          const kept = Math.floor(((1 - share) * width) / 8) * 8;
          const model = decoder(slicedShape(shape, kept));
          const params = await randomWeights(model);
          const run = compile((weights: DecoderParams, x: Tensor) => model.apply(weights, x));
          return { share, kept, weights: weightsOf(model.config, params), call: () => run(params, input) };
        }),
      );
      const times = await timeInTurn(Object.fromEntries(prepared.map(({ share, call }) => [String(share), call])), {
        calls,
        signal,
      });
      const [whole, ...sliced] = prepared as [(typeof prepared)[0], ...typeof prepared];
      return sliced.map(({ share, kept, weights }) => ({
        ...{ share, kept, weights: weights / whole.weights },
        ...{ whole: times["0"] as readonly number[], sliced: times[String(share)] as readonly number[] },
      }));
    });
    all.push(...results.map((result) => ({ ...shape, ...result })));
  }
  return all;
}

/** How many times as fast a sliced model is. */
export const timesAsFast = ({ whole, sliced }: SlicedTime): Measurement => speedMeasurement(whole, sliced);

/** The table of these times. */
export const slicedTimesTable = (times: readonly SlicedTime[]): Table => ({
  kind: "table",
  title: "Time of a model with a narrower stream",
  caption:
    "Random weights; medians in milliseconds, timed in turn. One token is a step of generation without its caches.",
  columns: [
    "width",
    "blocks",
    "tokens at once",
    "share cut, %",
    "dimensions left",
    "weights left, %",
    "whole",
    "sliced",
    "ratio",
  ],
  rows: times.map((time) => {
    const [whole, sliced] = [median(time.whole), median(time.sliced)];
    return [
      ...[time.width, time.depth, time.tokens, 100 * time.share, time.kept, Number((100 * time.weights).toFixed(1))],
      ...[whole, sliced, whole / sliced].map((value) => Number(value.toPrecision(3))),
    ];
  }),
});
