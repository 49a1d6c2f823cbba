/** Tokenizers. */

export { type CorpusPart, type OpenText, openText } from "./corpus-part.ts";
export { type CorpusTokens, type CorpusTokensOptions, corpusTokens } from "./corpus-tokens.ts";
export { folderTokenizer } from "./folder.ts";
export { type ChatFormat, loadChatFormat } from "./special-tokens.ts";
export { loadTokenizer, type Tokenizer } from "./tokenizer.ts";
export { END_OF_TEXT, type TokenizerFile, type TrainTokenizerOptions, trainTokenizer } from "./train.ts";
