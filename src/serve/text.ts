/** Text that goes on from a text. */
import type { Decoder, DecoderParams, SpecialTokens, Tokenizer } from "../models/index.ts";
import { type GenerateOptions, generate } from "./generate.ts";

/** A model that speaks. */
export interface TextModel {
  readonly model: Decoder;
  readonly params: DecoderParams;
  readonly tokenizer: Tokenizer;
  /** Where texts begin and end; by default as the tokenizer says. */
  readonly special?: Pick<SpecialTokens, "begin" | "ends">;
}

/** Tokens that end what a model says. */
export const endsOf = ({ tokenizer, special }: Pick<TextModel, "tokenizer" | "special">): readonly number[] =>
  special?.ends ?? tokenizer.ends;

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
  model: TextModel,
  prompt: string,
  options: GenerateTextOptions,
): AsyncGenerator<TextPiece, void, undefined> {
  for await (const { text, tokens, finish } of generateTexts(model, [prompt], options))
    yield { text, tokens, ...(finish ? { finish } : {}) };
}

/**
 * `generateText` for several prompts side by side. Pieces name the row they belong to; each row has a last piece of its
 * own. Rows draw from one seed, each its own numbers.
 */
export async function* generateTexts(
  model: TextModel,
  prompts: readonly string[],
  { stop = [], ...options }: GenerateTextOptions,
): AsyncGenerator<TextPiece & { readonly row: number }, void, undefined> {
  if (stop.includes("")) throw new RangeError("generate: a stop text must not be empty");
  const { context } = model.model.config;
  const starts = prompts.map((prompt) => {
    const tokens = promptTokens(model, prompt);
    // A long prompt leaves room for new tokens, but keeps at least a token of its own.
    const room = Math.max(1, context - options.maxTokens);
    return tokens.length > room ? tokens.slice(-room) : tokens;
  });
  const writers = starts.map((start) => {
    const limit = Math.min(options.maxTokens, context - start.length);
    return new TextWriter(model.tokenizer, { stop, limit, after: start });
  });
  const finished = (row: number, piece: TextPiece) =>
    piece.finish && options.signal?.aborted ? { row, ...piece, finish: "length" as const } : { row, ...piece };
  const stopTokens = endsOf(model);
  for await (const step of generate(model.model, model.params, starts, { ...options, stopTokens })) {
    for (const [row, token] of step.entries()) {
      const writer = writers[row] as TextWriter;
      if (writer.isDone) continue;
      const piece = token === null ? writer.finish() : writer.push(token);
      if (piece) yield finished(row, piece);
    }
    if (writers.every(({ isDone }) => isDone)) return;
  }
  for (const [row, writer] of writers.entries()) if (!writer.isDone) yield finished(row, writer.finish());
}

/** Tokens of a prompt: after the token that begins a text, where the model wants one; an empty one is that or the end of a text. */
export function promptTokens(
  { tokenizer, special }: Pick<TextModel, "tokenizer" | "special">,
  prompt: string,
): number[] {
  const tokens = [...tokenizer.encode(prompt)];
  const begin = special ? [special.begin ?? []].flat() : tokenizer.beginning;
  if (begin.some((token, i) => tokens[i] !== token)) tokens.unshift(...begin);
  if (tokens.length > 0) return tokens;
  if (tokenizer.endOfText === null) throw new RangeError("generate: this model needs a prompt that is not empty");
  return [tokenizer.endOfText];
}

export interface TextWriterOptions {
  /** Texts that end it. */
  readonly stop: readonly string[];
  /** Tokens at most. */
  readonly limit: number;
  /** Tokens before them, which may say whether a space stands between. */
  readonly after?: readonly number[];
}

/**
 * Pieces of text from tokens as they come, each as soon as no later token can change it: never half a character, never
 * the beginning of a stop text. The last piece says whether it was a stop or the limit of tokens.
 */
export class TextWriter {
  readonly #decoding: TextDecoding;
  readonly #stop: readonly string[];
  readonly #limit: number;
  #shown = 0;
  #tokens = 0;
  #isDone = false;

  constructor(tokenizer: Tokenizer, { stop, limit, after = [] }: TextWriterOptions) {
    this.#decoding = new TextDecoding(tokenizer, after.slice(-4));
    this.#stop = stop;
    this.#limit = limit;
  }

  /** Whether the last piece was given. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** The text that a further token makes certain, if any. It is the last piece if it has a reason to finish. */
  push(token: number): TextPiece | null {
    this.#tokens++;
    const text = this.#decoding.push(token);
    const found = firstOf(text, this.#stop, this.#shown);
    if (found >= 0) return this.#end(text, found);
    const safe = safeLength(text, this.#stop);
    if (safe <= this.#shown) return null;
    const piece = { text: text.slice(this.#shown, safe), tokens: this.#tokens };
    this.#shown = safe;
    return piece;
  }

  /** The last piece, when no further token comes. */
  finish(): TextPiece {
    const text = this.#decoding.finish();
    return this.#end(text, firstOf(text, this.#stop, this.#shown));
  }

  #end(text: string, found: number): TextPiece {
    this.#isDone = true;
    const isStop = found >= 0 || this.#tokens < this.#limit;
    return {
      text: text.slice(this.#shown, found >= 0 ? found : text.length),
      tokens: this.#tokens,
      finish: isStop ? "stop" : "length",
    };
  }
}

/**
 * Text of tokens as they come: whole characters only. Each token is decoded together with the few before it that may
 * belong to the same character or that say whether a space stands between, not with all of the text.
 */
class TextDecoding {
  readonly #tokenizer: Tokenizer;
  readonly #tokens: number[];
  #text = "";
  /** Tokens from here on are decoded; those before `#told` have given their text. */
  #from = 0;
  #told: number;

  constructor(tokenizer: Tokenizer, after: readonly number[]) {
    this.#tokenizer = tokenizer;
    this.#tokens = [...after];
    this.#told = after.length;
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
