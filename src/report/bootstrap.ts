/** Bootstrap: how far a figure would move if other runs had been drawn. */

export interface BootstrapOptions {
  /** How many resamples are drawn where there are too many to form all of them; 2,000 by default. */
  readonly resamples?: number;
  /** Share of the resamples that the interval holds; 0.95 by default. */
  readonly level?: number;
}

/** Up to so many items, all resamples are formed; from then on some are drawn. */
const ALL = 6;

/**
 * The percentile interval of a statistic over resamples of the items, each as many items drawn with replacement. The same
 * items always give the same interval. Of up to six items all resamples are formed. Resamples whose statistic is NaN,
 * such as a slope through equal points, are left out; one item has an infinite interval. Throws one sentence for no item.
 * Source: Efron 1979, "Bootstrap methods: another look at the jackknife".
 */
export function bootstrapInterval<T>(
  items: readonly T[],
  statistic: (sample: readonly T[]) => number,
  { resamples = 2000, level = 0.95 }: BootstrapOptions = {},
): readonly [low: number, high: number] {
  const count = items.length;
  if (count === 0) throw new RangeError("bootstrapInterval: expected at least one item");
  if (!(level > 0 && level < 1)) throw new RangeError(`bootstrapInterval: level must be between 0 and 1, got ${level}`);
  if (count === 1) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const draws = count <= ALL ? count ** count : resamples;
  const next = count <= ALL ? (draw: number, place: number) => digit(draw, place, count) : drawnFrom(count);
  const sample = items.slice();
  const values = Float64Array.from({ length: draws }, (_, draw) => {
    for (let place = 0; place < count; place++) sample[place] = items[next(draw, place)] as T;
    return statistic(sample);
  })
    .filter((value) => !Number.isNaN(value))
    .sort();
  const percentile = (share: number) => values[Math.round(share * (values.length - 1))] ?? Number.NaN;
  return [percentile((1 - level) / 2), percentile((1 + level) / 2)];
}

/** A digit of a number written with this base: counting through all numbers gives all resamples. */
const digit = (value: number, place: number, base: number): number => Math.floor(value / base ** place) % base;

/** Whole numbers below `count` from a fixed xorshift sequence (Marsaglia 2003). */
function drawnFrom(count: number): () => number {
  let state = 0x9e3779b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 2 ** 32) * count);
  };
}
