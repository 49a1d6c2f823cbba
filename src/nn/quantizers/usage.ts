/** How much of a codebook is used, from how often each code was seen. */

/** Share of codes seen at least once. */
export function codebookUsage(counts: ArrayLike<number>): number {
  let used = 0;
  for (let i = 0; i < counts.length; i++) if ((counts[i] as number) > 0) used++;
  return used / counts.length;
}

/** `2^entropy` of the distribution over codes: the number of equally used codes that would be as surprising. */
export function codebookPerplexity(counts: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i] as number;
  let bits = 0;
  for (let i = 0; i < counts.length; i++) {
    const p = (counts[i] as number) / total;
    if (p > 0) bits -= p * Math.log2(p);
  }
  return 2 ** bits;
}
