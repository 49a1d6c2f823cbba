/** Text for terminals. */

export interface ColumnOptions {
  /** How columns are aligned; left by default. */
  readonly align?: readonly ("left" | "right")[];
  /** The column that is broken into lines where a row is wider than the terminal; by default the last one is cut. */
  readonly wrapped?: number;
  /** Width of the terminal in characters; by default that of standard output, unlimited where it is none. */
  readonly width?: number;
}

/** The narrowest that a wrapped column gets. */
const NARROWEST = 16;
const GAP = "  ";

/** Rows in aligned columns. */
export function columns(
  rows: readonly (readonly string[])[],
  {
    align = [],
    wrapped,
    width = process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY,
  }: ColumnOptions = {},
): string {
  const count = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  const spare = width - widths.reduce((total, w) => total + w + GAP.length, -GAP.length);
  if (wrapped !== undefined && spare < 0) widths[wrapped] = Math.max(NARROWEST, (widths[wrapped] as number) + spare);
  const lineOf = (cells: readonly string[]) =>
    widths
      .map((w, i) => (align[i] === "right" ? (cells[i] ?? "").padStart(w) : (cells[i] ?? "").padEnd(w)))
      .join(GAP)
      .trimEnd();
  return rows
    .flatMap((row) => {
      if (wrapped !== undefined) {
        const parts = wrap(row[wrapped] ?? "", widths[wrapped]).split("\n");
        return parts.map((part, n) => lineOf(row.map((text, i) => (i === wrapped ? part : n === 0 ? text : ""))));
      }
      const line = lineOf(row);
      return line.length > width ? `${line.slice(0, width - 1)}…` : line;
    })
    .join("\n");
}

/** Text broken into lines of at most so many characters; longer words stand alone. */
export function wrap(text: string, width = 88): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, line].join("\n");
}
