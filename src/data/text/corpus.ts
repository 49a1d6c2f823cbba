/** Texts to train language models on, cut into three parts. */
import { existsSync } from "node:fs";
import { booksAndSpeeches } from "./books-and-speeches.ts";
import { readTextPath } from "./user-text.ts";

/** Documents for training, for choices such as the learning rate, and for reported figures. */
export interface Corpus {
  readonly name: string;
  readonly train: readonly string[];
  readonly validation: readonly string[];
  readonly test: readonly string[];
}

interface KnownCorpus {
  /** What it is and where it comes from. */
  readonly about: string;
  load(): Promise<Omit<Corpus, "name">>;
}

/** Corpora by name. */
export const corpora: { readonly [name: string]: KnownCorpus } = {
  "books-and-speeches": {
    about: "Moby Dick and the State of the Union addresses, 12 MB, from npm packages that are installed with this one",
    load: booksAndSpeeches,
  },
};

/** What studies and `fourward train` use unless told otherwise. */
export const DEFAULT_CORPUS = "books-and-speeches";

/**
 * A corpus by name, or the text of a file or folder. Throws one sentence if there is neither, or if what is there is not
 * text.
 */
export async function loadCorpus(source: string): Promise<Corpus> {
  const known = Object.hasOwn(corpora, source) ? corpora[source] : undefined;
  if (known) return { name: source, ...(await known.load()) };
  if (!existsSync(source))
    throw new Error(
      `corpus ${source}: there is no file or folder of that name, and the known corpora are ${Object.keys(corpora).join(", ")}`,
    );
  return { name: source, ...(await readTextPath(source)) };
}
