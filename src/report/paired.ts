/** Two lists of results, one of each for every seed, compared seed by seed. */
import { bootstrapInterval } from "./bootstrap.ts";
import type { Measurement } from "./claim.ts";
import { formatNumber } from "./format.ts";
import { average, measured } from "./summary.ts";

/** How `a` differs from `b` over seeds. */
export interface PairedDifference {
  /** `a - b` of each seed. */
  readonly values: readonly number[];
  /** Mean of the differences. */
  readonly mean: number;
  /** 95 % interval of the mean, by the percentiles of bootstrap resamples of the seeds. */
  readonly low: number;
  readonly high: number;
  /** Share of the seeds whose difference has the sign of the mean; 0 if the mean is 0. */
  readonly agreeing: number;
}

/** Resamples that are drawn where there are too many to form them all. */
const DRAWN = 20_000;

/**
 * Compares two arms that were run with the same seeds, so that what a seed does to both cancels out. The same numbers
 * always give the same interval. With few seeds a bootstrap interval is narrower than it should be, for three seeds no
 * wider than from the least to the largest difference: verdicts rest on the t interval of `verdictOf`. A single seed has
 * an infinite interval. Throws one sentence unless both lists have the same length of at least 1.
 * Source: Efron 1979, "Bootstrap methods: another look at the jackknife".
 */
export function pairedDifference(a: readonly number[], b: readonly number[]): PairedDifference {
  if (a.length !== b.length || a.length === 0)
    throw new RangeError(
      `pairedDifference: expected as many results of one arm as of the other, at least 1, got ${a.length} and ${b.length}`,
    );
  const values = a.map((value, i) => value - (b[i] as number));
  const mean = average(values);
  const agreeing = values.filter((v) => v * mean > 0).length / values.length;
  const [low, high] = bootstrapInterval(values, average, { resamples: DRAWN });
  return { values, mean, low, high, agreeing };
}

/** The differences as the measurement of a claim, with the bootstrap interval and the seeds that agree as its note. */
export function pairedMeasurement(a: readonly number[], b: readonly number[]): Measurement {
  const { values, mean, low, high, agreeing } = pairedDifference(a, b);
  const count = values.length;
  if (count === 1) return measured(values);
  const sign = mean < 0 ? "below" : "above";
  return {
    ...measured(values),
    note: `bootstrap: ${formatNumber(low)} to ${formatNumber(high)}; ${sign} 0 with ${Math.round(agreeing * count)} of ${count} seeds`,
  };
}
