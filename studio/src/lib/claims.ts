/** Claims beside measurements as positions on a line. */
import type { ScaleMeasurements } from "../../../src/studio/api.ts";

/** A claim beside its measurement, as the server sends it. */
export type ClaimJson = ScaleMeasurements["claims"][number];

/** Where things stand on a line from 0 to 1, left to right. */
export interface ClaimLine {
  readonly published: number;
  /** Where a measurement must lie for the claim to hold. */
  readonly side: readonly [from: number, to: number];
  /** Null where the measurement is not a number. */
  readonly measured: number | null;
  /** The 95 % interval of the mean, null where there is none. */
  readonly interval: readonly [low: number, high: number] | null;
  readonly isLog: boolean;
}

/** Ratio between the largest and the smallest value from which a line is logarithmic. */
const WIDE = 30;
/** Share of the line left free on each side. */
const MARGIN = 0.14;

/** Lays a claim out; null where even the published figure is not a number. */
export function claimLine({ published, tolerance, direction, measured, spread }: ClaimJson): ClaimLine | null {
  if (published === null) return null;
  const { low, high } = spread;
  const bounds = [published - tolerance, published + tolerance] as const;
  const values = [published, ...bounds, measured, low, high].filter((value) => value !== null);
  const isLog = values.every((value) => value > 0) && Math.max(...values) > WIDE * Math.min(...values);
  const scale = isLog ? Math.log10 : (value: number) => value;
  const [least, most] = [scale(Math.min(...values)), scale(Math.max(...values))];
  // Where all is equal, what is shown is a tenth to each side.
  const extent = most > least ? most - least : Math.abs(most) / 5 || 1;
  const start = (least + most) / 2 - extent / 2 - MARGIN * extent;
  const at = (value: number) => Math.min(1, Math.max(0, (scale(value) - start) / (extent * (1 + 2 * MARGIN))));
  return {
    published: at(published),
    side: [direction === "atMost" ? 0 : at(bounds[0]), direction === "atLeast" ? 1 : at(bounds[1])],
    measured: measured === null ? null : at(measured),
    interval: low === null || high === null || spread.exact ? null : [at(low), at(high)],
    isLog,
  };
}
