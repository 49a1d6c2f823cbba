/** Noise that belongs to a place: asked twice, it is the same. */
import { mixWords } from "../array/random.ts";

/** A normal number of mean 0 and variance 1 for every index below 2^31, by a seed. */
export const hashedNormal =
  (seed: number) =>
  (index: number): number => {
    const uniform = (word: number) => (mixWords(2 * index + word, seed, 0x27d4eb2f) >>> 0) / 2 ** 32;
    // 1 - u is above 0, so the logarithm is finite.
    return Math.sqrt(-2 * Math.log(1 - uniform(0))) * Math.cos(2 * Math.PI * uniform(1));
  };
