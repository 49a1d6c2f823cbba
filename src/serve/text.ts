/** Text that goes on from a text. */
import type { Decoder, DecoderParams, Tokenizer } from "../models/index.ts";
import { type GenerateOptions, generate } from "./generate.ts";

/** A model that speaks. */
export interface TextModel {
  readonly model: Decoder;
  readonly params: DecoderParams;
  readonly tokenizer: Tokenizer;
}

export interface GenerateTextOptions extends Omit<GenerateOptions, "stopTokens"> {
  /** Texts that end it; they are not given out. */
  readonly stop?: readonly string[];
}

/** A piece of new text. */
export interface TextPiece {
  readonly text: string;
  /** New tokens so far. */
  readonly tokens: number;
  /** In the last piece: `stop` at a stop text or the end of a text, `length` at a limit or when it was aborted. */
  readonly finish?: "stop" | "length";
}

/**
 * Goes on from a prompt; pieces are given as soon as no later token can change them. A prompt that is too long for the
 * model's context loses its beginning; an empty one starts after the end of a text. Throws as `generate` does.
 */
export async function* generateText(
  { model, params, tokenizer }: TextModel,
  prompt: string,
  { stop = [], ...options }: GenerateTextOptions,
): AsyncGenerator<TextPiece, void, undefined> {
  if (stop.includes("")) throw new RangeError("generate: a stop text must not be empty");
  const { context } = model.config;
  const start = promptTokens(tokenizer, prompt, context, options.maxTokens);
  const limit = Math.min(options.maxTokens, context - start.length);
  const rows = generate(model, params, [start], {
    ...options,
    ...(tokenizer.endOfText === null ? {} : { stopTokens: [tokenizer.endOfText] }),
  });
  const single = async function* () {
    for await (const [token] of rows) yield token as number;
  };
  for await (const piece of textPieces(tokenizer, single(), { stop, limit }))
    yield piece.finish && options.signal?.aborted ? { ...piece, finish: "length" } : piece;
}

/** Tokens of a prompt that leave room for new ones: the end of a long one, and the end of a text before an empty one. */
export function promptTokens(tokenizer: Tokenizer, prompt: string, context: number, maxTokens: number): number[] {
  const given = [...tokenizer.encode(prompt)];
  if (given.length === 0) {
    if (tokenizer.endOfText === null) throw new RangeError("generate: this model needs a prompt that is not empty");
    given.push(tokenizer.endOfText);
  }
  const room = Math.max(1, context - maxTokens);
  return given.length > room ? given.slice(-room) : given;
}

/**
 * Pieces of text from tokens as they come, each as soon as no later token can change it: never half a character, never
 * the beginning of a stop text. The last piece says whether it was a stop or the limit of tokens.
 */
export async function* textPieces(
  tokenizer: Tokenizer,
  source: AsyncIterable<number>,
  { stop, limit }: { readonly stop: readonly string[]; readonly limit: number },
): AsyncGenerator<TextPiece, void, undefined> {
  const decoder = new TextDecoding(tokenizer);
  let shown = 0;
  let tokens = 0;
  for await (const token of source) {
    tokens++;
    const text = decoder.push(token);
    const found = firstOf(text, stop, shown);
    if (found >= 0) {
      yield { text: text.slice(shown, found), tokens, finish: "stop" };
      return;
    }
    const safe = safeLength(text, stop);
    if (safe > shown) {
      yield { text: text.slice(shown, safe), tokens };
      shown = safe;
    }
  }
  const text = decoder.finish();
  const found = firstOf(text, stop, shown);
  const end = found >= 0 ? found : text.length;
  yield { text: text.slice(shown, end), tokens, finish: found >= 0 || tokens < limit ? "stop" : "length" };
}

/**
 * Text of tokens as they come: whole characters only. Each token is decoded together with the few before it that may
 * belong to the same character or that say whether a space stands between, not with all of the text.
 */
class TextDecoding {
  readonly #tokenizer: Tokenizer;
  readonly #tokens: number[] = [];
  #text = "";
  /** Tokens from here on are decoded; those before `#told` have given their text. */
  #from = 0;
  #told = 0;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** All text that no later token can change. */
  push(token: number): string {
    this.#tokens.push(token);
    const text = this.#news();
    if (text === "" || text.endsWith("\ufffd")) return this.#text;
    this.#text += text;
    [this.#from, this.#told] = [this.#told, this.#tokens.length];
    return this.#text;
  }

  /** All text; what is left of a character becomes a replacement character. */
  finish(): string {
    return this.#text + this.#news();
  }

  #news(): string {
    const told = this.#tokenizer.decode(this.#tokens.slice(this.#from, this.#told));
    return this.#tokenizer.decode(this.#tokens.slice(this.#from)).slice(told.length);
  }
}

/** Where the first of the stop texts begins from a place on, or -1. */
const firstOf = (text: string, stop: readonly string[], from: number): number =>
  stop.reduce((first, each) => {
    const at = text.indexOf(each, from);
    return at >= 0 && (first < 0 || at < first) ? at : first;
  }, -1);

/** How much of a text stays as it is whatever follows: not the beginning of a stop text. */
function safeLength(text: string, stop: readonly string[]): number {
  let safe = text.length;
  for (const each of stop)
    for (let length = Math.min(each.length - 1, text.length); length > 0; length--)
      if (text.endsWith(each.slice(0, length))) {
        safe = Math.min(safe, text.length - length);
        break;
      }
  return safe;
}
