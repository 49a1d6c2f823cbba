/** Training of byte-level byte-pair encodings. */
import { characterOfByte, wordsOf } from "./byte-level.ts";

/** The content of a `tokenizer.json`. Fields that are not read here are kept as they are. */
export interface TokenizerFile {
  readonly added_tokens?: readonly { readonly id: number; readonly content: string; readonly special?: boolean }[];
  readonly model: {
    readonly type: string;
    readonly vocab: { readonly [token: string]: number };
    readonly merges?: readonly (string | readonly [string, string])[];
  };
  readonly [field: string]: unknown;
}

export interface TrainTokenizerOptions {
  /** Tokens in all: 256 bytes, merges, and the special tokens. */
  readonly vocabulary: number;
  /** Tokens that text is never cut into by itself; the end of a text by default. They get the highest numbers. */
  readonly special?: readonly string[];
  /** Stops between merges, once it is aborted, by rejecting with its reason. */
  readonly signal?: AbortSignal;
}

/** The token between texts. */
export const END_OF_TEXT = "<|endoftext|>";

/** A word as symbols, and how often it occurs. */
interface Word {
  symbols: number[];
  readonly count: number;
}

/** Symbols are below this, so that a pair of them makes one number. */
const BASE = 2 ** 21;

/**
 * Learns a byte-level byte-pair encoding: words of the texts begin as bytes, and again and again the pair of
 * neighbouring symbols that occurs most often becomes a symbol of its own; of equal pairs, the one with the lower
 * numbers. Gives the content of a `tokenizer.json`. Texts without enough pairs give a smaller vocabulary.
 * Source: Sennrich et al. 2016, arXiv:1508.07909; on bytes: Radford et al. 2019 (GPT-2).
 */
export function trainTokenizer(
  texts: Iterable<string>,
  { vocabulary, special = [END_OF_TEXT], signal }: TrainTokenizerOptions,
): TokenizerFile {
  if (!Number.isInteger(vocabulary) || vocabulary < 256 + special.length)
    throw new RangeError(
      `trainTokenizer: vocabulary must be a whole number of at least ${256 + special.length} (256 bytes and ${special.length} special), got ${vocabulary}`,
    );
  const words = countWords(texts, special);
  if (words.length === 0) throw new Error("trainTokenizer: the texts hold no words; give it text to learn from");
  const tokens = [...characterOfByte];
  const merges: [string, string][] = [];
  const pairs = new PairCounts(words);
  while (tokens.length + special.length < vocabulary) {
    signal?.throwIfAborted();
    const best = pairs.best();
    if (!best) break;
    const [left, right] = best;
    merges.push([tokens[left] as string, tokens[right] as string]);
    tokens.push(`${tokens[left]}${tokens[right]}`);
    pairs.merge(left, right, tokens.length - 1);
  }
  return tokenizerFile(tokens, merges, special);
}

/** How often each word occurs, the special tokens left out. */
function countWords(texts: Iterable<string>, special: readonly string[]): Word[] {
  const counts = new Map<string, number>();
  const apart = new RegExp(special.map((token) => token.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|") || "(?!)");
  for (const text of texts)
    for (const part of text.split(apart))
      for (const [word] of wordsOf(part)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const utf8 = new TextEncoder();
  return [...counts].map(([word, count]) => ({ symbols: [...utf8.encode(word)], count }));
}

/** How often each pair of neighbours occurs, and in which words, kept up while symbols are merged. */
class PairCounts {
  readonly #words: readonly Word[];
  readonly #counts = new Map<number, number>();
  /** Words that hold a pair, or once held it. */
  readonly #places = new Map<number, Set<number>>();

  constructor(words: readonly Word[]) {
    this.#words = words;
    words.forEach((word, index) => {
      this.#add(word, index, 1);
    });
  }

  /** The pair that occurs most often, at least twice; null if there is none. */
  best(): readonly [number, number] | null {
    let most = 1;
    let best = -1;
    for (const [pair, count] of this.#counts)
      if (count > most || (count === most && best >= 0 && pair < best)) [best, most] = [pair, count];
    return best < 0 ? null : [Math.floor(best / BASE), best % BASE];
  }

  /** Makes one symbol of a pair wherever it stands. */
  merge(left: number, right: number, symbol: number): void {
    const pair = left * BASE + right;
    for (const index of this.#places.get(pair) ?? []) {
      const word = this.#words[index] as Word;
      this.#add(word, index, -1);
      const merged: number[] = [];
      for (let i = 0; i < word.symbols.length; i++) {
        const isPair = word.symbols[i] === left && word.symbols[i + 1] === right;
        merged.push(isPair ? symbol : (word.symbols[i] as number));
        if (isPair) i++;
      }
      word.symbols = merged;
      this.#add(word, index, 1);
    }
    this.#counts.delete(pair);
    this.#places.delete(pair);
  }

  #add({ symbols, count }: Word, index: number, sign: 1 | -1): void {
    for (let i = 0; i + 1 < symbols.length; i++) {
      const pair = (symbols[i] as number) * BASE + (symbols[i + 1] as number);
      const now = (this.#counts.get(pair) ?? 0) + sign * count;
      if (now === 0) this.#counts.delete(pair);
      else this.#counts.set(pair, now);
      if (sign > 0) {
        const places = this.#places.get(pair);
        if (places) places.add(index);
        else this.#places.set(pair, new Set([index]));
      }
    }
  }
}

function tokenizerFile(
  tokens: readonly string[],
  merges: readonly (readonly [string, string])[],
  special: readonly string[],
): TokenizerFile {
  const all = [...tokens, ...special];
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content, i) => ({ id: tokens.length + i, content, ...flags })),
    normalizer: null,
    pre_tokenizer: bytes,
    post_processor: null,
    decoder: bytes,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(all.map((token, id) => [token, id])),
      merges,
    },
  } as TokenizerFile;
}
