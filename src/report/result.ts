/** The outcome of a study as JSON. */
import {
  type Claim,
  type Claims,
  interval,
  type Measurement,
  type Measurements,
  type Verdict,
  verdictOf,
} from "./claim.ts";
import type { Figure } from "./figure.ts";
import type { Machine } from "./machine.ts";
import type { PaperFacts, Scale, Study } from "./study.ts";

/** A claim beside its measurement. */
export interface ClaimResult {
  readonly id: string;
  readonly text: string;
  readonly published: number;
  readonly unit: string;
  readonly direction: Claim["direction"];
  readonly tolerance: number;
  readonly where: string;
  readonly measured: number;
  /** Standard deviation, and the 95 % interval of the mean; null bounds where one seed gives none. */
  readonly spread: {
    readonly std: number;
    readonly low: number | null;
    readonly high: number | null;
    readonly seeds: number;
    readonly exact: boolean;
  };
  readonly verdict: Verdict;
  readonly note?: string;
}

export interface StudyResult {
  readonly paper: Omit<PaperFacts, "abstract">;
  readonly scale: Scale;
  readonly seeds: readonly number[];
  readonly device: string;
  /** False at smoke scale, where only the mechanism is exercised: its verdicts say nothing about the paper. */
  readonly evidence: boolean;
  readonly machine: Machine;
  readonly started: string;
  /** Work of all runs that this result took, interrupted ones included. */
  readonly seconds: number;
  /** The command that repeats this. */
  readonly command: string;
  readonly claims: readonly ClaimResult[];
  /** Every measured value, by claim. */
  readonly measurements: Readonly<Record<string, Measurement>>;
  readonly notes: readonly string[];
  /** Paths of files that were written. */
  readonly artifacts: readonly string[];
}

/** Claims beside measurements. Throws if `run` left one out, which only untyped code can do. */
export function judge<C extends Claims>(claims: C, measurements: Measurements<C>): ClaimResult[] {
  return Object.entries(claims).map(([id, claim]) => {
    const measurement = measurements[id];
    if (!measurement) throw new Error(`study: claim "${id}" has no measurement`);
    const [low, high] = interval(measurement);
    const finite = (bound: number) => (Number.isFinite(bound) ? bound : null);
    return {
      id,
      text: claim.what,
      published: claim.figure,
      unit: claim.unit,
      direction: claim.direction,
      tolerance: claim.tolerance ?? 0,
      where: claim.where,
      measured: measurement.mean,
      spread: {
        std: measurement.std,
        low: finite(low),
        high: finite(high),
        seeds: measurement.values.length,
        exact: measurement.exact,
      },
      verdict: verdictOf(claim, measurement),
      ...(measurement.note === undefined ? {} : { note: measurement.note }),
    };
  });
}

/** A result with what only its page needs. */
export interface Report {
  readonly study: Study;
  readonly result: StudyResult;
  readonly figures: readonly Figure[];
}
