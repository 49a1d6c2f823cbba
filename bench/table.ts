/** Tables as text: aligned for a terminal, and Markdown as they stand. */

/** Rows under a header, columns padded to one width; numbers stand at the right. Every row has the header's length. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  for (const row of rows) {
    if (row.length !== header.length)
      throw new RangeError(`table: expected ${header.length} cells in a row, got ${row.length}: ${row.join(" | ")}`);
  }
  const widths = header.map((name, i) => Math.max(3, name.length, ...rows.map((row) => (row[i] as string).length)));
  const isNumeric = header.map(
    (_, i) => rows.length > 0 && rows.every((row) => /^([~+-]?\d|-?$)/.test(row[i] as string)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (isNumeric[i] ? cell.padStart(widths[i] as number) : cell.padEnd(widths[i] as number))).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => (isNumeric[i] ? `${"-".repeat(width - 1)}:` : "-".repeat(width))).join(" | ")} |`;
  return [line(header), rule, ...rows.map(line)].join("\n");
}

/** Three significant digits, never in exponential form: `0.0431`, `6.85`, `317`. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 6));
}

/** A ratio with its sign of times: `1.04x`. */
export const times = (value: number): string => `${digits(value)}x`;
