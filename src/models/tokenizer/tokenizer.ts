/** Tokenizers in the form of `tokenizer.json`. */

import { Tokenizer as LibraryTokenizer } from "@huggingface/tokenizers";
import { readJsonFile } from "../../data/index.ts";
import { show } from "../safetensors-header.ts";
import { byteCharacters, bytesOfToken, wordsOf } from "./byte-level.ts";
import { checkExpressions } from "./expressions.ts";
import { beginningOf } from "./special-tokens.ts";
import { END_OF_TEXT, type TokenizerFile } from "./train.ts";

/** Text as numbers, and back. */
export interface Tokenizer {
  /** The content of its `tokenizer.json`. */
  readonly json: TokenizerFile;
  /** One more than the highest token. */
  readonly vocabularySize: number;
  /** The token that ends a text, if there is one of a usual name or the model says which. */
  readonly endOfText: number | null;
  /** All tokens at which a text ends; the first is `endOfText`. */
  readonly ends: readonly number[];
  /** Tokens that stand before every text that a model is given; none of them comes from `encode`. */
  readonly beginning: readonly number[];
  /** The tokens of a text; the names of special tokens in it become those tokens. */
  encode(text: string): Int32Array;
  /** The text of tokens; bytes that are not whole characters become replacement characters, special tokens vanish. */
  decode(tokens: Iterable<number>): string;
}

/** Names that families of models have for the end of a text. */
const endings = [END_OF_TEXT, "</s>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "<eos>"];

/**
 * A tokenizer from the content of a `tokenizer.json` or the path of one. Byte-level byte-pair encodings of GPT-2's form
 * are encoded here, all others by the library `@huggingface/tokenizers`. Throws one sentence if the file is missing,
 * damaged, or of a kind that the library does not know.
 */
export async function loadTokenizer(
  source: TokenizerFile | string,
  { name = "tokenizer.json", ends = [] }: { readonly name?: string; readonly ends?: readonly number[] } = {},
): Promise<Tokenizer> {
  const path = typeof source === "string" ? source : name;
  const json =
    typeof source === "string" ? ((await readJsonFile(source, "a tokenizer.json")) as TokenizerFile) : source;
  const tokens = json?.model?.vocab;
  if (typeof json?.model?.type !== "string" || typeof tokens !== "object" || tokens === null)
    throw new Error(`read ${path}: it has no model with a vocabulary; is it a tokenizer.json?`);
  try {
    const { normalizer, pre_tokenizer, post_processor, decoder } = json;
    checkExpressions([normalizer, pre_tokenizer, post_processor, decoder]);
    const added = addedTokens(json);
    const ids = new Map(added.map(({ content, id }) => [content, id]));
    const highest = highestOf([...numbersIn(tokens), ...ids.values()]);
    const ending = endings.find((each) => ids.has(each) || Object.hasOwn(tokens, each));
    const usual = ending === undefined ? [] : [ids.get(ending) ?? (tokens[ending] as number)];
    // Some files name tokens that the model does not have.
    const known = ends.filter((end) => end <= highest);
    const all = [...new Set(known.length > 0 ? known : usual)];
    return {
      json,
      vocabularySize: highest + 1,
      endOfText: all[0] ?? null,
      ends: all,
      beginning: beginningOf(json),
      ...(isByteLevel(json) ? byteLevelCodec(json) : libraryCodec(json)),
    };
  } catch (error) {
    // What the library trips over says nothing to whoever has the file.
    const isForeign = error instanceof TypeError || error instanceof RangeError;
    const reason = isForeign ? "a part of it is not what is expected there" : (error as Error).message.slice(0, 300);
    throw new Error(`read ${path}: the tokenizer cannot be used: ${reason}`, { cause: error });
  }
}

/** The added tokens, which must have a number and a text each. */
function addedTokens({ added_tokens: added = [] }: TokenizerFile): NonNullable<TokenizerFile["added_tokens"]> {
  if (added === null) return [];
  if (!Array.isArray(added) || added.some((token) => typeof token?.content !== "string" || token.content === ""))
    throw new Error("added_tokens must be a list of tokens with their content");
  return added;
}

/** The highest number of a vocabulary, all of whose numbers must be ones that tokens can have. */
function highestOf(numbers: readonly number[]): number {
  let highest = -1;
  for (const number of numbers) {
    if (!(Number.isInteger(number) && number >= 0 && number < 2 ** 24))
      throw new Error(`a token has the number ${show(number)}`);
    if (number > highest) highest = number;
  }
  return highest;
}

const numbersIn = (vocab: object): number[] =>
  // Unigram vocabularies are lists.
  Array.isArray(vocab) ? [vocab.length - 1] : Object.values(vocab as { [token: string]: number });

/** Whether words are cut, bytes written and merges made exactly as GPT-2 does. */
function isByteLevel({ model, normalizer, pre_tokenizer, decoder }: TokenizerFile): boolean {
  const pre = pre_tokenizer as { type?: string; add_prefix_space?: boolean; use_regex?: boolean } | null | undefined;
  const { dropout, unk_token, continuing_subword_prefix, end_of_word_suffix, ignore_merges } = model as Record<
    string,
    unknown
  >;
  return (
    model.type === "BPE" &&
    !normalizer &&
    pre?.type === "ByteLevel" &&
    pre.add_prefix_space === false &&
    pre.use_regex !== false &&
    (decoder as { type?: string } | null | undefined)?.type === "ByteLevel" &&
    !dropout &&
    !unk_token &&
    !continuing_subword_prefix &&
    !end_of_word_suffix &&
    !ignore_merges
  );
}

type Codec = Pick<Tokenizer, "encode" | "decode">;

function libraryCodec(json: TokenizerFile): Codec {
  // The library wants every field to be there.
  const absent = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
  const library = new LibraryTokenizer({ ...absent, ...json } as never, {} as never);
  return {
    encode: (text) => Int32Array.from(library.encode(text, { add_special_tokens: false }).ids),
    decode: (tokens) => {
      const list = [...tokens];
      return list.length === 0 ? "" : library.decode(list, { skip_special_tokens: true });
    },
  };
}

/** Words that are remembered; texts repeat most of their words. */
const REMEMBERED = 100_000;

function byteLevelCodec({ model, ...file }: TokenizerFile): Codec {
  const added_tokens = addedTokens({ model, ...file });
  const rank = new Map<string, number>();
  const merges: readonly unknown[] = model.merges ?? [];
  if (!Array.isArray(merges)) throw new Error("its merges must be a list of pairs");
  merges.forEach((merge: unknown, i) => {
    if (typeof merge !== "string" && !(Array.isArray(merge) && merge.every((part) => typeof part === "string")))
      throw new Error("its merges must be a list of pairs");
    rank.set(typeof merge === "string" ? merge : merge.join(" "), i);
  });
  const special = new Map(added_tokens.map(({ content, id }) => [content, id]));
  const bytes: (Uint8Array | undefined)[] = [];
  for (const [token, id] of Object.entries(model.vocab)) {
    const own = special.has(token) ? undefined : bytesOfToken(token);
    if (own === null) throw new Error(`token ${JSON.stringify(token)} is not written in bytes`);
    bytes[id] = own;
  }
  const known = new Map<string, readonly number[]>();
  const encodeWord = (word: string): readonly number[] => {
    let tokens = known.get(word);
    if (tokens) return tokens;
    tokens = mergeAll(byteCharacters(word), rank).map((symbol) => {
      const id = model.vocab[symbol];
      if (id === undefined) throw new Error(`encode: the vocabulary has no token ${JSON.stringify(symbol)}`);
      return id;
    });
    if (known.size >= REMEMBERED) known.clear();
    known.set(word, tokens);
    return tokens;
  };
  const apart =
    special.size === 0
      ? null
      : new RegExp(`(${[...special.keys()].map((token) => token.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|")})`);
  return {
    encode: (text) => {
      const tokens: number[] = [];
      for (const part of apart ? text.split(apart) : [text]) {
        const id = special.get(part);
        if (id !== undefined) tokens.push(id);
        else for (const [word] of wordsOf(part)) for (const token of encodeWord(word)) tokens.push(token);
      }
      return Int32Array.from(tokens);
    },
    decode: (tokens) => {
      const parts = Array.from(tokens, (token) => bytes[token]).filter((part) => part !== undefined);
      const all = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      return new TextDecoder("utf-8", { ignoreBOM: true }).decode(all);
    },
  };
}

/** Joins neighbours, the pair that was learned first before all others, until no known pair is left. */
function mergeAll(symbols: string[], rank: ReadonlyMap<string, number>): string[] {
  while (symbols.length > 1) {
    let first = Number.POSITIVE_INFINITY;
    let pair = "";
    for (let i = 0; i + 1 < symbols.length; i++) {
      const name = `${symbols[i]} ${symbols[i + 1]}`;
      const order = rank.get(name);
      if (order !== undefined && order < first) [first, pair] = [order, name];
    }
    if (pair === "") return symbols;
    const merged: string[] = [];
    for (let i = 0; i < symbols.length; i++) {
      const isPair = `${symbols[i]} ${symbols[i + 1]}` === pair;
      merged.push(isPair ? pair.replace(" ", "") : (symbols[i] as string));
      if (isPair) i++;
    }
    symbols = merged;
  }
  return symbols;
}
