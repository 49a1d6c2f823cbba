/** `fourward list` */
import { catalogue, isImplemented, searchPapers } from "../papers/index.ts";
import { columns } from "./text.ts";

/** Prints the papers of the catalogue. */
export function list({ search, implemented, json }: { search?: string; implemented?: boolean; json?: boolean }): void {
  const found = (search === undefined ? catalogue : searchPapers(search)).filter(
    (entry) => !implemented || isImplemented(entry),
  );
  if (json) {
    process.stdout.write(
      `${JSON.stringify(
        found.map((entry) => ({ ...entry, implemented: isImplemented(entry) })),
        null,
        2,
      )}\n`,
    );
    return;
  }
  if (found.length === 0) {
    process.stdout.write(`no paper matches${search === undefined ? "" : ` "${search}"`}\n`);
    return;
  }
  const rows = found.map((entry) => [
    String(entry.number).padStart(2),
    isImplemented(entry) ? "runs" : "",
    entry.slug,
    entry.title,
  ]);
  process.stdout.write(`${columns([["#", "", "paper", "title"], ...rows])}\n`);
}
