/** Lists of numbers, usually one for each seed, in short. */
import { type Measurement, spread } from "./claim.ts";
import type { Point } from "./figure.ts";

/** A measurement of these values. */
export const measured = (values: readonly number[]): Measurement => spread(values, (v) => v);

/**
 * A figure that no seed changes and that is no identity either, such as a count on one trained model: the same value for
 * each seed, so that a single one is no evidence.
 */
export const withoutSpread = (seeds: readonly number[], value: number, note: string): Measurement =>
  spread(seeds, () => value, note);

/** The mean. */
export const average = (values: readonly number[]): number => measured(values).mean;

/** `0.512 ± 0.003`: mean and standard deviation with so many decimals. */
export function meanText(values: readonly number[], digits: number): string {
  const { mean, std } = measured(values);
  return `${mean.toFixed(digits)} ± ${std.toFixed(digits)}`;
}

/** A point at the mean of the values, with their standard deviation on both sides. */
export function withStd(x: number, values: readonly number[]): Required<Point> {
  const { mean, std } = measured(values);
  return { x, y: mean, low: mean - std, high: mean + std };
}
