/** What pages of reports share: the document with its style, and figures as HTML. */
import { toBase64 } from "#platform";
import type { BarPlot, Figure, Flame, LinePlot, PictureGrid, Table } from "./figure.ts";
import { drawFlame } from "./flame.ts";
import { escapeHtml, formatNumber } from "./format.ts";
import type { Machine } from "./machine.ts";
import { MAP_STOPS, mapColor } from "./map-colors.ts";
import { drawBars, drawLines, type Palette, seriesOf } from "./plot.ts";
import { encodePng, type PngPalette } from "./png.ts";

/** A page that needs no script and loads nothing; `main` is its content as HTML. */
export const htmlDocument = ({
  title,
  main,
}: {
  readonly title: string;
  readonly main: string;
}): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)} · Fourward</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${main}
</main>
</body>
</html>
`;

/** How a report was made, term by term; values are HTML. */
export const factsList = (
  title: string,
  facts: readonly (readonly [term: string, value: string])[],
): string => `<footer>
<h2>${escapeHtml(title)}</h2>
<dl>
${facts.map(([term, value]) => `<dt>${escapeHtml(term)}</dt><dd>${value}</dd>`).join("\n")}
</dl>
</footer>`;

/** Machine and versions as terms for `factsList`. */
export const machineFacts = (machine: Machine, device: string): readonly (readonly [string, string])[] => [
  [
    "Machine",
    `${escapeHtml(machine.cpu)}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${escapeHtml(machine.system)}; device ${escapeHtml(device)}`,
  ],
  [
    "Versions",
    `Fourward ${escapeHtml(machine.fourward)}, ONNX Runtime ${escapeHtml(machine.onnxruntime)}, ${machine.browser === undefined ? `Node ${escapeHtml(machine.node ?? "")}` : escapeHtml(machine.browser)}`,
  ],
];

/** A figure with its title and caption. */
export function drawFigure(figure: Figure, palette: Palette): string {
  const caption = figure.caption ? `<p class="fine">${escapeHtml(figure.caption)}</p>` : "";
  return `<section><h2>${escapeHtml(figure.title)}</h2>\n${body(figure, palette)}\n${caption}</section>`;
}

function body(figure: Figure, palette: Palette): string {
  switch (figure.kind) {
    case "lines":
      return plot(drawLines(figure, palette), figure, palette);
    case "bars":
      return plot(drawBars(figure, palette), figure, palette);
    case "flame":
      return plot(drawFlame(figure, palette), figure, palette);
    case "table":
      return table(figure);
    case "pictures":
      return pictures(figure);
  }
}

function plot(svg: string, figure: LinePlot | BarPlot | Flame, palette: Palette): string {
  const reference =
    figure.kind === "lines" && figure.reference
      ? `<li><span class="dash"></span>${escapeHtml(figure.reference.label)}</li>`
      : "";
  const legend = seriesOf(figure).map(
    (name) => `<li><span class="swatch" style="background:${palette.get(name)}"></span>${escapeHtml(name)}</li>`,
  );
  return `<ul class="legend">${legend.join("")}${reference}</ul><div class="plot${figure.kind === "flame" ? " wide" : ""}" role="img" aria-label="${escapeHtml(figure.title)}">${svg}</div>`;
}

/** Numbers, and text that reads as one: `97.2 ± 0.3`. */
const isNumeric = (value: string | number | undefined): boolean =>
  typeof value === "number" || (typeof value === "string" && /^[≥≤±<>~-]? ?\d[^a-z]*$/i.test(value));

/** Text up to this long is not broken into lines inside a table. */
const SHORT = 24;

function cell(value: string | number): string {
  const text = typeof value === "number" ? formatNumber(value) : value;
  const kind = isNumeric(value) ? "number" : text.length <= SHORT ? "short" : undefined;
  return `<td${kind ? ` class="${kind}"` : ""}>${escapeHtml(text)}</td>`;
}

/** From so many columns on, a table may be wider than the text. */
const WIDE = 7;

function table({ columns, rows }: Table): string {
  const head = columns.map((name, i) => {
    const numeric = rows.some((row) => isNumeric(row[i]));
    return `<th scope="col"${numeric ? ' class="number"' : ""}>${escapeHtml(name)}</th>`;
  });
  return `<div class="scroll${columns.length >= WIDE ? " wide" : ""}"><table><thead><tr>${head.join("")}</tr></thead>
<tbody>${rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n")}</tbody></table></div>`;
}

function pictures({ width, height, rows, colors = "grey", columns: heads, scales = [] }: PictureGrid): string {
  const palette = colors === "map" ? mapPalette() : undefined;
  const picture = (pixels: Uint8Array, label: string): string =>
    `<img alt="${escapeHtml(label)}" src="data:image/png;base64,${toBase64(encodePng(pixels, width, height, palette))}">`;
  // All rows share their columns, so that what stands above each other belongs together.
  const columns = Math.max(1, ...rows.map((row) => row.pictures.length));
  const size = colors === "map" ? width : Math.max(2 * width, 32);
  const head = heads
    ? `<div></div><div class="row">${heads.map((name) => `<div class="label">${escapeHtml(name)}</div>`).join("")}</div>\n`
    : "";
  const scale = scales.map(
    ({ label, low, high }) =>
      `<li>${escapeHtml(label)} <span class="number">${formatNumber(low)}</span><span class="${colors} bar"></span><span class="number">${formatNumber(high)}</span></li>`,
  );
  const legend = scales.length > 0 ? `<ul class="legend scales">${scale.join("")}</ul>` : "";
  return `<div class="pictures ${colors}" style="--columns:${columns};--size:${size}px">${head}${rows
    .map(
      ({ label, pictures: list }) =>
        `<div class="label">${escapeHtml(label)}</div><div class="row">${list.map((pixels) => picture(pixels, label)).join("")}</div>`,
    )
    .join("\n")}</div>${legend}`;
}

/** The colours of a `map`, of which one is transparent. */
function mapPalette(): PngPalette {
  const colors = new Uint8Array(768);
  for (let i = 0; i < 256; i++) colors.set(mapColor(i).slice(0, 3), 3 * i);
  return { colors, opacity: Uint8Array.of(0) };
}

const STYLE = `
:root { --ink: #1a1a1a; --soft: #5c5c5c; --line: #e2e0dc; --paper: #fdfcfa; --good: #0a7a52; --bad: #b3361e; --open: #8a6100; }
@media (prefers-color-scheme: dark) { :root { --ink: #ecebe8; --soft: #a3a19c; --line: #3a3936; --paper: #191917; --good: #57c79b; --bad: #f0907b; --open: #e0b354; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif; }
main { max-width: 760px; margin: 0 auto; padding: 48px 20px 64px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .2em 0 .3em; font-weight: 600; text-wrap: balance; }
h2 { font-size: 1.1rem; margin: 2.4em 0 .6em; font-weight: 600; }
.part h2 { font-size: 1.4rem; border-top: 1px solid var(--line); padding-top: 1em; }
.kicker, .fine, .legend, table, dl, .label, .source { font-family: system-ui, sans-serif; }
.kicker, .source { color: var(--soft); font-size: .86rem; margin: 0; }
.fine { color: var(--soft); font-size: .82rem; }
.warning, .note { border-left: 3px solid var(--open); padding-left: 12px; }
.scroll, .plot { overflow-x: auto; }
.wide { margin-inline: calc((100% - min(100vw - 40px, 1080px)) / 2); }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 9px 14px 9px 0; border-bottom: 1px solid var(--line); vertical-align: top; font-weight: 400; }
thead th { color: var(--soft); font-size: .78rem; border-bottom-color: var(--soft); white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
.short { white-space: nowrap; }
.claims .fine { display: block; }
.verdict { white-space: nowrap; font-weight: 600; }
.holds { color: var(--good); } .fails { color: var(--bad); } .inconclusive { color: var(--open); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 0; margin: 0 0 8px; font-size: .82rem; }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; }
.dash { display: inline-block; width: 16px; border-top: 2px dashed currentColor; margin-right: 6px; vertical-align: middle; opacity: .6; }
.plot svg { max-width: 100%; height: auto; min-width: 500px; }
.pictures { display: grid; grid-template-columns: auto 1fr; gap: 4px 14px; align-items: center; }
.pictures .row { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, var(--size))); gap: 3px; }
.pictures img { display: block; width: 100%; image-rendering: pixelated; border-radius: 2px; }
.pictures.map img { image-rendering: auto; }
.pictures + .legend { margin-top: 8px; }
.bar { display: inline-block; width: 110px; height: 10px; border-radius: 2px; margin: 0 6px; background: linear-gradient(to right, #000, #fff); }
.map.bar { background: linear-gradient(to right, ${MAP_STOPS.map((stop) => `rgb(${stop.join(" ")})`).join(", ")}); }
.label { font-size: .8rem; color: var(--soft); white-space: nowrap; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 6px 18px; font-size: .85rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code { font: .92em ui-monospace, SFMono-Regular, Menlo, monospace; }
@media (max-width: 600px) {
  main { padding-top: 28px; }
  .pictures { grid-template-columns: 1fr; }
  .claims thead { display: none; }
  .claims tr { display: grid; grid-template-columns: 1fr 1fr auto; gap: 4px 14px; padding: 10px 0; border-bottom: 1px solid var(--line); }
  .claims th, .claims td { border: 0; padding: 0; text-align: left; }
  .claims th { grid-column: 1 / -1; }
  .claims td { white-space: normal; }
  .claims td[data-label]::before { content: attr(data-label); display: block; color: var(--soft); font-size: .75rem; }
  .claims td:last-child { align-self: end; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 8px; }
}
`;
