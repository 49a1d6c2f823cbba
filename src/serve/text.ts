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
  const given = [...tokenizer.encode(prompt)];
  if (given.length === 0) {
    if (tokenizer.endOfText === null) throw new RangeError("generate: this model needs a prompt that is not empty");
    given.push(tokenizer.endOfText);
  }
  const room = Math.max(1, context - options.maxTokens);
  const start = given.length > room ? given.slice(-room) : given;
  const tokens: number[] = [];
  let shown = 0;
  const rows = generate(model, params, [start], {
    ...options,
    ...(tokenizer.endOfText === null ? {} : { stopTokens: [tokenizer.endOfText] }),
  });
  for await (const [token] of rows) {
    tokens.push(token as number);
    const text = tokenizer.decode(tokens);
    const found = firstOf(text, stop);
    if (found >= 0) {
      yield { text: text.slice(shown, Math.max(shown, found)), tokens: tokens.length, finish: "stop" };
      return;
    }
    const safe = safeLength(text, stop);
    if (safe > shown) {
      yield { text: text.slice(shown, safe), tokens: tokens.length };
      shown = safe;
    }
  }
  const limit = Math.min(options.maxTokens, context - start.length);
  yield {
    text: tokenizer.decode(tokens).slice(shown),
    tokens: tokens.length,
    finish: tokens.length >= limit || options.signal?.aborted ? "length" : "stop",
  };
}

/** Where the first of the stop texts begins, or -1. */
const firstOf = (text: string, stop: readonly string[]): number =>
  stop.reduce((first, each) => {
    const at = text.indexOf(each);
    return at >= 0 && (first < 0 || at < first) ? at : first;
  }, -1);

/** How much of a text stays as it is whatever follows: not the bytes of half a character, nor half a stop text. */
function safeLength(text: string, stop: readonly string[]): number {
  let safe = text.length;
  while (safe > 0 && text[safe - 1] === "\ufffd") safe--;
  for (const each of stop)
    for (let length = Math.min(each.length - 1, safe); length > 0; length--)
      if (text.slice(0, safe).endsWith(each.slice(0, length))) {
        safe -= length;
        break;
      }
  return safe;
}
