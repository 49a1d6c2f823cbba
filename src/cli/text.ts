/** Text for terminals. */

/** Rows in aligned columns; the last column is cut at the width of a terminal. */
export function columns(
  rows: readonly (readonly string[])[],
  { align = [] }: { readonly align?: readonly ("left" | "right")[] } = {},
): string {
  const count = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  const limit = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
  return rows
    .map((row) => {
      const line = row
        .map((text, i) =>
          align[i] === "right" ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number),
        )
        .join("  ")
        .trimEnd();
      return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
    })
    .join("\n");
}

/** Text broken into lines of at most so many characters. */
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
