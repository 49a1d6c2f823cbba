/** Corpora of text. */
export { type Corpus, corpora, DEFAULT_CORPUS, loadCorpus } from "./corpus.ts";
export {
  BEGIN,
  type CipherOptions,
  cipherTranslation,
  END,
  PADDING,
  type PaddedPairs,
  type Pair,
  padPairs,
  type Rewriting,
  vowelRestoration,
} from "./rewriting.ts";
export { readText } from "./user-text.ts";
