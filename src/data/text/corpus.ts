/** Texts to train language models on, cut into three parts. */
import { hub, readTextPath } from "#elsewhere";
import { existsSync } from "#platform";
import type { DownloadOptions } from "../download.ts";
import { booksAndSpeeches } from "./books-and-speeches.ts";

/** Documents for training, for choices such as the learning rate, and for reported figures. */
export interface Corpus {
  readonly name: string;
  readonly train: readonly string[];
  readonly validation: readonly string[];
  readonly test: readonly string[];
}

interface KnownCorpus {
  /** What it is, how large, and where it comes from. */
  readonly about: string;
  /** How many of its megabytes are taken if nothing else is asked for; absent if it is always taken whole. */
  readonly megabytes?: number;
  load(options: DownloadOptions, megabytes: number): Promise<Omit<Corpus, "name">>;
}

const wikiText = (folder: string, about: string): KnownCorpus => ({
  about: `${about}, from the Hugging Face hub`,
  load: async (options) => (await hub()).wikiText({ repo: "Salesforce/wikitext", folder }, options),
});

const fineWeb = (tokens: string): KnownCorpus => ({
  about: `the first 100 MB of text (or as many as are asked for: \`:20MB\` behind the name) of the FineWeb sample of ${tokens} tokens, pages of the web, from the Hugging Face hub`,
  megabytes: 100,
  load: async (options, megabytes) =>
    (await hub()).sampleOf({ repo: "HuggingFaceFW/fineweb", folder: `sample/${tokens}` }, megabytes, options),
});

/** Corpora by name; those of the hub are named as there, with the configuration behind a colon. */
export const corpora: { readonly [name: string]: KnownCorpus } = {
  "books-and-speeches": {
    about: "Moby Dick and the State of the Union addresses, 12 MB, from npm packages that are installed with this one",
    load: booksAndSpeeches,
  },
  "Salesforce/wikitext:wikitext-2-raw-v1": wikiText("wikitext-2-raw-v1", "WikiText-2, 13 MB of Wikipedia articles"),
  "Salesforce/wikitext:wikitext-2-v1": wikiText("wikitext-2-v1", "WikiText-2 with rare words replaced, 13 MB"),
  "Salesforce/wikitext:wikitext-103-raw-v1": wikiText(
    "wikitext-103-raw-v1",
    "WikiText-103, 550 MB of Wikipedia articles",
  ),
  "Salesforce/wikitext:wikitext-103-v1": wikiText("wikitext-103-v1", "WikiText-103 with rare words replaced, 540 MB"),
  "HuggingFaceFW/fineweb:sample-10BT": fineWeb("10BT"),
  "HuggingFaceFW/fineweb:sample-100BT": fineWeb("100BT"),
  "HuggingFaceFW/fineweb:sample-350BT": fineWeb("350BT"),
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
 * A corpus by its full or short name, such as `wikitext-2` or `fineweb:20MB`, or the text of a file or folder; `options`
 * are for corpora that have to be downloaded. Throws one sentence if there is neither, if it cannot be had, or if what
 * is there is not text.
 */
export async function loadCorpus(source: string, options: DownloadOptions = {}): Promise<Corpus> {
  const [, bare = source, size] = /^(.+):(\d+(?:\.\d+)?)MB$/.exec(source) ?? [];
  const name = Object.hasOwn(aliases, bare) ? (aliases[bare] as string) : bare;
  const known = Object.hasOwn(corpora, name) ? corpora[name] : undefined;
  if (known) {
    if (size !== undefined && known.megabytes === undefined)
      throw new Error(`corpus ${source}: ${name} is always taken whole; leave out the size`);
    const megabytes = Number(size ?? known.megabytes);
    const own = size === undefined || megabytes === known.megabytes ? name : `${name}:${megabytes}MB`;
    return { name: own, ...(await known.load(options, megabytes)) };
  }
  if (!existsSync(source))
    throw new Error(
      `corpus ${source}: there is no file or folder of that name, and the known corpora are ${[...Object.keys(corpora), ...Object.keys(aliases)].join(", ")}`,
    );
  return { name: source, ...(await readTextPath(source)) };
}
