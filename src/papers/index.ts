/** Which papers there are, which of them run, and how they are found by name. */
import { distance } from "fastest-levenshtein";
import type { Study } from "../report/study.ts";
import { type CatalogueEntry, catalogue } from "./catalogue.ts";

export { type CatalogueEntry, catalogue } from "./catalogue.ts";

/** Loads the study of a paper. */
export type StudyLoader = () => Promise<Study>;

/** Papers that run, by slug. A study is loaded when it is asked for, so that listing papers stays quick. */
export const studies: Readonly<Record<string, StudyLoader>> = {
  "fast-feedforward": async () => (await import("./fast-feedforward.ts")).default as unknown as Study,
  fsq: async () => (await import("./fsq.ts")).default as unknown as Study,
};

/** Whether a paper's study can be run. */
export const isImplemented = ({ slug }: CatalogueEntry): boolean => slug in studies;

/** The paper with this slug, number, name or title; throws with the nearest slugs if there is none. */
export function findPaper(query: string): CatalogueEntry {
  const wanted = query.trim().toLowerCase();
  const found = catalogue.find(
    ({ number, slug, name, title }) =>
      [slug, name.toLowerCase(), title.toLowerCase()].includes(wanted) ||
      (/^\d+$/.test(wanted) && Number(wanted) === number),
  );
  if (found) return found;
  const nearest = [...catalogue].sort(
    (a, b) => distance(wanted, a.slug) - distance(wanted, b.slug),
  )[0] as CatalogueEntry;
  throw new UnknownPaperError(`unknown paper "${query}"; did you mean "${nearest.slug}"? fourward list shows all`);
}

/** Thrown for a paper that is not in the catalogue, or cannot be run yet. */
export class UnknownPaperError extends Error {
  override readonly name = "UnknownPaperError";
}

/** Papers in which every word of the query occurs: in title, name, summary, topics or slug. */
export function searchPapers(query: string): readonly CatalogueEntry[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return catalogue.filter(({ slug, title, name, summary, topics }) => {
    const text = [slug, title, name, summary, ...topics].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
