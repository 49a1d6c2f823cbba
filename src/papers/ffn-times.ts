/** Times of feed-forward blocks side by side, for papers that claim to be faster than the dense block. */
import { evaluate, key, normal, type Tree } from "../array/index.ts";
import type { Layer } from "../nn/index.ts";
import {
  type Figure,
  type Measurement,
  median,
  type Scale,
  type StudyContext,
  speedMeasurement,
} from "../report/index.ts";
import { type LayerTimer, layerTimer } from "./layer-times.ts";

export interface FfnTimesOptions<K extends string> {
  readonly width: number;
  /** Numbers of tokens that pass at once. */
  readonly tokens: readonly number[];
  /** The blocks, from `[tokens, width]` to the same. */
  readonly layers: { readonly [P in K]: Layer<Tree> };
  /** How many figures are taken for each block and number of tokens. */
  readonly rounds: number;
  /** Tokens that pass in the calls of one figure; the median of at least one call and at most 15 is taken. */
  readonly work: number;
}

/** Milliseconds of the rounds, by number of tokens and block. */
export type FfnTimes<K extends string> = readonly {
  readonly width: number;
  readonly tokens: number;
  readonly times: { readonly [P in K]: readonly number[] };
}[];

/** Times the blocks on random input with random weights; see `layerTimer`. Remembers each number of tokens. */
export async function ffnTimes<K extends string>(
  context: Pick<StudyContext, "remember" | "progress" | "signal">,
  { width, tokens, layers, rounds, work }: FfnTimesOptions<K>,
): Promise<FfnTimes<K>> {
  let timer: LayerTimer<K> | undefined;
  const results = [];
  for (const [i, count] of tokens.entries()) {
    context.progress({ stage: `timing blocks of width ${width}`, done: i, total: tokens.length });
    const stored = `times in stacks of ${Object.keys(layers).join(", ")} at width ${width}, ${count} tokens`;
    const times = await context.remember(stored, async () => {
      timer ??= await layerTimer(layers, key(1));
      const x = await evaluate(normal(key(2), [count, width]));
      const each = Math.min(15, Math.max(1, Math.round(work / count)));
      return timer(x, { calls: each, rounds, signal: context.signal });
    });
    results.push({ width, tokens: count, times: times as FfnTimes<K>[number]["times"] });
  }
  return results;
}

/** The table of these times, with how many times as quick as the block `dense` each of the others is. */
export function ffnTimesTable<K extends string>(times: FfnTimes<K>, dense: K): Figure {
  const names = Object.keys(times[0]?.times ?? {}) as K[];
  const others = names.filter((name) => name !== dense);
  return {
    kind: "table",
    title: "Times of one feed-forward block",
    caption:
      "Medians in milliseconds a block, timed in stacks of blocks; behind each, how many times as quick as the dense one.",
    columns: ["width", "tokens", dense, ...others],
    rows: times.map(({ width, tokens, times }) => {
      const base = median(times[dense]);
      return [
        width,
        tokens,
        base.toPrecision(3),
        ...others.map((name) => {
          const ms = median(times[name]);
          return `${ms.toPrecision(3)} (${(base / ms).toFixed(2)}x)`;
        }),
      ];
    }),
  };
}

/** Blocks of which widths are timed by how many tokens. */
const timings: Readonly<
  Record<Scale, Omit<FfnTimesOptions<never>, "layers" | "width"> & { widths: readonly number[] }>
> = {
  smoke: { widths: [32], tokens: [1, 16], rounds: 2, work: 32 },
  small: { widths: [1024, 2048], tokens: [1, 16, 128, 1024], rounds: 11, work: 128 },
  full: { widths: [512, 1024, 1536, 2048, 4096], tokens: [1, 16, 128, 1024, 2048], rounds: 11, work: 2048 },
};

/** Which times are compared, at the largest width. */
export interface Compared<K extends string> {
  readonly slow: K;
  readonly quick: K;
  /** The fewest tokens that were timed, or the most. */
  readonly tokens: "fewest" | "most";
}

/**
 * Times blocks at the widths and numbers of tokens of the scale, one of them named `dense`, and draws their table. Gives
 * how many times as quick one block is as another.
 */
export async function ffnSpeeds<K extends string>(
  context: StudyContext,
  blocksOf: (width: number) => { readonly [P in K | "dense"]: Layer<Tree> },
): Promise<(compared: Compared<K | "dense">) => Measurement> {
  const { widths, ...rest } = timings[context.scale];
  const all: FfnTimes<K | "dense">[number][] = [];
  for (const width of widths) {
    const layers = blocksOf(width);
    all.push(...(await ffnTimes(context, { ...rest, width, layers })));
  }
  context.figure(ffnTimesTable(all, "dense"));
  return ({ slow, quick, tokens }) => {
    const count = rest.tokens.at(tokens === "most" ? -1 : 0);
    const found = all.find((one) => one.width === widths.at(-1) && one.tokens === count) as FfnTimes<
      K | "dense"
    >[number];
    return speedMeasurement(found.times[slow], found.times[quick]);
  };
}
