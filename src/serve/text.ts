/** Text that goes on from a text. */
import type { Decoder, DecoderParams, Tokenizer } from "../models/index.ts";
import { Batcher } from "./batcher.ts";
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
  model: TextModel,
  prompt: string,
  { stop = [], ...options }: GenerateTextOptions,
): AsyncGenerator<TextPiece, void, undefined> {
  const { start, writer } = begin(model, prompt, stop, options.maxTokens);
  const steps = generate(model.model, model.params, [start], { ...options, stopTokens: model.tokenizer.ends });
  for await (const [token] of steps) {
    const piece = writer.push(token as number);
    if (piece) yield piece;
    if (writer.isDone) return;
  }
  yield lastPiece(writer, options.signal);
}

/** A text that has ended. */
export interface GeneratedText {
  readonly text: string;
  readonly tokens: number;
  /** `interrupted` where it was told to end before it did. */
  readonly finish: "stop" | "length" | "interrupted";
}

export interface GenerateTextsOptions extends GenerateTextOptions {
  /** Texts that are computed together; 8 by default. */
  readonly rows?: number;
  /** Called when a text has ended. */
  readonly onText?: (prompt: number, text: GeneratedText) => void;
}

/**
 * Goes on from several prompts, as many as wanted: texts that end make place for others. Gives them in the order of the
 * prompts; prompt i draws with `seed + i`, so what it says does not depend on the others. Throws as `generate` does.
 */
export async function generateTexts(
  model: TextModel,
  prompts: readonly string[],
  { stop = [], rows = 8, onText, seed = 0, ...options }: GenerateTextsOptions,
): Promise<GeneratedText[]> {
  const batcher = new Batcher(model.model, model.params, { rows, queue: prompts.length });
  const started = prompts.map((prompt) => begin(model, prompt, stop, options.maxTokens));
  return Promise.all(
    started.map(async ({ start, writer }, i): Promise<GeneratedText> => {
      const request = { ...options, prompt: start, seed: seed + i, stopTokens: model.tokenizer.ends };
      let text = "";
      let last: TextPiece | null = null;
      for await (const { token } of batcher.generate(request)) {
        last = writer.push(token);
        text += last?.text ?? "";
        if (writer.isDone) break;
      }
      const isCut = !writer.isDone && options.signal?.aborted === true;
      if (!writer.isDone) {
        last = writer.finish();
        text += last.text;
      }
      const { tokens, finish = "stop" } = last as TextPiece;
      const generated = { text, tokens, finish: isCut ? ("interrupted" as const) : finish };
      onText?.(i, generated);
      return generated;
    }),
  );
}

/** The tokens that a text begins with, and what writes it. */
function begin(model: TextModel, prompt: string, stop: readonly string[], maxTokens: number) {
  if (stop.includes("")) throw new RangeError("generate: a stop text must not be empty");
  const { context } = model.model.config;
  const tokens = promptTokens(model, prompt);
  // A long prompt leaves room for new tokens, but keeps at least a token of its own.
  const room = Math.max(1, context - maxTokens);
  const start = tokens.length > room ? tokens.slice(-room) : tokens;
  const limit = Math.min(maxTokens, context - start.length);
  return { start, writer: new TextWriter(model.tokenizer, { stop, limit, after: start }) };
}

const lastPiece = (writer: TextWriter, signal: AbortSignal | undefined): TextPiece => {
  const piece = writer.finish();
  return signal?.aborted ? { ...piece, finish: "length" } : piece;
};

/** Tokens of a prompt: after the token that begins a text, where the model wants one; an empty one is that or the end of a text. */
export function promptTokens({ tokenizer }: Pick<TextModel, "tokenizer">, prompt: string): number[] {
  const tokens = [...tokenizer.encode(prompt)];
  const { beginning: begin } = tokenizer;
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
