/** Flame views as SVG text. */
import type { Flame, FlameNode } from "./figure.ts";
import { escapeHtml, formatNumber } from "./format.ts";
import type { Palette } from "./plot.ts";

/** Size of a flame view in the units of its picture, which scales to the width of the page. */
const FLAME = { width: 1080, row: 18, character: 6.4 };
/** Parts that would be narrower than this are left out. */
const NARROWEST = 1.5;

/** A flame view as SVG: the whole at the top, its parts below it, the largest first. */
export function drawFlame({ root, unit }: Flame, palette: Palette): string {
  const bars: string[] = [];
  let depth = 0;
  const place = ({ name, amount, parts, series, detail }: FlameNode, left: number, row: number): void => {
    const width = root.amount > 0 ? (amount / root.amount) * FLAME.width : 0;
    if (width < NARROWEST) return;
    depth = Math.max(depth, row + 1);
    const share = `${formatNumber(Number(((100 * amount) / root.amount).toPrecision(3)))} %`;
    const title = [name, detail, `${formatNumber(Number(amount.toPrecision(3)))} ${unit}, ${share}`]
      .filter(Boolean)
      .join("\n");
    const letters = Math.floor((width - 6) / FLAME.character);
    const shown = name.length <= letters ? name : letters > 2 ? `${name.slice(0, letters - 1)}…` : "";
    const at = `x="${left.toFixed(1)}" y="${row * FLAME.row}"`;
    const fill =
      series === undefined
        ? `fill="currentColor" fill-opacity="${row % 2 ? 0.1 : 0.16}"`
        : `fill="${palette.get(series)}"`;
    const ink = series === undefined ? "currentColor" : "#fff";
    bars.push(
      `<g><title>${escapeHtml(title)}</title><rect ${at} width="${Math.max(1, width - 0.6).toFixed(1)}" height="${FLAME.row - 1}" rx="2" ${fill}/>${
        shown === ""
          ? ""
          : `<text x="${(left + 4).toFixed(1)}" y="${row * FLAME.row + 12.5}" fill="${ink}">${escapeHtml(shown)}</text>`
      }</g>`,
    );
    let next = left;
    for (const part of [...parts].sort((a, b) => b.amount - a.amount)) {
      place(part, next, row + 1);
      next += root.amount > 0 ? (part.amount / root.amount) * FLAME.width : 0;
    }
  };
  place(root, 0, 0);
  return `<svg class="flame" viewBox="0 0 ${FLAME.width} ${depth * FLAME.row}" width="${FLAME.width}" font-family="system-ui, sans-serif" font-size="11">${bars.join("")}</svg>`;
}
