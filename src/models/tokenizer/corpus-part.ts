/** A part of a corpus as tokens, for verbs that read one text. */
import { createHash } from "node:crypto";
import { type Corpus, DEFAULT_CORPUS, loadCorpus, type TokenFile } from "../../data/index.ts";
import { corpusTokens } from "./corpus-tokens.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A part of a corpus, or all of them together. */
export type CorpusPart = "train" | "validation" | "test" | "all";

export interface OpenText {
  /** The name of the corpus, or the path that was given. */
  readonly name: string;
  readonly part: CorpusPart;
  readonly text: TokenFile;
  /** Bytes of the text in UTF-8. */
  readonly bytes: number;
  /** SHA-256 of the documents, each with its length before it. */
  readonly hash: string;
  close(): void;
}

/** Opens a part of a corpus, the default one if none is named; tokens are kept for the next time. */
export async function openText(
  source: string | undefined,
  part: CorpusPart,
  tokenizer: Tokenizer,
  signal?: AbortSignal,
): Promise<OpenText> {
  const corpus = oneDocumentList(await loadCorpus(source ?? DEFAULT_CORPUS), part);
  const { validation: text, close } = await corpusTokens(corpus, { tokenizer, ...(signal ? { signal } : {}) });
  const hash = createHash("sha256");
  let bytes = 0;
  for (const document of corpus.validation) {
    bytes += Buffer.byteLength(document);
    hash.update(`${document.length}:`).update(document);
  }
  return { name: source ?? DEFAULT_CORPUS, part, text, bytes, hash: hash.digest("hex"), close };
}

/** The part that is read, where `corpusTokens` has its part for validation. */
function oneDocumentList({ name, ...parts }: Corpus, part: CorpusPart): Corpus {
  const documents = part === "all" ? [...parts.train, ...parts.validation, ...parts.test] : parts[part];
  return { name, train: [], validation: documents, test: [] };
}
