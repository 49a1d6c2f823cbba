/** Corpora as files of tokens, made once and kept. */
import { createHash, existsSync, join, mkdir, readFile } from "#platform";
import {
  type Corpus,
  cacheFolder,
  fileError,
  openTokens,
  type TokenFile,
  writeFileAtomic,
  writeTokens,
} from "../../data/index.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";
import { type TokenizerFile, trainTokenizer } from "./train.ts";

/** The parts of a corpus as tokens, each document followed by the token that ends a text. */
export interface CorpusTokens {
  readonly tokenizer: Tokenizer;
  readonly train: TokenFile;
  readonly validation: TokenFile;
  readonly test: TokenFile;
  /** Closes the files. */
  close(): void;
}

export interface CorpusTokensOptions {
  /** The path of a `tokenizer.json`, or a tokenizer. */
  readonly tokenizer?: string | Tokenizer;
  /** Instead: the size of a vocabulary that is trained on the part for training. */
  readonly vocabulary?: number;
  /** Folder for tokenizers and tokens that are kept; `tokens` in the cache folder by default. */
  readonly folder?: string;
  readonly signal?: AbortSignal;
}

/**
 * Tokenizes a corpus. Tokenizers and tokens are kept under a hash of the text and of the tokenizer: the same text is not
 * tokenized again. Throws one sentence if neither or both of a tokenizer and a vocabulary are given.
 */
export async function corpusTokens(
  corpus: Corpus,
  { tokenizer: given, vocabulary, folder = join(cacheFolder(), "tokens"), signal }: CorpusTokensOptions,
): Promise<CorpusTokens> {
  if ((given === undefined) === (vocabulary === undefined))
    throw new TypeError("corpusTokens: give either a tokenizer or the size of a vocabulary");
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError("make the folder", folder, error);
  });
  const tokenizer =
    typeof given === "string"
      ? await loadTokenizer(given)
      : (given ?? (await trainedTokenizer(folder, corpus.train, vocabulary as number, signal)));
  const open: TokenFile[] = [];
  const close = (): void => {
    for (const file of open) file.close();
  };
  try {
    for (const part of ["train", "validation", "test"] as const) {
      signal?.throwIfAborted();
      open.push(await tokensOf(folder, corpus[part], tokenizer));
    }
  } catch (error) {
    close();
    throw error;
  }
  const [train, validation, test] = open as [TokenFile, TokenFile, TokenFile];
  return { tokenizer, train, validation, test, close };
}

async function trainedTokenizer(
  folder: string,
  texts: readonly string[],
  vocabulary: number,
  signal: AbortSignal | undefined,
): Promise<Tokenizer> {
  const path = join(folder, `${hashOf(["tokenizer 1", String(vocabulary), ...texts])}.json`);
  if (!existsSync(path)) {
    const file: TokenizerFile = trainTokenizer(texts, { vocabulary, ...(signal ? { signal } : {}) });
    await writeFileAtomic(path, JSON.stringify(file));
  }
  return loadTokenizer(JSON.parse(await readFile(path, "utf8")) as TokenizerFile);
}

async function tokensOf(folder: string, texts: readonly string[], tokenizer: Tokenizer): Promise<TokenFile> {
  const path = join(folder, `${hashOf(["tokens 1", JSON.stringify(tokenizer.json), ...texts])}.tokens`);
  if (!existsSync(path)) await writeTokens(path, tokenizer.vocabularySize, encoded(texts, tokenizer));
  return openTokens(path);
}

function* encoded(texts: readonly string[], { encode, endOfText }: Tokenizer): Generator<ArrayLike<number>> {
  for (const text of texts) {
    yield encode(text);
    if (endOfText !== null) yield [endOfText];
  }
}

/** A hash of texts in order, each with its length before it. */
function hashOf(texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest("hex").slice(0, 32);
}
