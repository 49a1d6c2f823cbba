/** Noise on representations, to see what it does to them and to what is read from them. */
import { add, bernoulli, fold, type Key, mul, normal, type Tensor, uniform, where } from "../array/index.ts";

/** The kinds of noise. */
export const featureNoiseKinds = ["gaussian", "uniform", "dropout", "saltAndPepper"] as const;
export type FeatureNoiseKind = (typeof featureNoiseKinds)[number];

/** What features are like without noise, which its strength is measured by; numbers or scalar tensors. */
export interface FeatureScale {
  /** Root of the mean variance of the features. */
  readonly std: number | Tensor;
  /** The smallest and the largest value of any feature. */
  readonly least: number | Tensor;
  readonly most: number | Tensor;
}

export interface FeatureNoiseOptions {
  readonly kind: FeatureNoiseKind;
  /**
   * At least 0; for `dropout` and `saltAndPepper` a share of the features, at most 1. 0 changes nothing. A scalar tensor is
   * taken as it is, so that one graph serves many strengths.
   */
  readonly strength: number | Tensor;
  readonly scale: FeatureScale;
}

/**
 * Features `[..., width]` with noise that is a function of the key. `gaussian`: normal, with `strength` times the standard
 * deviation of the features; `uniform`: of the same variance; `dropout`: each feature becomes 0 with probability
 * `strength`, and the others are not enlarged; `saltAndPepper`: each becomes, with probability `strength`, the smallest
 * or the largest value that any feature has, one as likely as the other. Throws one sentence for a strength out of range.
 * Source: the four kinds of arXiv:2602.00130; the paper's strengths are not public, these are our definitions.
 */
export function featureNoise(source: Key, x: Tensor, { kind, strength, scale }: FeatureNoiseOptions): Tensor {
  const most = kind === "dropout" || kind === "saltAndPepper" ? 1 : Number.MAX_VALUE;
  if (typeof strength === "number" && !(strength >= 0 && strength <= most))
    throw new RangeError(
      `featureNoise: strength of ${kind} must be at least 0${most === 1 ? " and at most 1" : ""}, got ${strength}`,
    );
  switch (kind) {
    case "gaussian":
      return add(x, mul(normal(source, x.shape), mul(strength, scale.std)));
    case "uniform": {
      // Variance 1.
      const half = Math.sqrt(3);
      return add(x, mul(uniform(source, x.shape, { min: -half, max: half }), mul(strength, scale.std)));
    }
    case "dropout":
      return where(bernoulli(source, x.shape, strength), 0, x);
    case "saltAndPepper": {
      const value = where(bernoulli(fold(source, "value"), x.shape, 0.5), scale.least, scale.most);
      return where(bernoulli(source, x.shape, strength), value, x);
    }
  }
}
