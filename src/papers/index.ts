/** Which papers there are, which of them run, and how they are found by name. */
import { distance } from "fastest-levenshtein";
import type { Study } from "../report/study.ts";
import { type CatalogueEntry, catalogue } from "./catalogue.ts";

export { type CatalogueEntry, catalogue } from "./catalogue.ts";

/** Loads the study of a paper. */
export type StudyLoader = () => Promise<Study>;

/** Papers, and the studies of those that run, by slug. */
export interface Library {
  readonly catalogue: readonly CatalogueEntry[];
  readonly studies: Readonly<Record<string, StudyLoader>>;
}

/** Papers that run, by slug. A study is loaded when it is asked for, so that listing papers stays quick. */
export const studies: Library["studies"] = {
  "fast-feedforward": async () => (await import("./fast-feedforward.ts")).default,
  moefication: async () => (await import("./moefication.ts")).default,
  ffsplit: async () => (await import("./ffsplit.ts")).default,
  "factor-llm": async () => (await import("./factor-llm.ts")).default,
  "representation-dimension": async () => (await import("./representation-dimension.ts")).default,
  "ffn-fusion": async () => (await import("./ffn-fusion.ts")).default,
  "ffn-neurons": async () => (await import("./ffn-neurons.ts")).default,
  "ffn-vocabulary-concepts": async () => (await import("./ffn-vocabulary-concepts.ts")).default,
  "relu-former": async () => (await import("./relu-former.ts")).default,
  "fnet-ar": async () => (await import("./fnet-ar.ts")).default,
  "fft-net": async () => (await import("./fft-net.ts")).default,
  "flash-fft-conv": async () => (await import("./flash-fft-conv.ts")).default,
  "macaron-net": async () => (await import("./macaron-net.ts")).default,
  "three-layer-ffn": async () => (await import("./three-layer-ffn.ts")).default,
  "hourglass-ffn": async () => (await import("./hourglass-ffn.ts")).default,
  "low-rank-training": async () => (await import("./low-rank-training.ts")).default,
  "structured-ffn": async () => (await import("./structured-ffn.ts")).default,
  "one-wide-ffn": async () => (await import("./one-wide-ffn.ts")).default,
  "spectral-scaling": async () => (await import("./spectral-scaling.ts")).default,
  "representation-geometry": async () => (await import("./representation-geometry.ts")).default,
  "transform-once": async () => (await import("./transform-once.ts")).default,
  "local-neural-operators": async () => (await import("./local-neural-operators.ts")).default,
  "spherical-fno": async () => (await import("./spherical-fno.ts")).default,
  "location-encoder": async () => (await import("./location-encoder.ts")).default,
  "flat-sky-spectra": async () => (await import("./flat-sky-spectra.ts")).default,
  spright: async () => (await import("./spright.ts")).default,
  "fft-embedding-reduction": async () => (await import("./fft-embedding-reduction.ts")).default,
  fsq: async () => (await import("./fsq.ts")).default,
};

/** All papers that Fourward knows. */
export const library: Library = { catalogue, studies };

/** Whether a paper's study can be run. */
export const isImplemented = ({ slug }: CatalogueEntry, { studies }: Library = library): boolean =>
  Object.hasOwn(studies, slug);

/** Thrown for a paper that is not in the catalogue. */
export class UnknownPaperError extends Error {
  override readonly name = "UnknownPaperError";
}

/** The paper with this slug, number, name or title, in any case; throws `UnknownPaperError` with the nearest slugs. */
export function findPaper(query: string, papers: readonly CatalogueEntry[] = catalogue): CatalogueEntry {
  const wanted = query.trim().toLowerCase();
  const found = papers.find(
    ({ number, slug, name, title }) =>
      [slug, name.toLowerCase(), title.toLowerCase()].includes(wanted) ||
      (/^\d+$/.test(wanted) && Number(wanted) === number),
  );
  if (found) return found;
  const meant = nearestPapers(wanted, papers).map(({ slug }) => slug);
  throw new UnknownPaperError(
    meant.length > 0
      ? `unknown paper "${query}"; did you mean ${meant.join(" or ")}?`
      : `unknown paper "${query}"; fourward list shows all ${papers.length}`,
  );
}

/** Share of letters that may differ between what was typed and what was meant. */
const FARTHEST = 0.4;

/** Up to three papers that a misspelt name may mean: the closest by letters, else those that contain its words. */
function nearestPapers(wanted: string, papers: readonly CatalogueEntry[]): readonly CatalogueEntry[] {
  if (wanted === "" || /^\d+$/.test(wanted)) return [];
  const share = (name: string) => distance(wanted, name.toLowerCase()) / Math.max(wanted.length, name.length);
  const near = papers
    .map((entry) => ({ entry, far: Math.min(share(entry.slug), share(entry.name), share(entry.title)) }))
    .filter(({ far }) => far <= FARTHEST)
    .sort((a, b) => a.far - b.far)
    .map(({ entry }) => entry);
  return near.length > 0 ? near.slice(0, 1) : searchPapers(wanted.replaceAll("-", " "), papers).slice(0, 3);
}

/** Papers in which every word of the query occurs: in title, name, summary, topics or slug. */
export function searchPapers(query: string, papers: readonly CatalogueEntry[] = catalogue): readonly CatalogueEntry[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return papers.filter(({ slug, title, name, summary, topics }) => {
    const text = [slug, title, name, summary, ...topics].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
