/** How long mixers take on sequences of many lengths: attention, an adaptive spectral filter, FNet's transform. */
import { compile, evaluate, key, mean, normal, square, type Tensor, type Tree } from "../array/index.ts";
import { fourierMixer, type Layer, multiHeadAttention, spectralFilterMixer } from "../nn/index.ts";
import { average, fitPowerLaw, type StudyContext, timeInTurn } from "../report/index.ts";

export interface MixerTimesOptions {
  /** Lengths of the sequences. */
  readonly lengths: readonly number[];
  /** The longest on which attention is timed: its weights take four bytes for each head and pair of positions. */
  readonly attentionTo: number;
  /** Calls of which the median is one figure; see `timeInTurn`. */
  readonly calls: number;
}

const WIDTH = 64;
const HEADS = 4;
/** Lengths over which exponents are fitted: shorter ones are ruled by what does not grow with length. */
const [FROM, TO] = [512, 4096] as const;

type Timed = "attention" | "adaptive filter" | "FNet";

/** Mixers that are timed by themselves, for a length. */
const timedMixers = (positions: number): { readonly [name in Timed]: Layer<Tree> } => ({
  attention: multiHeadAttention({ width: WIDTH, heads: HEADS }),
  "adaptive filter": spectralFilterMixer({ width: WIDTH, heads: HEADS, positions }),
  FNet: fourierMixer({ width: WIDTH }),
});
/** Milliseconds of each mixer on one sequence of each length, a list of rounds. */
export async function mixerTimes({ lengths, attentionTo, calls }: MixerTimesOptions, context: StudyContext) {
  const rows: { readonly length: number; readonly times: { readonly [name in Timed]?: readonly number[] } }[] = [];
  for (const [done, length] of lengths.entries()) {
    context.progress({ stage: "timing mixers", done, total: lengths.length, unit: "lengths" });
    const times = await context.remember(`times at ${length}`, async () => {
      const x = await evaluate(normal(key(length), [1, length, WIDTH]));
      const runs: Record<string, () => unknown> = {};
      for (const [name, mixer] of Object.entries(timedMixers(length))) {
        if (name === "attention" && length > attentionTo) continue;
        const params = await evaluate(mixer.init(key(0)));
        // A single number comes back, or the copy of the output would count too.
        const run = compile((weights: Tree, v: Tensor) => mean(square(mixer.apply(weights, v))));
        runs[name] = () => run(params, x);
      }
      return timeInTurn(runs, { calls, signal: context.signal });
    });
    rows.push({ length, times });
  }
  return rows;
}
export type MixerTimes = Awaited<ReturnType<typeof mixerTimes>>;

/** Exponents of time against length, one for each round. */
export function timeExponents(rows: MixerTimes, name: Timed): readonly number[] {
  const within = rows.filter(({ length, times }) => length >= FROM && length <= TO && times[name]);
  const rounds = within[0]?.times[name]?.length ?? 0;
  return Array.from(
    { length: rounds },
    (_, round) =>
      fitPowerLaw(within.map(({ length, times }) => ({ x: length, y: times[name]?.[round] as number }))).exponent,
  );
}

/** How many times longer attention takes than the adaptive filter at a length, one for each round. */
export function attentionRatio(rows: MixerTimes, length: number): readonly number[] {
  const times = rows.find((row) => row.length === length)?.times;
  const filter = times?.["adaptive filter"] ?? [];
  return (times?.attention ?? []).map((value, i) => value / (filter[i] as number));
}

export function drawMixerTimes({ figure }: StudyContext, rows: MixerTimes): void {
  const names: readonly Timed[] = ["attention", "adaptive filter", "FNet"];
  figure({
    kind: "lines",
    title: "Time of one mixer",
    caption: "One sequence of vectors of width 64, without gradients; medians of interleaved calls.",
    x: { label: "positions", log: true },
    y: { label: "milliseconds", log: true },
    series: names.map((name) => ({
      name,
      points: rows.flatMap(({ length, times }) => {
        const own = times[name];
        return own ? [{ x: length, y: average(own) }] : [];
      }),
    })),
  });
}
