/** What charts share: scales, ticks, colours of series. Colours are classes `s0` to `s7` of the style sheet. */

import type { FlameNode, LinePlot } from "../../../src/report/figure.ts";
import { formatNumber } from "../../../src/report/format.ts";
import type { LossCurve } from "../../../src/report/loss-curves.ts";
import type { JsonFigure } from "../../../src/studio/api.ts";

/** Distinct colours that the style sheet has. */
const COLORS = 8;

const DASHES = ["", "7 4", "2 3.5"];

/** Dashes of the line of a series, so that lines differ not by their colours only: 24 of them are told apart. */
export const dashOf = (series: number): string => DASHES[series % DASHES.length] as string;

/** Names of the series of a figure. */
function seriesOf(figure: JsonFigure): readonly string[] {
  const flame = ({ series, parts }: FlameNode): readonly string[] => [
    ...(series === undefined ? [] : [series]),
    ...parts.flatMap(flame),
  ];
  if (figure.kind === "lines") return figure.series.map(({ name }) => name);
  if (figure.kind === "bars") return [...new Set(figure.bars.map(({ series }) => series))];
  return figure.kind === "flame" ? [...new Set(flame(figure.root))] : [];
}

/** Values that differ by more than this factor are drawn on a logarithmic axis. */
const FAR_APART = 20;

/** Losses as lines over steps. */
export function lossFigure(curves: readonly LossCurve[]): LinePlot {
  const losses = curves.flatMap(({ points }) => points.map(([, loss]) => loss));
  const least = Math.min(...losses);
  return {
    ...{ kind: "lines", title: "Loss while training", x: { label: "step" } },
    y: { label: "loss", log: least > 0 && Math.max(...losses) > FAR_APART * least },
    series: curves.map(({ name, points }) => ({ name, points: points.map(([x, y]) => ({ x, y })) })),
  };
}

/** Series of a figure with the number of their colour. */
export const seriesColors = (figure: JsonFigure): readonly { readonly name: string; readonly color: number }[] =>
  seriesOf(figure).map((name, i) => ({ name, color: i % COLORS }));

/** A scale from values to shares of an axis, with its ticks. */
export interface AxisScale {
  at(value: number): number;
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
}

/** A scale over values; `zero` makes it begin at zero. Values that a logarithm has none for are left out. */
export function axisScale(all: readonly number[], { log = false, zero = false } = {}): AxisScale {
  const values = all.filter((value) => Number.isFinite(value) && (!log || value > 0));
  if (zero) values.push(0);
  const to = log ? Math.log10 : (value: number) => value;
  const [least, most] = values.length > 0 ? [Math.min(...values), Math.max(...values)] : [0, 1];
  let [low, high] = [to(least), to(most)];
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  const pad = (high - low) * 0.05;
  if (!(zero && least === 0)) low -= pad;
  if (!(zero && most === 0)) high += pad;
  const at = (value: number) => (to(value) - low) / (high - low);
  const chosen = log ? logTicks(values, low, high) : linearTicks(low, high);
  const labels = labelsOf(chosen);
  return { at, ticks: chosen.map((value, i) => ({ at: at(value), label: labels[i] as string })) };
}

/** Numbers with as many digits as tell them apart. */
function labelsOf(values: readonly number[]): string[] {
  for (const digits of [6, 9, 12]) {
    const labels = values.map((value) => {
      const rounded = Number(value.toPrecision(digits));
      return digits === 6 ? formatNumber(rounded) : rounded.toLocaleString("en-US", { maximumFractionDigits: digits });
    });
    if (new Set(labels).size === labels.length) return labels;
  }
  return values.map(String);
}

/** About five round numbers. */
function linearTicks(low: number, high: number): number[] {
  const rough = (high - low) / 6;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * size >= rough) ?? 10) * size;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

/** The values themselves where they are few, since sizes are usually powers of two; else powers of ten. */
function logTicks(values: readonly number[], low: number, high: number): number[] {
  const distinct = [...new Set(values)];
  if (distinct.length <= 7) return distinct;
  const every = Math.max(1, Math.ceil((high - low) / 6));
  const powers = Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, i) => 10 ** (Math.ceil(low) + i));
  return powers.length > 1 ? powers.filter((_, i) => i % every === 0) : linearTicks(10 ** low, 10 ** high);
}
