/** Dimension of representations, and how it changes from layer to layer. */
import type { Covariance } from "./covariance.ts";
import { participationRatioOf } from "./spectrum.ts";

/**
 * Effective dimension of a representation: the participation ratio of its covariance, from 1 to the number of features,
 * whatever the rotation and scale of the features. A sample of rows gives less than all rows would; compare
 * representations on the same rows, or see `extrapolatedDimension`.
 * Source: arXiv:2602.00130, which predicts accuracy from it.
 */
export const effectiveDimension = ({ matrix, width }: Pick<Covariance, "matrix" | "width">): number =>
  participationRatioOf(matrix, width);

/**
 * Compression from one representation to a later one: `log(first/last)` of their effective dimensions, so that those of
 * layers in a row add up; negative if the later one has more dimensions. The published abstract gives no formula; this is
 * our reading.
 * Source: arXiv:2602.00130 ("total compression").
 */
export function compression(first: number, last: number): number {
  for (const [name, value] of Object.entries({ first, last }))
    if (!(value > 0 && Number.isFinite(value)))
      throw new RangeError(`compression: ${name} must be an effective dimension above 0, got ${value}`);
  return Math.log(first / last);
}

/** An effective dimension of so many rows. */
export interface SampledDimension {
  readonly count: number;
  readonly dimension: number;
}

/**
 * The effective dimension that ever more rows would approach: where the straight line through `1/dimension` against
 * `1/count` meets 0. Exact for independent normal features, whose `1/dimension` is `1/D + 1/count`; a guide for others.
 * NaN if the line meets 0 at no positive dimension. Throws one sentence for fewer than two different counts.
 * Source: the second moment of the Marchenko-Pastur law, Marchenko and Pastur 1967.
 */
export function extrapolatedDimension(samples: readonly SampledDimension[]): number {
  const xs = samples.map(({ count }) => 1 / count);
  const ys = samples.map(({ dimension }) => 1 / dimension);
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const [x0, y0] = [mean(xs), mean(ys)];
  const spread = xs.reduce((total, x) => total + (x - x0) ** 2, 0);
  if (!(spread > 0))
    throw new RangeError(
      `extrapolatedDimension: expected samples of at least two sizes, got ${samples.length} samples`,
    );
  const slope = xs.reduce((total, x, i) => total + (x - x0) * ((ys[i] as number) - y0), 0) / spread;
  const limit = y0 - slope * x0;
  return limit > 0 ? 1 / limit : Number.NaN;
}
