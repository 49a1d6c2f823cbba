/** The answer to one request: its choices, computed as rows of the batch, whole or in pieces as they come. */
import type { Context } from "hono";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import type { BatchRequest, BatchToken } from "./batch-row.ts";
import { type Batcher, BusyError } from "./batcher.ts";
import { ApiError, errorBody } from "./openai-errors.ts";
import type { Form, Said } from "./openai-replies.ts";
import { type TextModel, TextWriter } from "./text.ts";

/** A request as it is computed. */
export interface Wanted {
  readonly form: Form;
  /** Tokens of the prompts; each has `n` choices. */
  readonly prompts: readonly (readonly number[])[];
  /** Texts that stand before what is said. */
  readonly echo?: readonly string[];
  readonly n: number;
  /** New tokens of a choice at most: as asked for, and where nothing is. */
  readonly maxTokens: number | null;
  readonly defaultTokens: number;
  readonly stop: readonly string[];
  readonly sampling: Omit<BatchRequest, "prompt" | "maxTokens" | "signal" | "seed" | "logprobs" | "stopTokens">;
  readonly seed?: number;
  readonly logprobs?: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

export interface AnswerOptions {
  readonly name: string;
  readonly maxTokens?: number;
  readonly unreadSeconds?: number;
}

interface Choice {
  readonly index: number;
  readonly prompt: readonly number[];
  readonly tokens: AsyncGenerator<BatchToken, void, undefined>;
  readonly limit: number;
  readonly echo: string;
}

const UNREAD_SECONDS = 60;

export class Answer {
  readonly #model: TextModel;
  readonly #wanted: Wanted;
  readonly #options: AnswerOptions;
  readonly #abort = new AbortController();
  readonly #choices: readonly Choice[];
  readonly #head: { readonly id: string; readonly created: number; readonly model: string };
  #made = 0;
  /** Resolves when nothing more is to be sent. */
  readonly over: Promise<void>;
  #end: () => void = () => {};

  /** Puts the choices into the queue. Throws an `ApiError` for what cannot be computed, and `BusyError`. */
  constructor(model: TextModel, batcher: Batcher, wanted: Wanted, options: AnswerOptions) {
    this.#model = model;
    this.#wanted = wanted;
    this.#options = options;
    this.#head = {
      id: `${wanted.form.prefix}-${crypto.randomUUID()}`,
      created: Math.floor(Date.now() / 1000),
      model: options.name,
    };
    const limits = wanted.prompts.map((prompt) => this.#limitOf(prompt));
    if (wanted.prompts.length * wanted.n > batcher.room)
      throw new BusyError("too many requests are waiting; try again later");
    this.#choices = wanted.prompts.flatMap((prompt, p) =>
      Array.from({ length: wanted.n }, (_, i): Choice => {
        const { seed } = wanted;
        const index = p * wanted.n + i;
        const tokens = batcher.generate({
          ...wanted.sampling,
          prompt,
          maxTokens: limits[p] as number,
          stopTokens: model.tokenizer.ends,
          signal: this.#abort.signal,
          ...(seed === undefined ? {} : { seed: seed + i }),
          ...(wanted.logprobs === undefined ? {} : { logprobs: wanted.logprobs }),
        });
        return { index, prompt, tokens, limit: limits[p] as number, echo: wanted.echo?.[p] ?? "" };
      }),
    );
    this.over = new Promise((done) => {
      this.#end = done;
    });
  }

  /** Frees the rows; what has been said so far is the answer. */
  abort(): void {
    // A reason of its own would be an error with a stack, made for every request.
    this.#abort.abort("over");
  }

  /** All of it in one piece. */
  async whole(): Promise<object> {
    try {
      const choices = await Promise.all(
        this.#choices.map(async (choice) => {
          let all: Said = { index: choice.index, text: "", tokens: null, finish: null, offset: 0, isFirst: true };
          for await (const said of this.#said(choice)) {
            const tokens = said.tokens ? [...(all.tokens ?? []), ...said.tokens] : null;
            all = { ...all, text: all.text + said.text, tokens, finish: said.finish };
            all = all.isFirst ? { ...all, isFirst: false, offset: said.tokens ? choice.echo.length : 0 } : all;
          }
          return this.#wanted.form.choice(all, this.#model.tokenizer);
        }),
      );
      return { ...this.#head, object: this.#wanted.form.whole, choices, usage: this.#usage() };
    } finally {
      this.abort();
      this.#end();
    }
  }

  /** Piece by piece, as events; frees the rows if the client goes, or does not read what is sent to it. */
  stream(c: Context): Response {
    const { form, includeUsage } = this.#wanted;
    return streamSSE(c, async (stream) => {
      stream.onAbort(() => this.abort());
      const send = (data: object): Promise<void> => this.#write(stream, c, JSON.stringify(data));
      const chunk = { ...this.#head, object: form.chunk };
      const usage = includeUsage ? { usage: null } : {};
      try {
        await Promise.all(
          this.#choices.map(async (choice) => {
            for await (const said of this.#said(choice))
              await send({ ...chunk, choices: [form.piece(said, this.#model.tokenizer)], ...usage });
          }),
        );
        if (includeUsage) await send({ ...chunk, choices: [], usage: this.#usage() });
        await this.#write(stream, c, "[DONE]");
      } catch (error) {
        if (!stream.aborted)
          await send(errorBody(new ApiError(500, (error as Error).message, { code: "internal_error" })));
      } finally {
        this.abort();
        this.#end();
      }
    });
  }

  /** Sends an event; ends the connection if nobody takes it. */
  async #write(stream: SSEStreamingApi, c: Context, data: string): Promise<void> {
    const { unreadSeconds = UNREAD_SECONDS } = this.#options;
    const timer = setTimeout(() => {
      this.abort();
      stream.abort();
      (c.env as { outgoing?: { destroy(): void } } | undefined)?.outgoing?.destroy();
    }, 1000 * unreadSeconds);
    await stream.writeSSE({ data }).finally(() => clearTimeout(timer));
  }

  /** What a choice says, piece by piece. */
  async *#said({ index, prompt, tokens, limit, echo }: Choice): AsyncGenerator<Said, void, undefined> {
    const { stop, logprobs } = this.#wanted;
    const writer = new TextWriter(this.#model.tokenizer, { stop, limit, after: prompt });
    let held: BatchToken[] = [];
    let offset = 0;
    let isFirst = true;
    const saidOf = (text: string, finish: "stop" | "length" | null): Said => {
      const whole = isFirst ? echo + text : text;
      const tokens = logprobs === undefined ? null : held;
      const said = { index, text: whole, tokens, finish, offset, isFirst };
      offset += whole.length;
      isFirst = false;
      held = [];
      return said;
    };
    for await (const token of tokens) {
      this.#made++;
      held.push(token);
      const piece = writer.push(token.token);
      if (piece) yield saidOf(piece.text, piece.finish ?? null);
      if (writer.isDone) return;
    }
    const { text, finish } = writer.finish();
    yield saidOf(text, this.#abort.signal.aborted ? "length" : (finish ?? null));
  }

  #limitOf(prompt: readonly number[]): number {
    const { context, vocabulary } = this.#model.model.config;
    const { maxTokens: asked, defaultTokens } = this.#wanted;
    const most = Math.min(this.#options.maxTokens ?? context, context);
    const unknown = prompt.find((token) => token >= vocabulary);
    if (unknown !== undefined)
      throw new ApiError(400, `prompt: tokens are numbers below ${vocabulary}, got ${unknown}`, { param: "prompt" });
    const room = context - prompt.length;
    if (room < (asked ?? 1))
      throw new ApiError(
        400,
        `the model's context is ${context} tokens; the prompt has ${prompt.length} and ${asked ?? 1} more were asked for`,
        { param: this.#wanted.form.prefix === "cmpl" ? "prompt" : "messages", code: "context_length_exceeded" },
      );
    if (asked !== null && asked > most)
      throw new ApiError(400, `at most ${most} tokens can be asked for, got ${asked}`, { param: "max_tokens" });
    return Math.min(asked ?? defaultTokens, most, room);
  }

  #usage() {
    const prompt = this.#wanted.prompts.reduce((total, { length }) => total + length, 0);
    return { prompt_tokens: prompt, completion_tokens: this.#made, total_tokens: prompt + this.#made };
  }
}
