/** Corpora of text. */
export { type Corpus, corpora, DEFAULT_CORPUS, loadCorpus } from "./corpus.ts";
export { readText } from "./user-text.ts";
