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

/** Reading Parquet files is loaded only by those who do. */
const hub = () => import("./hub.ts");

/** Corpora by name. */
export const corpora: { readonly [name: string]: KnownCorpus } = {
  "books-and-speeches": {
    about: "Moby Dick and the State of the Union addresses, 12 MB, from npm packages that are installed with this one",
    load: booksAndSpeeches,
  },
  "Salesforce/wikitext:wikitext-2-raw-v1": {
    about: "WikiText-2, 13 MB of Wikipedia articles, from the Hugging Face hub",
    load: async () => (await hub()).wikiText({ repo: "Salesforce/wikitext", folder: "wikitext-2-raw-v1" }),
  },
  "Salesforce/wikitext:wikitext-103-raw-v1": {
    about: "WikiText-103, 550 MB of Wikipedia articles, from the Hugging Face hub",
    load: async () => (await hub()).wikiText({ repo: "Salesforce/wikitext", folder: "wikitext-103-raw-v1" }),
  },
  "HuggingFaceFW/fineweb:sample-10BT": {
    about: "the first 100 MB of the FineWeb sample of ten billion tokens, from the Hugging Face hub",
    load: async () => (await hub()).sampleOf({ repo: "HuggingFaceFW/fineweb", folder: "sample/10BT" }, 100),
  },
};

/** Short names of corpora. */
const aliases: { readonly [name: string]: string } = {
  "wikitext-2": "Salesforce/wikitext:wikitext-2-raw-v1",
  "wikitext-103": "Salesforce/wikitext:wikitext-103-raw-v1",
  fineweb: "HuggingFaceFW/fineweb:sample-10BT",
};

/** What studies and `fourward train` use unless told otherwise. */
export const DEFAULT_CORPUS = "books-and-speeches";

/**
 * A corpus by its full or short name, or the text of a file or folder. Throws one sentence if there is neither, or if what is there is not
 * text.
 */
export async function loadCorpus(source: string): Promise<Corpus> {
  const name = Object.hasOwn(aliases, source) ? (aliases[source] as string) : source;
  const known = Object.hasOwn(corpora, name) ? corpora[name] : undefined;
  if (known) return { name, ...(await known.load()) };
  if (!existsSync(source))
    throw new Error(
      `corpus ${source}: there is no file or folder of that name, and the known corpora are ${[...Object.keys(corpora), ...Object.keys(aliases)].join(", ")}`,
    );
  return { name: source, ...(await readTextPath(source)) };
}
