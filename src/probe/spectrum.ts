/** How a layer spends its dimensions: scores of the eigenvalues of the covariance of its activations. */

/** The scores of paper 5 for one layer of `width` dimensions. */
export interface SpectralScores {
  readonly width: number;
  /** `participationRatio`, from 1 to the width. */
  readonly hardRank: number;
  /** `shannonEffectiveRank`, from the hard rank to the width. */
  readonly softRank: number;
  /** Ranks over the width. */
  readonly hardUtilization: number;
  readonly softUtilization: number;
  /** `spectralConcentration`, from 0 to below 1. */
  readonly concentration: number;
  /** `spectralUtilizationIndex`, from above 0 to 1. */
  readonly utilizationIndex: number;
}

/** All scores of the eigenvalues of a covariance, in any order. Throws as `participationRatio` does. */
export function spectralScores(eigenvalues: ArrayLike<number>): SpectralScores {
  const width = eigenvalues.length;
  const [hardRank, softRank] = [participationRatio(eigenvalues), shannonEffectiveRank(eigenvalues)];
  const [hardUtilization, softUtilization] = [hardRank / width, softRank / width];
  return {
    width,
    hardRank,
    softRank,
    hardUtilization,
    softUtilization,
    concentration: spectralConcentration(eigenvalues),
    utilizationIndex: spectralUtilizationIndex(hardUtilization, softUtilization),
  };
}

/**
 * Participation ratio, the hard rank: `(Σλ)²/Σλ²`, the number of equal eigenvalues that would be as uneven. From 1 to the
 * number of eigenvalues. Eigenvalues of a covariance, in any order; ones that rounding made negative count as 0. Throws
 * one sentence for NaN, for eigenvalues that no covariance has, and if all are 0, which those of constant activations are.
 * Source: arXiv:2510.00537; the effective dimension of arXiv:2602.00130.
 */
export function participationRatio(eigenvalues: ArrayLike<number>): number {
  return 1 / shares("participationRatio", eigenvalues).reduce((total, p) => total + p * p, 0);
}

/**
 * Participation ratio of a covariance `[size, size]` without its eigenvalues: its trace squared over the sum of its
 * squared entries. Throws one sentence if it is not such a matrix, or zero.
 */
export function participationRatioOf(covariance: ArrayLike<number>, size: number): number {
  if (covariance.length !== size * size)
    throw new RangeError(`participationRatioOf: expected ${size} × ${size} numbers, got ${covariance.length}`);
  let [trace, squares] = [0, 0];
  for (let i = 0; i < size; i++) trace += covariance[i * size + i] as number;
  // Divided by the trace, squares stay within range.
  for (let i = 0; i < covariance.length; i++) squares += ((covariance[i] as number) / trace) ** 2;
  if (!(trace > 0 && squares > 0 && Number.isFinite(squares)))
    throw new RangeError(`participationRatioOf: expected a covariance of activations that vary, got trace ${trace}`);
  return 1 / squares;
}

/**
 * Effective rank after Shannon, the soft rank: `exp(-Σp·ln p)` of the shares `p = λ/Σλ`. From the participation ratio to
 * the number of eigenvalues. Shares are those of eigenvalues of the covariance, which are squared singular values of the
 * activations; a definition on the singular values themselves gives larger numbers. Throws as `participationRatio`.
 * Source: Roy and Vetterli 2007, "The effective rank"; used by arXiv:2510.00537.
 */
export function shannonEffectiveRank(eigenvalues: ArrayLike<number>): number {
  const entropy = shares("shannonEffectiveRank", eigenvalues).reduce(
    (rest, p) => (p > 0 ? rest - p * Math.log(p) : rest),
    0,
  );
  return Math.exp(entropy);
}

/**
 * Spectral concentration: twice the area between the curve of explained variance and that of a flat spectrum,
 * `(2/D)·Σₖ cₖ - 1 - 1/D` with `cₖ` the share of the variance in the k largest eigenvalues. 0 for a flat spectrum and
 * `1 - 1/D` for rank 1: the Gini coefficient of the eigenvalues. The published abstract names the score without a
 * formula; this is our reading of it. Throws as `participationRatio`.
 * Source: arXiv:2510.00537.
 */
export function spectralConcentration(eigenvalues: ArrayLike<number>): number {
  const size = eigenvalues.length;
  const sorted = shares("spectralConcentration", eigenvalues).sort().reverse();
  // Σₖ cₖ counts the i-th largest share (from 0) in size - i of the sums.
  const area = sorted.reduce((total, p, i) => total + p * (size - i), 0);
  return (2 * area) / size - 1 - 1 / size;
}

/**
 * Spectral utilization index: the harmonic mean `2·h·s/(h + s)` of hard and soft utilization, which are the ranks over
 * the width. The published abstract says no more than that it is composed of both; the harmonic mean is our reading.
 * Source: arXiv:2510.00537.
 */
export function spectralUtilizationIndex(hardUtilization: number, softUtilization: number): number {
  for (const [name, value] of Object.entries({ hardUtilization, softUtilization }))
    if (!(value > 0 && value <= 1 + 1e-9))
      throw new RangeError(`spectralUtilizationIndex: ${name} must be above 0 and at most 1, got ${value}`);
  return (2 * hardUtilization * softUtilization) / (hardUtilization + softUtilization);
}

/** How many of the largest eigenvalues hold this share of the variance. Throws as `participationRatio`. */
export function componentsFor(eigenvalues: ArrayLike<number>, share: number): number {
  if (!(share > 0 && share <= 1))
    throw new RangeError(`componentsFor: share must be above 0 and at most 1, got ${share}`);
  const sorted = shares("componentsFor", eigenvalues).sort().reverse();
  if (share === 1) return sorted.length;
  let held = 0;
  const found = sorted.findIndex((p) => {
    held += p;
    return held >= share;
  });
  return found < 0 ? sorted.length : found + 1;
}

/** A negative eigenvalue of this size beside the largest is an error of rounding. */
const ROUNDING = 1e-6;

/** Shares of the eigenvalues in their sum. */
function shares(name: string, eigenvalues: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(eigenvalues);
  // Comparison passes NaN by, so that it is found below.
  const largest = values.reduce((most, v) => (v > most ? v : most), 0);
  const bad = values.find((v) => !(v >= -ROUNDING * largest && v < Number.POSITIVE_INFINITY));
  if (bad !== undefined)
    throw new RangeError(`${name}: expected eigenvalues of a covariance, none below 0, got ${bad}`);
  if (largest === 0)
    throw new RangeError(`${name}: all eigenvalues are 0, so the activations do not vary and have no dimension`);
  // Scaled first, so that the sum stays within range.
  const scaled = values.map((v) => Math.max(0, v / largest));
  const total = scaled.reduce((sum, v) => sum + v, 0);
  return scaled.map((v) => v / total);
}
