/** Claims of papers as data, measurements of them with their spread, and the verdict that follows from both. */

/** Which side of the published figure counts as holding. */
export type Direction = "atLeast" | "atMost" | "equals";

/** What a paper says, in a form that a measurement can be held against. */
export interface Claim {
  /** What is measured, in a few words. */
  readonly what: string;
  /** The published figure, or a bound of ours where `where` says so. */
  readonly figure: number;
  /** `%`, `points`, `x`, `bits`; empty for a pure number. */
  readonly unit: string;
  readonly direction: Direction;
  /** Slack on the figure, in its unit; 0 by default. `equals` on measured numbers needs one. */
  readonly tolerance?: number;
  /** Where it stands: abstract, a table, "our bound". */
  readonly where: string;
}

export type Claims = { readonly [id: string]: Claim };

/** A measured number: one value, or one for each seed. */
export interface Measurement {
  /** The mean over seeds. */
  readonly mean: number;
  /** Standard deviation over seeds (divided by the count less one); 0 for a single value. */
  readonly std: number;
  readonly values: readonly number[];
  /** True for counts and identities, which have no spread by nature. */
  readonly exact: boolean;
  /** What a reader must know to read the number rightly. */
  readonly note?: string;
}

/** One measurement for each claim. */
export type Measurements<C extends Claims> = { readonly [K in keyof C]: Measurement };

/** A count or an identity: no seed changes it. */
export const exactly = (value: number, note?: string): Measurement => ({
  mean: value,
  std: 0,
  values: [value],
  exact: true,
  ...(note === undefined ? {} : { note }),
});

/** One value for each run, usually each seed. */
export function spread<T>(runs: readonly T[], pick: (run: T) => number, note?: string): Measurement {
  if (runs.length === 0) throw new RangeError("spread: expected at least one run");
  const values = runs.map(pick);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const squares = values.reduce((total, v) => total + (v - mean) ** 2, 0);
  const std = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0;
  return { mean, std, values, exact: false, ...(note === undefined ? {} : { note }) };
}

/** Two-sided 95 % points of Student's t distribution by degrees of freedom from 1. */
const T95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
] as const;

/** The 95 % interval of the mean; infinitely wide for a single seed, a point for an exact value. */
export function interval({ mean, std, values, exact }: Measurement): readonly [low: number, high: number] {
  if (exact) return [mean, mean];
  if (values.length < 2) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const half = ((T95[values.length - 2] ?? 1.96 + 2.5 / (values.length - 1)) * std) / Math.sqrt(values.length);
  return [mean - half, mean + half];
}

export type Verdict = "holds" | "fails" | "inconclusive";

/**
 * `holds` if the whole 95 % interval of the mean lies on the claim's side of the figure (within the tolerance), `fails`
 * if none of it does, else `inconclusive`. One seed of a measured number is always inconclusive, and so is NaN.
 */
export function verdictOf({ figure, direction, tolerance = 0 }: Claim, measurement: Measurement): Verdict {
  const [low, high] = interval(measurement);
  const above = figure - tolerance;
  const below = figure + tolerance;
  if (Number.isNaN(low) || Number.isNaN(high)) return "inconclusive";
  const inside = (direction === "atMost" || low >= above) && (direction === "atLeast" || high <= below);
  if (inside) return "holds";
  const outside = (direction !== "atMost" && high < above) || (direction !== "atLeast" && low > below);
  return outside ? "fails" : "inconclusive";
}
