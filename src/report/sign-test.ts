/** The sign test of paired results. */

/**
 * The probability, if neither side were favoured, of so uneven a split of `below` and `above` or a more uneven one: the
 * two-sided sign test, with ties left out by the caller. 1 for no pairs.
 * Source: Arbuthnot 1710; Dixon and Mood 1946, "The statistical sign test".
 */
export function signTest(below: number, above: number): number {
  const count = below + above;
  const least = Math.min(below, above);
  // Logarithms of binomial coefficients, so that thousands of pairs do not overflow.
  let logChoose = 0;
  let tail = 0;
  for (let k = 0; k <= least; k++) {
    if (k > 0) logChoose += Math.log((count - k + 1) / k);
    tail += Math.exp(logChoose - count * Math.LN2);
  }
  return Math.min(1, 2 * tail);
}
