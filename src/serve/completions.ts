/** The routes of OpenAI's completions, for models of this package. */
import { createHash, timingSafeEqual } from "node:crypto";
import { Template } from "@huggingface/jinja";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { Answer, type Wanted } from "./answer.ts";
import { Batcher, type BatcherOptions, BusyError } from "./batcher.ts";
import { ApiError, errorBody } from "./openai-errors.ts";
import { chatForm, completionForm } from "./openai-replies.ts";
import { chatSchema, completionSchema, requestOf, type SharedRequest } from "./openai-requests.ts";
import { promptTokens, type TextModel } from "./text.ts";

export interface CompletionsOptions extends BatcherOptions {
  /** What the model is called in requests and replies. */
  readonly name: string;
  /** The model's template of a chat, in Jinja; a plain one by default. */
  readonly chatTemplate?: string;
  /** Special tokens by the names that the template has for them. */
  readonly templateNames?: { readonly [name: string]: string };
  /** Bytes of a request at most; 1 MB by default. */
  readonly maxBody?: number;
  /** New tokens of a choice at most; the model's context by default. */
  readonly maxTokens?: number;
  /** Seconds that a client may leave what is sent to it unread; 60 by default. */
  readonly unreadSeconds?: number;
  /** What requests must show as `Authorization: Bearer <key>`; anyone may ask by default. */
  readonly apiKey?: string;
}

export interface CompletionsApp {
  readonly app: Hono;
  readonly batcher: Batcher;
  /** Refuses further requests from now on. */
  stop(): void;
  /** Resolves when no request is left. */
  requests(): Promise<void>;
  /** Ends all requests that are computed or wait; what they have said so far is sent. */
  abort(): void;
}

/** For models that have none of their own: names before what each says. */
const PLAIN_TEMPLATE =
  "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

/** Tokens of a completion that does not say how many, as OpenAI has it; chats go on to the end of the context. */
const DEFAULT_TOKENS = 16;

/** Seconds after which it makes sense to ask again. */
const RETRY_SECONDS = 2;

/**
 * The routes: `GET /health`, `GET /v1/models`, `POST /v1/completions` and `POST /v1/chat/completions`, streaming or not,
 * with errors in OpenAI's form. Requests are rows of one batch that come and go; a client that leaves frees its row.
 */
export function completionsApp(model: TextModel, options: CompletionsOptions): CompletionsApp {
  const batcher = new Batcher(model.model, model.params, options);
  const template = new Template(options.chatTemplate ?? PLAIN_TEMPLATE);
  const created = Math.floor(Date.now() / 1000);
  const { context } = model.model.config;
  const app = new Hono();
  const running = new Set<Answer>();
  let isStopping = false;
  const card = { id: options.name, object: "model", created, owned_by: "fourward", max_model_len: context };

  app.get("/health", (c) =>
    c.json(
      {
        status: isStopping ? "stopping" : "ok",
        requests: running.size,
        rows: batcher.running,
        waiting: batcher.waiting,
      },
      isStopping ? 503 : 200,
    ),
  );
  app.use("/v1/*", async (c, next) => {
    if (isStopping) {
      c.header("Connection", "close");
      throw new ApiError(503, "the server is stopping", { code: "stopping", retryAfter: RETRY_SECONDS });
    }
    if (options.apiKey !== undefined && !isKey(c.req.header("Authorization"), options.apiKey))
      throw new ApiError(401, "this server needs its key as the API key", { code: "invalid_api_key" });
    await next();
  });
  app.use(
    "*",
    bodyLimit({
      maxSize: options.maxBody ?? 2 ** 20,
      onError: () => {
        throw new ApiError(413, "the request is too large", { code: "request_too_large" });
      },
    }),
  );
  app.get("/v1/models", (c) => c.json({ object: "list", data: [card] }));
  // Names of models may have slashes.
  app.get("/v1/models/:name{.+}", (c) => {
    checkName(c.req.param("name"), options.name);
    return c.json(card);
  });
  app.post("/v1/completions", async (c) => {
    const body = requestOf(completionSchema, await bodyOf(c));
    checkName(body.model, options.name);
    if (body.echo && typeof body.logprobs === "number")
      throw new ApiError(400, "echo: probabilities of the prompt are not computed; leave echo or logprobs out", {
        param: "echo",
        code: "unsupported_parameter",
      });
    const { prompt } = body;
    const texts = typeof prompt === "string" ? [prompt] : prompt;
    const prompts = (typeof texts[0] === "number" ? [texts] : texts) as readonly (string | readonly number[])[];
    return answer(c, {
      ...sharedOf(body),
      form: completionForm,
      prompts: prompts.map((each) => (typeof each === "string" ? promptTokens(model, each) : each)),
      maxTokens: body.max_tokens ?? null,
      defaultTokens: DEFAULT_TOKENS,
      ...(typeof body.logprobs === "number" ? { logprobs: body.logprobs } : {}),
      ...(body.echo
        ? { echo: prompts.map((each) => (typeof each === "string" ? each : model.tokenizer.decode(each))) }
        : {}),
    });
  });
  app.post("/v1/chat/completions", async (c) => {
    const body = requestOf(chatSchema, await bodyOf(c));
    checkName(body.model, options.name);
    return answer(c, {
      ...sharedOf(body),
      form: chatForm,
      prompts: [promptTokens(model, rendered(body.messages))],
      maxTokens: body.max_completion_tokens ?? body.max_tokens ?? null,
      defaultTokens: context,
      ...(body.logprobs ? { logprobs: body.top_logprobs ?? 0 } : {}),
    });
  });
  app.notFound((c) => reply(c, new ApiError(404, `there is no ${c.req.method} ${c.req.path}`, { code: "not_found" })));
  app.onError((error, c) => reply(c, asApiError(error)));

  const rendered = (messages: readonly { readonly role: string }[]): string => {
    try {
      return template.render({
        ...{ bos_token: "", eos_token: "", ...options.templateNames },
        messages,
        add_generation_prompt: true,
      });
    } catch (error) {
      throw new ApiError(400, `messages: the model's template refuses them: ${(error as Error).message}`, {
        param: "messages",
      });
    }
  };
  const answer = async (c: Context, wanted: Wanted): Promise<Response> => {
    const given = new Answer(model, batcher, wanted, options);
    running.add(given);
    // Also while it waits for a row: a client that has gone wants nothing.
    const { signal } = c.req.raw;
    const leave = (): void => given.abort();
    signal.addEventListener("abort", leave);
    given.over.finally(() => {
      running.delete(given);
      // A listener that stayed would keep the request for ever: Node holds its signal until the request is forgotten.
      signal.removeEventListener("abort", leave);
    });
    return wanted.stream ? given.stream(c) : c.json(await given.whole());
  };
  return {
    app,
    batcher,
    stop: () => {
      isStopping = true;
    },
    requests: async () => {
      while (running.size > 0) await Promise.all([...running].map(({ over }) => over));
    },
    abort: () => {
      for (const each of running) each.abort();
    },
  };
}

const sharedOf = (body: SharedRequest) => ({
  n: body.n ?? 1,
  stream: body.stream ?? false,
  includeUsage: body.stream_options?.include_usage ?? false,
  stop: typeof body.stop === "string" ? [body.stop] : (body.stop ?? []),
  sampling: {
    temperature: body.temperature ?? 1,
    topP: body.top_p ?? 1,
    ...(body.top_k ? { topK: body.top_k } : {}),
    frequencyPenalty: body.frequency_penalty ?? 0,
    presencePenalty: body.presence_penalty ?? 0,
    ...(body.logit_bias
      ? { logitBias: new Map(Object.entries(body.logit_bias).map(([token, bias]) => [Number(token), bias])) }
      : {}),
  },
  ...(typeof body.seed === "number" ? { seed: body.seed } : {}),
});

function checkName(asked: string | null | undefined, served: string): void {
  if (asked !== undefined && asked !== null && asked !== served)
    throw new ApiError(404, `the model ${JSON.stringify(asked)} is not served here; ${JSON.stringify(served)} is`, {
      param: "model",
      code: "model_not_found",
    });
}

/** Keys are compared in a time that says nothing about them. */
function isKey(header: string | undefined, key: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return header !== undefined && timingSafeEqual(digest(header), digest(`Bearer ${key}`));
}

async function bodyOf(c: Context): Promise<unknown> {
  const text = await c.req.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(400, "the body is not JSON");
  }
}

function asApiError(error: Error): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof BusyError)
    return new ApiError(429, error.message, { code: "queue_full", retryAfter: RETRY_SECONDS });
  return new ApiError(500, error.message, { code: "internal_error" });
}

function reply(c: Context, error: ApiError): Response {
  if (error.facts.retryAfter !== undefined) c.header("Retry-After", String(error.facts.retryAfter));
  return c.json(errorBody(error), error.status as 400);
}
