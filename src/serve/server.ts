/** A server with the interface of OpenAI's completions, for models of this package. */

import { serve } from "@hono/node-server";
import { Template } from "@huggingface/jinja";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { streamSSE } from "hono/streaming";
import { z } from "zod";
import { checked } from "../data/checked.ts";
import { Batcher, type BatcherOptions, BusyError } from "./batcher.ts";
import { promptTokens, type TextModel, type TextPiece, textPieces } from "./text.ts";

export interface ServerOptions extends BatcherOptions {
  /** What the model is called in requests and replies. */
  readonly name: string;
  /** The model's template of a chat, in Jinja; a plain one by default. */
  readonly chatTemplate?: string;
  /** Bytes of a request at most; 1 MB by default. */
  readonly maxBody?: number;
  /** New tokens of a request at most; the model's context by default. */
  readonly maxTokens?: number;
}

export interface RunningServer {
  /** The port that it listens on. */
  readonly port: number;
  /** Takes no further requests, finishes those it has, and resolves when the last one is done. */
  close(): Promise<void>;
}

const optionsSchema = {
  model: z.string().optional(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(1).nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(4)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  n: z.literal(1, { error: "only one choice for a request can be made" }).nullish(),
};
const completionSchema = z.object({ prompt: z.string(), ...optionsSchema });
const messageSchema = z.object({
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: z.union([
    z.string(),
    z
      .array(z.object({ type: z.literal("text"), text: z.string() }))
      .transform((parts) => parts.map(({ text }) => text).join("")),
  ]),
});
const chatSchema = z.object({ messages: z.array(messageSchema).min(1), ...optionsSchema });
type Options = z.infer<z.ZodObject<typeof optionsSchema>>;

/** For models that have none of their own: names before what each says. */
const PLAIN_TEMPLATE =
  "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

/** Tokens of a request that does not say how many. */
const DEFAULT_TOKENS = 128;

/**
 * The routes: `GET /v1/models`, `POST /v1/completions` and `POST /v1/chat/completions`, streaming or not, with errors in
 * OpenAI's form. Requests are rows of one batch that come and go; a client that leaves frees its row.
 */
export function completionsApp(model: TextModel, options: ServerOptions): { app: Hono; batcher: Batcher } {
  const batcher = new Batcher(model.model, model.params, options);
  const template = new Template(options.chatTemplate ?? PLAIN_TEMPLATE);
  const created = Math.floor(Date.now() / 1000);
  const app = new Hono();
  const card = { id: options.name, object: "model", created, owned_by: "fourward" };
  app.use(
    "*",
    bodyLimit({
      maxSize: options.maxBody ?? 2 ** 20,
      onError: () => {
        throw new HTTPException(413, { message: "the request is too large" });
      },
    }),
  );
  app.get("/health", (c) => c.json({ status: "ok", requests: batcher.running + batcher.waiting }));
  app.get("/v1/models", (c) => c.json({ object: "list", data: [card] }));
  app.get("/v1/models/:name", (c) => {
    if (c.req.param("name") !== options.name)
      throw new HTTPException(404, { message: unknownModel(c.req.param("name"), options.name) });
    return c.json(card);
  });
  app.post("/v1/completions", async (c) => {
    const body = await bodyOf(c, completionSchema, options.name);
    return answer(c, body, body.prompt, { kind: "text_completion", prefix: "cmpl" });
  });
  app.post("/v1/chat/completions", async (c) => {
    const body = await bodyOf(c, chatSchema, options.name);
    const prompt = template.render({
      messages: body.messages,
      add_generation_prompt: true,
      bos_token: "",
      eos_token: "",
    });
    return answer(c, body, prompt, { kind: "chat.completion", prefix: "chatcmpl" });
  });
  app.notFound((c) => c.json(errorBody(`there is no ${c.req.method} ${c.req.path}`, "invalid_request_error"), 404));
  app.onError((error, c) => {
    const status =
      error instanceof HTTPException
        ? error.status
        : error instanceof BusyError
          ? 429
          : error instanceof RangeError
            ? 400
            : 500;
    return c.json(errorBody(error.message, status >= 500 ? "server_error" : "invalid_request_error"), status as 400);
  });

  interface Form {
    readonly kind: "text_completion" | "chat.completion";
    readonly prefix: string;
  }

  async function answer(c: Context, body: Options, prompt: string, form: Form): Promise<Response> {
    const { model: lm, tokenizer } = model;
    const { context } = lm.config;
    const most = Math.min(options.maxTokens ?? context - 1, context - 1);
    const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? Math.min(DEFAULT_TOKENS, most);
    if (maxTokens > most)
      throw new HTTPException(400, { message: `at most ${most} tokens can be asked for, got ${maxTokens}` });
    const tokens = promptTokens(tokenizer, prompt, context, maxTokens);
    const abort = new AbortController();
    const stop = typeof body.stop === "string" ? [body.stop] : (body.stop ?? []);
    const source = batcher.generate({
      prompt: tokens,
      maxTokens,
      signal: abort.signal,
      temperature: body.temperature ?? 1,
      topP: body.top_p ?? 1,
      ...(body.top_k ? { topK: body.top_k } : {}),
      ...(typeof body.seed === "number" ? { seed: body.seed } : {}),
      ...(tokenizer.endOfText === null ? {} : { stopTokens: [tokenizer.endOfText] }),
    });
    const pieces = textPieces(tokenizer, tokensOf(source), {
      stop,
      limit: Math.min(maxTokens, context - tokens.length),
    });
    const head = {
      id: `${form.prefix}-${crypto.randomUUID()}`,
      created: Math.floor(Date.now() / 1000),
      model: options.name,
    };
    const usageOf = (made: number) => ({
      prompt_tokens: tokens.length,
      completion_tokens: made,
      total_tokens: tokens.length + made,
    });
    const isChat = form.kind === "chat.completion";
    // The first piece is awaited before anything is sent, so that a full queue is an error and not a broken stream.
    const first = await pieces.next();
    if (!body.stream) {
      c.req.raw.signal.addEventListener("abort", () => abort.abort());
      let text = "";
      let last: TextPiece = { text: "", tokens: 0, finish: "stop" };
      for (let at = first; !at.done; at = await pieces.next()) {
        text += at.value.text;
        last = at.value;
      }
      const choice = isChat
        ? {
            index: 0,
            message: { role: "assistant", content: text, refusal: null },
            logprobs: null,
            finish_reason: last.finish,
          }
        : { index: 0, text, logprobs: null, finish_reason: last.finish };
      return c.json({ ...head, object: form.kind, choices: [choice], usage: usageOf(last.tokens) });
    }
    return streamSSE(c, async (stream) => {
      stream.onAbort(() => abort.abort());
      const object = isChat ? "chat.completion.chunk" : form.kind;
      const send = (data: object): Promise<void> =>
        stream.writeSSE({ data: JSON.stringify({ ...head, object, ...data }) });
      const chunk = (text: string, finish: string | null, isFirst: boolean) =>
        isChat
          ? {
              index: 0,
              delta: { ...(isFirst ? { role: "assistant" } : {}), content: text },
              logprobs: null,
              finish_reason: finish,
            }
          : { index: 0, text, logprobs: null, finish_reason: finish };
      let made = 0;
      for (let at = first, isFirst = true; !at.done; at = await pieces.next(), isFirst = false) {
        made = at.value.tokens;
        await send({ choices: [chunk(at.value.text, at.value.finish ?? null, isFirst)] });
      }
      if (body.stream_options?.include_usage) await send({ choices: [], usage: usageOf(made) });
      await stream.writeSSE({ data: "[DONE]" });
    });
  }
  return { app, batcher };
}

const unknownModel = (asked: string, served: string): string =>
  `the model ${JSON.stringify(asked)} is not served here; ${JSON.stringify(served)} is`;

async function* tokensOf(source: AsyncIterable<{ readonly token: number }>): AsyncGenerator<number> {
  for await (const { token } of source) yield token;
}

const errorBody = (message: string, type: string) => ({ error: { message, type, param: null, code: null } });

async function bodyOf<S extends z.ZodType<{ model?: string | undefined }>>(
  c: Context,
  schema: S,
  name: string,
): Promise<z.infer<S>> {
  let value: unknown;
  try {
    value = await c.req.json();
  } catch (error) {
    if (error instanceof HTTPException) throw error;
    throw new HTTPException(400, { message: "the body is not JSON" });
  }
  let body: z.infer<S>;
  try {
    body = checked(schema, value, "request");
  } catch (error) {
    throw new HTTPException(400, { message: (error as Error).message });
  }
  if (body.model !== undefined && body.model !== name)
    throw new HTTPException(404, { message: unknownModel(body.model, name) });
  return body;
}

/** Starts a server. Rejects with one sentence if the port is taken. */
export async function startServer(
  model: TextModel,
  { port, host, ...options }: ServerOptions & { readonly port: number; readonly host: string },
): Promise<RunningServer> {
  const { app, batcher } = completionsApp(model, options);
  return new Promise((done, fail) => {
    const server = serve({ fetch: app.fetch, port, hostname: host }, (info) =>
      done({
        port: info.port,
        close: async () => {
          const closed = new Promise<void>((ended) => server.close(() => ended()));
          await batcher.idle();
          if ("closeIdleConnections" in server) server.closeIdleConnections();
          await closed;
        },
      }),
    );
    server.on("error", (error: NodeJS.ErrnoException) =>
      fail(error.code === "EADDRINUSE" ? new Error(`serve: port ${port} is taken; choose another with --port`) : error),
    );
  });
}
