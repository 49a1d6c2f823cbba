/** Numbers and claims as text, for terminals and pages alike. */
import type { ClaimResult } from "./result.ts";

/** Up to four significant digits, without trailing zeros; large whole numbers with separators. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

const withUnit = (text: string, unit: string): string =>
  unit === "" ? text : unit === "x" ? `${text}x` : `${text} ${unit}`;

const sides = { atLeast: "≥ ", atMost: "≤ ", equals: "" } as const;

/** `≥ 90 %`, the published figure with its side. */
export function publishedText({ published, unit, direction, tolerance }: ClaimResult): string {
  const slack = tolerance === 0 ? "" : ` ± ${formatNumber(tolerance)}`;
  return withUnit(`${sides[direction]}${formatNumber(published)}${slack}`, unit);
}

/** `96.2 ± 0.4 %`: the mean and the standard deviation over seeds. */
export function measuredText({ measured, unit, spread }: ClaimResult): string {
  const around = spread.exact || spread.seeds < 2 ? "" : ` ± ${formatNumber(spread.std)}`;
  return withUnit(`${formatNumber(measured)}${around}`, unit);
}

/** `2 min 5 s`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
