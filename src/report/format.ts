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

/** `≥ 90 % (± 1)`: the published figure with its side and the slack it is given. */
export function publishedText({ published, unit, direction, tolerance }: ClaimResult): string {
  const slack = tolerance === 0 ? "" : ` (± ${formatNumber(tolerance)})`;
  return withUnit(`${sides[direction]}${formatNumber(published)}`, unit) + slack;
}

/** `96.21 ± 0.43 %`: the mean and the standard deviation over seeds, to two digits of the latter. */
export function measuredText({ measured, unit, spread: { std, exact, seeds } }: ClaimResult): string {
  if (exact || seeds < 2) return withUnit(formatNumber(measured), unit);
  return withUnit(`${toDigitsOf(std, measured)} ± ${toDigitsOf(std, std)}`, unit);
}

/** `95 %: 95.1 to 97.3`, where the mean over ever more seeds is expected; why there is no such interval otherwise. */
export function intervalText({ spread: { std, low, high, exact, seeds } }: ClaimResult): string {
  if (exact) return "exact";
  if (low === null || high === null) return seeds < 2 ? "one seed, no interval" : "not a number";
  return `95 %: ${toDigitsOf(std, low)} to ${toDigitsOf(std, high)}`;
}

/** A number with as many decimals as show two digits of `std`. */
function toDigitsOf(std: number, value: number): string {
  const decimals = 1 - Math.floor(Math.log10(std));
  if (!(std > 0) || !Number.isFinite(value) || decimals > 8) return formatNumber(value);
  return value.toLocaleString("en-US", {
    minimumFractionDigits: Math.max(0, decimals),
    maximumFractionDigits: Math.max(0, decimals),
  });
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

/** Text safe inside HTML and its attributes. */
export const escapeHtml = (text: string): string =>
  text.replace(
    /[&<>"']/g,
    (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c] as string,
  );
