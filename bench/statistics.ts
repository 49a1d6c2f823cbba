/** Figures from repeated measurements of things that take turns. */
import { median } from "../src/report/timing.ts";

/** The middle of several measurements and how far they lie apart. */
export interface Summary {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** Median, smallest and largest. Throws if there is none. */
export const summarize = (values: readonly number[]): Summary => ({
  median: median(values),
  low: Math.min(...values),
  high: Math.max(...values),
  count: values.length,
});

/**
 * Summary of `numerator[i] / denominator[i]`. Both were measured in turn, so one round's disturbance is in both and
 * mostly leaves the ratio. Of two lists, the shorter says how many rounds there are.
 */
export function pairedRatio(numerator: readonly number[], denominator: readonly number[]): Summary {
  const rounds = Math.min(numerator.length, denominator.length);
  return summarize(Array.from({ length: rounds }, (_, i) => (numerator[i] as number) / (denominator[i] as number)));
}

/** Largest relative difference of two lists of numbers, `|a - b| / max(|a|, |b|)`; infinite if one is not finite. */
export function largestDifference(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) throw new RangeError(`largestDifference: lists of ${a.length} and ${b.length} numbers`);
  return Math.max(
    0,
    ...a.map((x, i) => {
      const y = b[i] as number;
      if (!Number.isFinite(x) || !Number.isFinite(y)) return Number.POSITIVE_INFINITY;
      return x === y ? 0 : Math.abs(x - y) / Math.max(Math.abs(x), Math.abs(y));
    }),
  );
}
