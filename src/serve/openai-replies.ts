/** Replies in OpenAI's form, whole or in chunks. */
import type { Tokenizer } from "../models/index.ts";
import type { BatchToken } from "./batch-row.ts";

/** What a choice says, or a further piece of it. */
export interface Said {
  readonly index: number;
  readonly text: string;
  /** Tokens with their probabilities, if these were asked for. */
  readonly tokens: readonly BatchToken[] | null;
  readonly finish: "stop" | "length" | null;
  /** Characters of the choice before this piece. */
  readonly offset: number;
  readonly isFirst: boolean;
}

/** How the two kinds of reply differ. */
export interface Form {
  readonly prefix: string;
  readonly whole: string;
  readonly chunk: string;
  choice(said: Said, tokenizer: Tokenizer): object;
  piece(said: Said, tokenizer: Tokenizer): object;
}

const completionChoice = ({ index, text, tokens, finish, offset }: Said, tokenizer: Tokenizer) => ({
  index,
  text,
  logprobs: tokens ? completionLogprobs(tokens, tokenizer, offset) : null,
  finish_reason: finish,
});

export const completionForm: Form = {
  prefix: "cmpl",
  whole: "text_completion",
  chunk: "text_completion",
  choice: completionChoice,
  piece: completionChoice,
};

export const chatForm: Form = {
  prefix: "chatcmpl",
  whole: "chat.completion",
  chunk: "chat.completion.chunk",
  choice: ({ index, text, tokens, finish }, tokenizer) => ({
    index,
    message: { role: "assistant", content: text, refusal: null },
    logprobs: tokens ? chatLogprobs(tokens, tokenizer) : null,
    finish_reason: finish,
  }),
  piece: ({ index, text, tokens, finish, isFirst }, tokenizer) => ({
    index,
    delta: { ...(isFirst ? { role: "assistant" } : {}), content: text },
    logprobs: tokens ? chatLogprobs(tokens, tokenizer) : null,
    finish_reason: finish,
  }),
};

function completionLogprobs(tokens: readonly BatchToken[], tokenizer: Tokenizer, offset: number) {
  const texts = tokens.map(({ token }) => tokenizer.decode([token]));
  let at = offset;
  // A part of a character has no text, but must be told from others.
  const nameOf = (token: number, text = tokenizer.decode([token])): string =>
    text.includes("\ufffd") ? `token_id:${token}` : text;
  return {
    tokens: tokens.map(({ token }, i) => nameOf(token, texts[i])),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top = [] }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [nameOf(token), logprob])),
    ),
    text_offset: texts.map((text) => {
      const start = at;
      at += text.length;
      return start;
    }),
  };
}

function chatLogprobs(tokens: readonly BatchToken[], tokenizer: Tokenizer) {
  const one = ({ token, logprob }: Pick<BatchToken, "token" | "logprob">) => {
    const text = tokenizer.decode([token]);
    // A part of a character has no text, and what it would be written as is not its bytes.
    return { token: text, logprob, bytes: text.includes("\ufffd") ? null : [...Buffer.from(text)] };
  };
  return {
    content: tokens.map((token) => ({ ...one(token), top_logprobs: (token.top ?? []).map(one) })),
    refusal: null,
  };
}
