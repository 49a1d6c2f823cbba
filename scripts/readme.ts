/** Writes the table of papers into the README, from the code. With `--check` it only says whether the table is current. */
import { readFile, writeFile } from "node:fs/promises";
import { type CatalogueEntry, catalogue, isImplemented } from "../src/papers/index.ts";

const path = new URL("../README.md", import.meta.url);
const [begin, end] = ["<!-- papers:begin -->", "<!-- papers:end -->"];

const rowOf = ({ number, title, year, arxiv, slug }: CatalogueEntry, status: string): string => {
  const source = arxiv ? `[${arxiv}](https://arxiv.org/abs/${arxiv})` : "";
  return `| ${number} | ${title} | ${year} | ${source} | \`${slug}\` | ${status} |`;
};

const table = (rows: readonly string[]): string =>
  ["| # | paper | year | arXiv | name | status |", "| --- | --- | --- | --- | --- | --- |", ...rows].join("\n");

/** All papers with their status as Markdown tables: those that run, then the rest, folded. */
export function paperTable(): string {
  const running = catalogue.filter((entry) => isImplemented(entry));
  const others = catalogue.filter((entry) => !isImplemented(entry));
  return [
    `${running.length} of ${catalogue.length} papers run.`,
    table(running.map((entry) => rowOf(entry, "runs"))),
    `<details><summary>The other ${others.length}</summary>`,
    table(others.map((entry) => rowOf(entry, "not yet"))),
    "</details>",
  ].join("\n\n");
}

/** The README with the table of now. */
export function withTable(text: string): string {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`README.md: expected the lines ${begin} and ${end}`);
  return `${text.slice(0, from + begin.length)}\n${paperTable()}\n${text.slice(to)}`;
}

if (process.argv[1]?.endsWith("readme.ts")) {
  const text = await readFile(path, "utf8");
  const current = withTable(text);
  if (process.argv.includes("--check")) {
    if (current !== text) {
      console.error("README.md: the table of papers is not current; npm run readme writes it");
      process.exitCode = 1;
    }
  } else await writeFile(path, current);
}
