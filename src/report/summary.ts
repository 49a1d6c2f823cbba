/** Lists of numbers, usually one for each seed, in short. */
import { type Measurement, spread } from "./claim.ts";
import type { Point } from "./figure.ts";

/** A measurement of these values. */
export const measured = (values: readonly number[]): Measurement => spread(values, (v) => v);

/** The mean. */
export const average = (values: readonly number[]): number => measured(values).mean;

/** A point at the mean of the values, with their standard deviation on both sides. */
export function withStd(x: number, values: readonly number[]): Required<Point> {
  const { mean, std } = measured(values);
  return { x, y: mean, low: mean - std, high: mean + std };
}
