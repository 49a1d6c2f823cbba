/** Losses in the course of training, as reports show them. */
import { average, type Figure } from "../report/index.ts";

/** Pieces of a curve. */
const PIECES = 20;

/** Means of the loss of each step over twentieths of the steps, or over fewer pieces where there are fewer steps. */
export function curveOf(losses: readonly number[]): number[] {
  const pieces = Math.min(PIECES, losses.length);
  const cut = (i: number): number => Math.floor((i * losses.length) / pieces);
  return Array.from({ length: pieces }, (_, i) => average(losses.slice(cut(i), cut(i + 1))));
}

/** Mean loss over the last tenth of the steps. */
export const endOfCurve = (losses: readonly number[]): number =>
  losses.length === 0 ? 0 : average(losses.slice(-Math.ceil(losses.length / 10)));

/** Curves of several trainings of `steps` steps, by name. */
export const curvesFigure = (
  curves: { readonly [name: string]: readonly number[] },
  { steps, unit, title = "Training" }: { readonly steps: number; readonly unit: string; readonly title?: string },
): Figure => ({
  kind: "lines",
  title,
  caption: "Training loss of the first seed, averaged over twentieths of the steps.",
  x: { label: "steps" },
  y: { label: unit },
  series: Object.entries(curves).map(([name, curve]) => ({
    name,
    points: curve.map((y, i) => ({ x: ((i + 0.5) * steps) / curve.length, y })),
  })),
});
