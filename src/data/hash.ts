/** Random numbers as a function of what they are for: the same on every machine, in any order. */

/** A bijection of 32-bit words in which each input bit changes each output bit about half of the time (MurmurHash3). */
export function mix(word: number): number {
  let h = (word + 0x9e3779b9) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** A 32-bit word that depends on each of the whole numbers and on their order. */
export const hashOf = (...parts: readonly number[]): number =>
  parts.reduce((hash, part) => mix(mix(hash ^ (part | 0)) ^ Math.floor(part / 2 ** 32)), 0x243f6a88);

/** Two independent normal numbers for a word, by the Box-Muller transform. */
export function normalPair(word: number): readonly [number, number] {
  // Neither is ever 0, so that the logarithm is finite.
  const [radius, angle] = [mix(word ^ 0x13198a2e), mix(word ^ 0x03707344)].map((h) => ((h >>> 0) + 0.5) / 2 ** 32);
  const r = Math.sqrt(-2 * Math.log(radius as number));
  const phase = 2 * Math.PI * (angle as number);
  return [r * Math.cos(phase), r * Math.sin(phase)];
}
