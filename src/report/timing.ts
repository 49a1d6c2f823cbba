/** Measured times of things that are compared. */
import type { Measurement } from "./claim.ts";

export interface TimingOptions {
  /** How often each is called in a round; the median of these calls is one figure. */
  readonly calls: number;
  /** How many such figures are taken, to see their spread; 11 by default. Many rounds of few calls bear busy moments better. */
  readonly rounds?: number;
  /**
   * Calls of one function do not follow each other: each finds its data where the others left it, in memory rather than
   * in caches, and its threads asleep. False by default.
   */
  readonly apart?: boolean;
  /** Stops between rounds, once it is aborted, by rejecting with its reason. */
  readonly signal?: AbortSignal;
}

/** The value in the middle, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("median: expected at least one value");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}

/** For so long threads of a runtime may go on spinning after a call, and take time from what runs next. */
const SETTLING_MS = 2;

/**
 * Milliseconds that each function takes: for each the medians of several rounds. In a round the functions come in turn,
 * so that what disturbs the machine for long disturbs all alike and their ratios can be trusted; the calls of one follow
 * each other, after a pause in which the threads of the one before come to rest, as they would were it alone in its
 * program. The first call of each, which compiles, does not count.
 */
export async function timeInTurn<K extends string>(
  functions: { readonly [P in K]: () => unknown },
  { calls, rounds = 11, apart = false, signal }: TimingOptions,
): Promise<{ readonly [P in K]: readonly number[] }> {
  const named = Object.entries(functions) as [K, () => unknown][];
  const empty = () => Object.fromEntries(named.map(([name]) => [name, [] as number[]])) as { [P in K]: number[] };
  const times = empty();
  for (const [, run] of named) await run();
  const [passes, each] = apart ? [calls, 1] : [1, calls];
  for (let round = 0; round < rounds; round++) {
    signal?.throwIfAborted();
    const taken = empty();
    for (const [name, run] of Array.from({ length: passes }, () => named).flat()) {
      await new Promise((done) => setTimeout(done, SETTLING_MS));
      for (let call = 0; call < each; call++) {
        const started = performance.now();
        await run();
        taken[name].push(performance.now() - started);
      }
    }
    for (const [name] of named) times[name].push(median(taken[name]));
  }
  return times;
}

/** From the median absolute deviation of normal values to their standard deviation. */
const NORMAL_DEVIATION = 1.4826;
/** How much farther the median of normal values scatters than their mean: √(π/2). */
const MEDIAN_SCATTER = Math.sqrt(Math.PI / 2);

/**
 * How many times as quick the second is, both from one `timeInTurn`, as the measurement of a claim: the median over rounds
 * of the ratio of a round, and for its spread the median absolute deviation of these ratios, so that a few rounds that
 * were disturbed, however much, hardly change either. The deviation is multiplied by 1.858, such that the 95 % interval that `interval` forms
 * from it is that of a median of normal values. Throws one sentence unless there are as many times of one as of the other,
 * at least 1.
 * Source: Rousseeuw and Croux 1993, "Alternatives to the median absolute deviation".
 */
export function speedMeasurement(slow: readonly number[], quick: readonly number[]): Measurement {
  if (slow.length !== quick.length || slow.length === 0)
    throw new RangeError(
      `speedMeasurement: expected as many times of one as of the other, at least 1, got ${slow.length} and ${quick.length}`,
    );
  const values = slow.map((ms, i) => ms / (quick[i] as number));
  const middle = median(values);
  const deviation = median(values.map((value) => Math.abs(value - middle)));
  return {
    mean: middle,
    std: MEDIAN_SCATTER * NORMAL_DEVIATION * deviation,
    values,
    exact: false,
    note: `median of ${values.length} rounds, each the ratio of medians of calls in turn`,
  };
}
