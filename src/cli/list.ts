/** `fourward list` */
import { isImplemented, type Library, searchPapers } from "../papers/index.ts";
import { columns } from "./text.ts";

/** Prints the papers of the catalogue. */
export function list(
  papers: Library,
  { search, implemented, json }: { search?: string; implemented?: boolean; json?: boolean },
): void {
  const found = (search === undefined ? papers.catalogue : searchPapers(search, papers.catalogue)).filter(
    (entry) => !implemented || isImplemented(entry, papers),
  );
  if (json) {
    const entries = found.map((entry) => ({ ...entry, implemented: isImplemented(entry, papers) }));
    process.stdout.write(`${JSON.stringify(entries, null, 2)}\n`);
    return;
  }
  if (found.length === 0) {
    process.stdout.write(`no paper matches${search === undefined ? "" : ` "${search}"`}\n`);
    return;
  }
  const rows = found.map((entry) => [
    String(entry.number),
    isImplemented(entry, papers) ? "runs" : "",
    entry.slug,
    entry.title,
  ]);
  process.stdout.write(`${columns([["#", "", "paper", "title"], ...rows], { align: ["right"] })}\n`);
}
