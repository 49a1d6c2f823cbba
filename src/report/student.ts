/** Student's t distribution. */

/**
 * Two-sided p-value of `t` with a whole number of degrees of freedom: the chance of a value as far from 0 or farther.
 * Small p-values keep their digits. Throws one sentence for degrees that are not a whole number of at least 1.
 * Source: Student 1908, "The probable error of a mean"; the regularized incomplete beta function `I_x(ν/2, 1/2)` with
 * `x = ν/(ν + t²)`, by the hypergeometric series whose terms are all positive (DLMF 8.17.8).
 */
export function studentTPValue(t: number, degrees: number): number {
  if (!Number.isInteger(degrees) || degrees < 1)
    throw new RangeError(`studentTPValue: degrees must be a whole number of at least 1, got ${degrees}`);
  if (Number.isNaN(t)) return Number.NaN;
  if (!Number.isFinite(t)) return 0;
  const [x, y] = [degrees / (degrees + t * t), (t * t) / (degrees + t * t)];
  const beta = betaOfHalf(degrees);
  // Of the two tails of the beta function the one whose series converges fast.
  return x <= 0.5 ? lowerBeta(x, y, degrees / 2, 0.5) / beta : 1 - lowerBeta(y, x, 0.5, degrees / 2) / beta;
}

/** `B(ν/2, 1/2)`, from `B(1/2, 1/2) = π`, `B(1, 1/2) = 2` and the recurrence in the first argument. */
function betaOfHalf(degrees: number): number {
  let value = degrees % 2 === 1 ? Math.PI : 2;
  for (let a = degrees % 2 === 1 ? 0.5 : 1; a < degrees / 2; a++) value *= a / (a + 0.5);
  return value;
}

/** The incomplete beta function `∫₀ˣ u^(a-1)·(1-u)^(b-1) du`, where `y` is `1 - x`. */
function lowerBeta(x: number, y: number, a: number, b: number): number {
  let term = 1;
  let sum = 1;
  for (let n = 0; term > sum * 1e-17; n++) {
    term *= ((a + b + n) / (a + 1 + n)) * x;
    sum += term;
  }
  return (x ** a * y ** b * sum) / a;
}
