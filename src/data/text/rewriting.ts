/** Tasks that turn one sequence into another, made from real text: what a translation model can learn without a parallel corpus. */
import { permutation } from "../images.ts";
import type { Corpus } from "./corpus.ts";

/** Numbers that mean no word: what fills a row, what a target begins with, and what ends a sequence. */
export const PADDING = 0;
export const BEGIN = 1;
export const END = 2;
/** Numbers below this one are not words. */
const WORDS = 3;

/** A sequence and what it is to become, without padding, beginning and end. */
export interface Pair {
  readonly source: Int32Array;
  readonly target: Int32Array;
}

/** Pairs from the three parts of a corpus. */
export interface Rewriting {
  readonly name: string;
  /** Numbers in use, those of padding, beginning and end among them; source and target share them. */
  readonly vocabulary: number;
  /** Room that the longest source and the longest target need, each with its end. */
  readonly length: { readonly source: number; readonly target: number };
  readonly train: readonly Pair[];
  readonly validation: readonly Pair[];
  readonly test: readonly Pair[];
  /** A target as the words that are compared with BLEU, up to its end. */
  words(target: ArrayLike<number>): string[];
}

/**
 * Restoring vowels: the source is a piece of text without its vowels, the target the piece as it was, both as bytes.
 * Pieces are as many whole words in a row as fit into `bytes` bytes; none overlap, and none goes over the end of a line.
 */
export function vowelRestoration(corpus: Corpus, { bytes = 48 }: { readonly bytes?: number } = {}): Rewriting {
  const encoder = new TextEncoder();
  const encode = (text: string): Int32Array => Int32Array.from(encoder.encode(text), (byte) => byte + WORDS);
  const pairOf = (text: string): Pair => ({ source: encode(text.replace(/[aeiou]/gi, "")), target: encode(text) });
  const decoder = new TextDecoder();
  return rewriting(
    "vowel restoration",
    256 + WORDS,
    corpus,
    (text) => piecesOf(text, bytes).map(pairOf),
    (target) => decoder.decode(Uint8Array.from(untilEnd(target), (token) => token - WORDS)).split(" "),
  );
}

export interface CipherOptions {
  /** Most frequent words of the training text that are used; 1000 by default. */
  readonly words?: number;
  /** Words that share one word of the invented language, so that context must tell them apart; 2 by default. */
  readonly meanings?: number;
  /** Words of a phrase, at least and at most; 4 and 12 by default. */
  readonly shortest?: number;
  readonly longest?: number;
  /** Seed of the dictionary; 0 by default. */
  readonly seed?: number;
}

/**
 * Translation from an invented language: the target is an English phrase, the source has its words in reverse order,
 * each replaced by that of a fixed random dictionary, in which `meanings` English words have the same translation.
 * Phrases are runs of the most frequent words without a mark between them. Throws one sentence if the training text has
 * fewer different words than asked for.
 */
export function cipherTranslation(
  corpus: Corpus,
  { words: count = 1000, meanings = 2, shortest = 4, longest = 12, seed = 0 }: CipherOptions = {},
): Rewriting {
  const known = frequentWords(corpus.train, count);
  if (known.length < count)
    throw new RangeError(
      `cipherTranslation: the training text has ${known.length} different words, fewer than the ${count} asked for`,
    );
  const numbers = new Map(known.map((word, i) => [word, i + WORDS]));
  // Words that lie side by side in a random order get one translation; translations are numbered after the words.
  const foreign = new Int32Array(count);
  permutation(count, seed, 0).forEach((word, place) => {
    foreign[word] = WORDS + count + Math.floor(place / meanings);
  });
  const pairOf = (phrase: readonly string[]): Pair => {
    const target = Int32Array.from(phrase, (word) => numbers.get(word) as number);
    return { source: target.map((token) => foreign[token - WORDS] as number).reverse(), target };
  };
  const phrases = (text: string): string[][] =>
    clausesOf(text)
      .flatMap((clause) => runsOf(clause, (word) => numbers.has(word)))
      .flatMap((run) => inPieces(run, longest))
      .filter(({ length }) => length >= shortest);
  return rewriting(
    "translation from an invented language",
    WORDS + count + Math.ceil(count / meanings),
    corpus,
    (text) => phrases(text).map(pairOf),
    (target) => untilEnd(target).map((token) => known[token - WORDS] ?? `(${token})`),
  );
}

/** Rows of pairs, filled with padding to the room that a task needs. */
export interface PaddedPairs {
  /** `[pairs, length.source]`: each source and its end. */
  readonly source: Int32Array;
  /** `[pairs, length.target + 1]`: a beginning, the target and its end. All but the last are what a decoder is given, all but the first what it is to say. */
  readonly target: Int32Array;
}

/** Pairs as rows of one length. A number of the row is padding if and only if it is `PADDING`. */
export function padPairs(pairs: readonly Pair[], length: Rewriting["length"]): PaddedPairs {
  const source = new Int32Array(pairs.length * length.source).fill(PADDING);
  const target = new Int32Array(pairs.length * (length.target + 1)).fill(PADDING);
  pairs.forEach((pair, i) => {
    if (pair.source.length >= length.source || pair.target.length >= length.target)
      throw new RangeError(
        `padPairs: a pair of ${pair.source.length} and ${pair.target.length} does not fit with its ends into ${length.source} and ${length.target}`,
      );
    source.set([...pair.source, END], i * length.source);
    target.set([BEGIN, ...pair.target, END], i * (length.target + 1));
  });
  return { source, target };
}

function rewriting(
  name: string,
  vocabulary: number,
  corpus: Corpus,
  pairsOf: (text: string) => readonly Pair[],
  words: Rewriting["words"],
): Rewriting {
  const parts = { train: [] as Pair[], validation: [] as Pair[], test: [] as Pair[] };
  const length = { source: 0, target: 0 };
  for (const part of ["train", "validation", "test"] as const) {
    parts[part] = corpus[part].flatMap(pairsOf);
    if (parts[part].length === 0) throw new RangeError(`${name}: the ${part} text of ${corpus.name} gives no pairs`);
    for (const { source, target } of parts[part]) {
      length.source = Math.max(length.source, source.length + 1);
      length.target = Math.max(length.target, target.length + 1);
    }
  }
  return { name, vocabulary, length, ...parts, words };
}

/** The numbers before the first end, without padding and beginnings, which are no words. */
function untilEnd(target: ArrayLike<number>): number[] {
  const tokens = Array.from(target);
  const end = tokens.indexOf(END);
  return (end < 0 ? tokens : tokens.slice(0, end)).filter((token) => token >= WORDS);
}

const encoder = new TextEncoder();

/** Runs of whole words of at most so many bytes, from each line. */
function piecesOf(text: string, bytes: number): string[] {
  const pieces: string[] = [];
  for (const line of text.split("\n")) {
    let [piece, size] = ["", 0];
    const close = () => {
      if (piece) pieces.push(piece);
      [piece, size] = ["", 0];
    };
    for (const word of line.split(" ").filter(Boolean)) {
      const more = encoder.encode(word).length;
      if (size + 1 + more > bytes) close();
      if (more > bytes) continue;
      [piece, size] = piece ? [`${piece} ${word}`, size + 1 + more] : [word, more];
    }
    close();
  }
  return pieces;
}

/** Words in lower case between marks. */
const clausesOf = (text: string): string[][] =>
  text
    .toLowerCase()
    .split(/[^a-z' ]+/)
    .map((clause) => clause.match(/[a-z]+(?:'[a-z]+)*/g) ?? []);

/** The most frequent words, the most frequent first; of words as frequent, the first in the alphabet first. */
function frequentWords(texts: readonly string[], count: number): string[] {
  const times = new Map<string, number>();
  for (const text of texts)
    for (const clause of clausesOf(text)) for (const word of clause) times.set(word, (times.get(word) ?? 0) + 1);
  return [...times]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .slice(0, count)
    .map(([word]) => word);
}

/** The longest runs of items that pass. */
function runsOf<T>(items: readonly T[], passes: (item: T) => boolean): T[][] {
  const runs: T[][] = [[]];
  for (const item of items) {
    if (passes(item)) (runs.at(-1) as T[]).push(item);
    else runs.push([]);
  }
  return runs;
}

/** Pieces of at most `longest` items, in order. */
const inPieces = <T>(items: readonly T[], longest: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / longest) }, (_, i) => items.slice(i * longest, (i + 1) * longest));
