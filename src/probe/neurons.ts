/** Units that are never active, and units that depend on the position. */
import type { Activity } from "./activity.ts";

/** Units that were never active in the text, ascending. */
export const deadNeurons = ({ total }: Pick<Activity, "total">): readonly number[] =>
  Array.from(total).flatMap((count, unit) => (count === 0 ? [unit] : []));

/**
 * The highest frequency that never being active in `count` tokens leaves possible, at 95 % confidence: 3/count. "Dead"
 * means rarer than this on this text, and no more.
 * Source: Hanley and Lippman-Hand 1983, "If nothing goes wrong, is everything all right?".
 */
export const ruleOfThree = (count: number): number => 3 / count;

/** Share of tokens for which each unit was active. */
export const frequencies = ({ total, tokens }: Pick<Activity, "total" | "tokens">): Float64Array =>
  total.map((count) => count / tokens);

const xLogRatio = (p: number, q: number): number => (p === 0 ? 0 : p * Math.log(p / q));

/**
 * Mutual information in nats of the position and of being active, for frequencies `f_p` at equally likely positions:
 * `1/T Σ_p [f_p ln(f_p/f) + (1-f_p) ln((1-f_p)/(1-f))]` with `f` their mean. From 0, for a unit that does not know the
 * position, to ln 2 for one that is on at half of the positions. Estimated from counts it is too high by about
 * `informationBias`.
 * Source: Voita et al. 2023, arXiv:2309.04827, section 5.
 */
export function positionalInformation(frequency: ArrayLike<number>): number {
  const positions = Array.from(frequency);
  const mean = positions.reduce((total, f) => total + f, 0) / positions.length;
  const sum = positions.reduce((total, f) => total + xLogRatio(f, mean) + xLogRatio(1 - f, 1 - mean), 0);
  return Math.max(0, sum / positions.length);
}

/**
 * What counts of `tokens` tokens at `positions` positions add to `positionalInformation` on average, in nats, for a unit
 * that is independent of the position: `(positions - 1)/(2·tokens)`, to first order. Rare units get less.
 * Source: Miller 1955, "Note on the bias of information estimates".
 */
export const informationBias = (positions: number, tokens: number): number => (positions - 1) / (2 * tokens);

/** Frequencies of a unit by position, from position `first` on. */
export const positionFrequencies = (
  { byPosition, units, perPosition }: Pick<Activity, "byPosition" | "units" | "perPosition">,
  unit: number,
  first = 1,
): Float64Array =>
  Float64Array.from(
    { length: byPosition.length / units - first },
    (_, p) => (byPosition[(p + first) * units + unit] as number) / perPosition,
  );

/** How a positional unit depends on the position. */
export type PositionalKind = "range" | "oscillating" | "weak";

/** On or off at a position, for `positionalKind`. */
const OFF = 0.1;
const ON = 0.9;
/** Share of the positions that are on or off in a range indicator, and changes between them that make an oscillation. */
const DECIDED = 0.95;
const CHANGES = 4;

/**
 * The kind of a positional unit: `oscillating` if its frequency goes up and down several times over the window by half or
 * more, `range` if it is nearly always on or off at nearly every position, `weak` otherwise. Up and down are crossings of a quarter and three
 * quarters of its own range of frequencies. The bounds are ours.
 */
export function positionalKind(frequency: ArrayLike<number>): PositionalKind {
  const values = Array.from(frequency);
  const low = values.reduce((least, f) => Math.min(least, f), 1);
  const high = values.reduce((most, f) => Math.max(most, f), 0);
  let isUp: boolean | undefined;
  let changes = 0;
  for (const f of values) {
    const share = (f - low) / (high - low || 1);
    const next = share > 0.75 ? true : share < 0.25 ? false : isUp;
    if (isUp !== undefined && next !== isUp) changes++;
    isUp = next;
  }
  if (changes >= CHANGES) return high - low >= 0.5 ? "oscillating" : "weak";
  const decided = values.filter((f) => f <= OFF || f >= ON).length / values.length;
  return decided >= DECIDED ? "range" : "weak";
}
