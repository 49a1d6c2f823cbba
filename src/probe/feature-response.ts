/** What noise on features, or leaving out their small components, does to what is read from them. */
import { compile, evaluate, type Key, key, type Tensor, type Tree, tensor } from "../array/index.ts";
import { type Covariance, covarianceOf, momentsOf } from "./covariance.ts";
import { type FeatureNoiseKind, type FeatureScale, featureNoise } from "./feature-noise.ts";
import { effectiveDimension } from "./geometry.ts";
import { pcaProjection, principalComponents } from "./pca.ts";

/** A scalar, such as accuracy, that is read from features `[rows, width]`. */
export type FeatureScore<P extends Tree> = (params: P, features: Tensor) => Tensor;

/** Features under noise. */
export interface NoiseResponse {
  readonly strength: number;
  /** Effective dimension of the noisy features. */
  readonly dimension: number;
  readonly score: number;
}

export interface NoiseResponseOptions {
  readonly kind: FeatureNoiseKind;
  /** See `featureNoise`. */
  readonly strengths: readonly number[];
  /** Seed of the noise, the same for all strengths; 0 by default. */
  readonly seed?: number;
}

/**
 * Effective dimension and score of features `[rows, width]` under noise of each strength. Features must have values, and
 * at least as many rows as columns.
 * Source: the first intervention of arXiv:2602.00130.
 */
export async function noiseResponse<P extends Tree>(
  features: Tensor,
  params: P,
  score: FeatureScore<P>,
  { kind, strengths, seed = 0 }: NoiseResponseOptions,
): Promise<readonly NoiseResponse[]> {
  const scale = featureScale(features);
  const run = compile((weights: P, x: Tensor, source: Key, strength: Tensor) => {
    const noisy = featureNoise(source, x, { kind, strength, scale });
    return { score: score(weights, noisy), moments: momentsOf(noisy) };
  });
  const responses: NoiseResponse[] = [];
  for (const strength of strengths) {
    const { score, moments } = await run(params, features, key(seed), tensor(strength));
    const dimension = effectiveDimension(covarianceOf(moments, { name: "features" }));
    responses.push({ strength, dimension, score: Number(score.data[0]) });
  }
  return responses;
}

/** Root of the mean variance, and range, of features `[rows, width]` with values. */
export function featureScale({ data, shape: [rows = 0, width = 0] }: Tensor): Required<FeatureScale> {
  const sums = new Float64Array(width);
  let [squares, least, most] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let at = 0; at < data.length; at++) {
    const v = Number(data[at]);
    (sums[at % width] as number) += v;
    squares += v * v;
    if (v < least) least = v;
    if (v > most) most = v;
  }
  const means = sums.reduce((total, sum) => total + (sum / rows) ** 2, 0);
  return { std: Math.sqrt(Math.max(0, (squares / rows - means) / width)), least, most };
}

/** Features on their largest principal components. */
export interface PcaResponse {
  /** Share of the variance that the components were to hold. */
  readonly share: number;
  /** How many components that took. */
  readonly kept: number;
  readonly score: number;
}

/**
 * Score of features `[rows, width]` after projection on the components, of another sample's covariance, that hold each
 * share of its variance; what reads the features stays as it is.
 * Source: the second intervention of arXiv:2602.00130.
 */
export async function pcaResponse<P extends Tree>(
  features: Tensor,
  params: P,
  score: FeatureScore<P>,
  { covariance, shares }: { readonly covariance: Covariance; readonly shares: readonly number[] },
): Promise<readonly PcaResponse[]> {
  const components = principalComponents(covariance);
  const responses: PcaResponse[] = [];
  for (const share of shares) {
    const { kept, project } = pcaProjection(components, share);
    const value = await evaluate(score(params, project(features)));
    responses.push({ share, kept, score: Number(value.data[0]) });
  }
  return responses;
}
