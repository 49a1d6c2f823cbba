/** Measured times of things that are compared. */

export interface TimingOptions {
  /** How often each is timed in all; the median of these calls is one figure. */
  readonly calls: number;
  /** How many such figures are taken, to see their spread; 5 by default. */
  readonly rounds?: number;
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

/**
 * Milliseconds that each function takes: for each the medians of several rounds. All are called in turn, so that what
 * disturbs the machine disturbs all alike and their ratios can be trusted; the first call of each, which compiles, does
 * not count.
 */
export async function timeInTurn<K extends string>(
  functions: { readonly [P in K]: () => unknown },
  { calls, rounds = 5, signal }: TimingOptions,
): Promise<{ readonly [P in K]: readonly number[] }> {
  const named = Object.entries(functions) as [K, () => unknown][];
  const times = Object.fromEntries(named.map(([name]) => [name, [] as number[]])) as { [P in K]: number[] };
  for (const [, run] of named) await run();
  for (let round = 0; round < rounds; round++) {
    signal?.throwIfAborted();
    const taken = Object.fromEntries(named.map(([name]) => [name, [] as number[]])) as { [P in K]: number[] };
    for (let call = 0; call < calls; call++) {
      for (const [name, run] of named) {
        const started = performance.now();
        await run();
        taken[name].push(performance.now() - started);
      }
    }
    for (const [name] of named) times[name].push(median(taken[name]));
  }
  return times;
}
