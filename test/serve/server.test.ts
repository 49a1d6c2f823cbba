import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generate, type RunningServer, startServer } from "../../src/serve/index.ts";
import { clientOf, tinyModel } from "./tiny-model.ts";

const { model, params, tokenizer } = await tinyModel({ context: 48 });
let server: RunningServer;
let client: OpenAI;
const start = (more: object = {}) =>
  startServer(
    { model, params, tokenizer },
    { name: "tiny", host: "127.0.0.1", port: 0, rows: 4, queue: 300, maxBody: 10_000, ...more },
  );
beforeAll(async () => {
  server = await start();
  client = clientOf(server);
});
afterAll(() => server.close());

/** What a greedy request must give, by the generator that serves one user. */
async function alone(prompt: string, maxTokens: number): Promise<string> {
  const tokens: number[] = [];
  const stopTokens = tokenizer.endOfText === null ? [] : [tokenizer.endOfText];
  for await (const [token] of generate(model, params, [[...tokenizer.encode(prompt)]], {
    maxTokens,
    temperature: 0,
    stopTokens,
  }))
    tokens.push(token as number);
  return tokenizer.decode(tokens);
}
const prompts = ["the whale", "the sea", "again", "a", "the whale, the sea, and"];

describe("the server, by OpenAI's own client", { timeout: 60_000 }, () => {
  it("lists its model", async () => {
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual(["tiny"]);
    expect((await client.models.retrieve("tiny")).owned_by).toBe("fourward");
  });

  it("completes as one user alone would see it, and counts tokens", async () => {
    for (const prompt of prompts) {
      const { choices, usage } = await client.completions.create({
        model: "tiny",
        prompt,
        max_tokens: 10,
        temperature: 0,
      });
      expect(choices[0]?.text).toBe(await alone(prompt, 10));
      expect(usage?.prompt_tokens).toBe(tokenizer.encode(prompt).length);
      expect(usage?.completion_tokens).toBeLessThanOrEqual(10);
    }
  });

  it("streams the same text in pieces", async () => {
    const stream = await client.completions.create({
      model: "tiny",
      prompt: "the whale",
      max_tokens: 10,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let finish: string | null = null;
    let tokens = 0;
    for await (const { choices, usage } of stream) {
      text += choices[0]?.text ?? "";
      finish = choices[0]?.finish_reason ?? finish;
      tokens = usage?.total_tokens ?? tokens;
    }
    expect(text).toBe(await alone("the whale", 10));
    expect(finish).toBe("length");
    expect(tokens).toBe(tokenizer.encode("the whale").length + 10);
  });

  it("chats through the template, streaming or not", async () => {
    const messages = [{ role: "user" as const, content: "the sea" }];
    const expected = await alone("user: the sea\nassistant:", 8);
    const whole = await client.chat.completions.create({ model: "tiny", messages, max_tokens: 8, temperature: 0 });
    expect(whole.choices[0]?.message).toMatchObject({ role: "assistant", content: expected });
    const stream = await client.chat.completions.create({
      model: "tiny",
      messages,
      max_tokens: 8,
      temperature: 0,
      stream: true,
    });
    let text = "";
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? "";
    expect(text).toBe(expected);
  });

  it("draws the same for a seed, and ends before a stop text", async () => {
    const ask = (seed: number, stop?: string) =>
      client.completions.create({
        model: "tiny",
        prompt: "the",
        max_tokens: 12,
        temperature: 1,
        seed,
        ...(stop ? { stop } : {}),
      });
    const textOf = async (seed: number): Promise<string> => (await ask(seed)).choices[0]?.text as string;
    const text = await textOf(1);
    expect(await textOf(1)).toBe(text);
    expect(await textOf(2)).not.toBe(text);
    const stop = text.slice(3, 4);
    const stopped = (await ask(1, stop)).choices[0];
    expect(stopped?.text).toBe(text.slice(0, text.indexOf(stop)));
    expect(stopped?.finish_reason).toBe("stop");
  });

  it("keeps 200 streams apart, and loses none", async () => {
    const expected = new Map(
      await Promise.all(prompts.map(async (prompt) => [prompt, await alone(prompt, 6)] as const)),
    );
    const all = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const prompt = prompts[i % prompts.length] as string;
        const stream = await client.completions.create({
          model: "tiny",
          prompt,
          max_tokens: 6,
          temperature: 0,
          stream: true,
        });
        let text = "";
        for await (const { choices } of stream) text += choices[0]?.text ?? "";
        return [prompt, text] as const;
      }),
    );
    for (const [prompt, text] of all) expect(text).toBe(expected.get(prompt));
  });

  it("frees the row of a client that leaves", async () => {
    const load = async () =>
      ((await (await fetch(`http://127.0.0.1:${server.port}/health`)).json()) as { requests: number }).requests;
    const leavers = Array.from({ length: 8 }, async () => {
      const stream = await client.completions.create({
        model: "tiny",
        prompt: "the",
        max_tokens: 40,
        temperature: 1,
        stream: true,
      });
      for await (const _ of stream) break;
      stream.controller.abort();
    });
    await Promise.all(leavers);
    await expect.poll(load, { timeout: 10_000 }).toBe(0);
  });

  it("answers what is wrong in one sentence", async () => {
    const refused = async (promise: Promise<unknown>, status: number, message: string | RegExp) =>
      expect(promise).rejects.toMatchObject({ status, message: expect.stringMatching(message) });
    const base = { model: "tiny", prompt: "a" };
    await refused(client.completions.create({ ...base, model: "large" }), 404, /"large" is not served here; "tiny" is/);
    await refused(
      client.completions.create({ ...base, max_tokens: 1000 }),
      400,
      /context is 48 tokens; the prompt has 1/,
    );
    await refused(client.completions.create({ ...base, prompt: "a ".repeat(100) }), 400, /context is 48 tokens/);
    await refused(client.completions.create({ ...base, temperature: -1 }), 400, /temperature: /);
    await refused(client.completions.create({ ...base, n: 20 }), 400, /n: /);
    await refused(client.completions.create({ ...base, suffix: "b" }), 400, /suffix is not supported/);
    await refused(
      client.completions.create({ ...base, prompt: [999] }),
      400,
      /tokens are numbers below 2\d\d, got 999/,
    );
    await refused(client.completions.create({ ...base, echo: true, logprobs: 1 }), 400, /probabilities of the prompt/);
    await refused(client.completions.create({ ...base, prompt: "x".repeat(20_000) }), 413, /too large/);
    await refused(client.models.retrieve("large"), 404, /not served here/);
    const raw = await fetch(`http://127.0.0.1:${server.port}/v1/completions`, { method: "POST", body: "{" });
    expect(raw.status).toBe(400);
    expect(await raw.json()).toMatchObject({
      error: { message: "the body is not JSON", type: "invalid_request_error", param: null, code: null },
    });
    const messages = [{ role: "user" as const, content: "a" }];
    const tools = [{ type: "function" as const, function: { name: "f" } }];
    await expect(client.chat.completions.create({ model: "tiny", messages, tools })).rejects.toMatchObject({
      status: 400,
      type: "invalid_request_error",
      param: "tools",
      code: "unsupported_parameter",
    });
    expect((await fetch(`http://127.0.0.1:${server.port}/v2`)).status).toBe(404);
  });

  it("says that it is busy when too many wait", async () => {
    const small = await start({ rows: 1, queue: 1 });
    const own = clientOf(small);
    const many = await Promise.allSettled(
      Array.from({ length: 12 }, () => own.completions.create({ model: "tiny", prompt: "a", max_tokens: 30 })),
    );
    const failed = many.filter((result) => result.status === "rejected");
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.length).toBeLessThan(12);
    for (const { reason } of failed as PromiseRejectedResult[]) {
      expect(reason).toMatchObject({ status: 429, type: "rate_limit_error", code: "queue_full" });
      expect(Number(reason.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    await small.close();
  });

  it("finishes what has begun when it closes, and takes nothing more", async () => {
    const own = await start();
    const user = clientOf(own);
    const stream = await user.completions.create({
      model: "tiny",
      prompt: "the whale",
      max_tokens: 20,
      temperature: 0,
      stream: true,
    });
    const closing = own.close();
    let text = "";
    for await (const { choices } of stream) text += choices[0]?.text ?? "";
    expect(text).toBe(await alone("the whale", 20));
    await closing;
    await expect(user.completions.create({ model: "tiny", prompt: "a" })).rejects.toThrow();
  });

  it("says that a port is taken", async () => {
    await expect(start({ port: server.port })).rejects.toThrow(`port ${server.port} is taken`);
  });
});
