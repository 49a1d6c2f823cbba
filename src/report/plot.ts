/** Plots as SVG text, drawn by Observable Plot on a DOM without a browser. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Axis, BarPlot, Figure, FlameNode, LinePlot } from "./figure.ts";
import { formatNumber } from "./format.ts";

/** Distinct in hue and in lightness, so that they can be told apart in grey too (Okabe & Ito, on both backgrounds). */
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f"];

/** Colours by name of series. */
export type Palette = ReadonlyMap<string, string>;

/** Names of the series of a figure, in its order. */
export function seriesOf(figure: Figure): readonly string[] {
  switch (figure.kind) {
    case "lines":
      return figure.series.map(({ name }) => name);
    case "bars":
      return [...new Set(figure.bars.map(({ series }) => series))];
    case "flame":
      return [...new Set(flameSeries(figure.root))];
    default:
      return [];
  }
}

const flameSeries = ({ series, parts }: FlameNode): readonly string[] => [
  ...(series === undefined ? [] : [series]),
  ...parts.flatMap(flameSeries),
];

/** One colour for each name, whichever of the figures it stands in. */
export const paletteOf = (figures: readonly Figure[]): Palette =>
  new Map([...new Set(figures.flatMap(seriesOf))].map((name, i) => [name, COLORS[i % COLORS.length] as string]));

/** On a logarithmic axis few values are labelled as they are: sizes are usually powers of two, not of ten. */
const MOST_LABELS = 9;

function axis({ label, log = false }: Axis, values: readonly number[] = []): Plot.ScaleOptions {
  const shown = { label, grid: true, labelArrow: "none" as const };
  if (!log) return shown;
  const ticks = [...new Set(values)];
  if (ticks.length < 2 || ticks.length > MOST_LABELS) return { ...shown, type: "log" };
  // A logarithmic scale would leave out labels of its own choice.
  return {
    ...shown,
    transform: Math.log10,
    ticks: ticks.map(Math.log10),
    tickFormat: (exponent: number) => formatNumber(Number((10 ** exponent).toPrecision(12))),
  };
}

/** A line plot as SVG. */
export function drawLines({ x, y, series, reference }: LinePlot, palette: Palette): string {
  const points = series.flatMap(({ name, points: list }) => list.map((point) => ({ ...point, name })));
  const ranged = points.filter(({ low, high }) => low !== undefined && high !== undefined);
  return draw({
    x: axis(
      x,
      points.map((point) => point.x),
    ),
    y: axis(y),
    color: colors(
      series.map(({ name }) => name),
      palette,
    ),
    marks: [
      ...(reference
        ? [Plot.ruleY([reference.y], { strokeDasharray: "4 3", stroke: "currentColor", strokeOpacity: 0.6 })]
        : []),
      Plot.ruleX(ranged, { x: "x", y1: "low", y2: "high", stroke: "name", strokeWidth: 1.5, strokeOpacity: 0.7 }),
      Plot.lineY(points, { x: "x", y: "y", stroke: "name", z: "name", strokeWidth: 2 }),
      Plot.dot(points, { x: "x", y: "y", fill: "name", r: 3.2 }),
    ],
  });
}

/** A bar plot as SVG: groups along x, a bar for each series. */
export function drawBars({ y, bars }: BarPlot, palette: Palette): string {
  const series = [...new Set(bars.map((bar) => bar.series))];
  const groups = [...new Set(bars.map((bar) => bar.group))];
  const ranged = bars.filter(({ low, high }) => low !== undefined && high !== undefined);
  return draw({
    fx: { label: null, domain: groups },
    x: { axis: null, domain: series },
    y: axis(y),
    color: colors(series, palette),
    marks: [
      Plot.barY(bars, { fx: "group", x: "series", y: "y", fill: "series" }),
      Plot.ruleX(ranged, { fx: "group", x: "series", y1: "low", y2: "high", stroke: "currentColor", strokeWidth: 1.5 }),
      Plot.ruleY([0]),
    ],
  });
}

const colors = (names: readonly string[], palette: Palette) => ({
  domain: names,
  range: names.map((name) => palette.get(name) as string),
});

function draw(options: Plot.PlotOptions): string {
  const { document } = parseHTML("<html><body></body></html>");
  const svg = Plot.plot({
    document,
    width: 680,
    height: 380,
    marginLeft: 56,
    marginBottom: 44,
    style: { background: "none", fontFamily: "system-ui, sans-serif", fontSize: "12px", overflow: "visible" },
    ...options,
  });
  return svg.outerHTML;
}
