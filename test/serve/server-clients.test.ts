import { connect, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Batcher, type RunningServer, startServer } from "../../src/serve/index.ts";
import { clientOf, tinyModel } from "./tiny-model.ts";

const CONTEXT = 4000;
const { model, params, tokenizer } = await tinyModel({ context: CONTEXT });
// Nothing ends a text, so that requests run as long as they may.
const speaking = { model, params, tokenizer: { ...tokenizer, ends: [] } };
const start = (more: object = {}) =>
  startServer(speaking, { name: "tiny", host: "127.0.0.1", port: 0, rows: 4, queue: 100, ...more });
const health = async ({ port }: RunningServer) =>
  (await (await fetch(`http://127.0.0.1:${port}/health`)).json()) as {
    rows: number;
    waiting: number;
    requests: number;
  };
const CLEAR = { rows: 0, waiting: 0, requests: 0 };

let server: RunningServer;
let client: OpenAI;
beforeAll(async () => {
  server = await start();
  client = clientOf(server);
});
afterAll(() => server.close({ graceSeconds: 0 }));

/** A request by hand, for clients that behave as no library does. */
const raw = (body: object): Promise<Socket> =>
  new Promise((done) => {
    const text = JSON.stringify({ model: "tiny", prompt: "the", temperature: 1, ...body });
    const socket = connect(server.port, "127.0.0.1", () => {
      socket.write(
        `POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
      );
      done(socket);
    });
    socket.on("error", () => {});
  });

describe("many clients at once", { timeout: 60_000 }, () => {
  it("gives each of 48 streams what its request gives alone with its seed, round after round", async () => {
    const ask = async (i: number): Promise<string> => {
      const stream = await client.completions.create({
        model: "tiny",
        prompt: ["the whale", "the sea", "again"].slice(0, 1 + (i % 3)).join(" "),
        max_tokens: 5 + (i % 7),
        temperature: 1,
        top_p: i % 2 ? 0.9 : 1,
        seed: i,
        stream: true,
      });
      let text = "";
      for await (const { choices } of stream) text += choices[0]?.text ?? "";
      return text;
    };
    const alone: string[] = [];
    for (let i = 0; i < 48; i++) alone.push(await ask(i));
    // Or nobody would see that two were exchanged.
    expect(new Set(alone).size).toBeGreaterThan(40);
    for (let round = 0; round < 2; round++) expect(await Promise.all(alone.map((_, i) => ask(i)))).toEqual(alone);
    await expect.poll(() => health(server)).toMatchObject(CLEAR);
  });

  it("frees the row of a client that vanishes, and the place of one that vanishes while it waits", async () => {
    const all = await Promise.all(Array.from({ length: 10 }, (_, i) => raw({ max_tokens: 3000, stream: i % 2 === 0 })));
    await expect.poll(() => health(server)).toMatchObject({ rows: 4, waiting: 6 });
    // Those that wait come after those that run.
    for (const socket of all.slice(6)) socket.destroy();
    await expect.poll(() => health(server), { timeout: 3000 }).toMatchObject({ rows: 4, waiting: 2 });
    for (const socket of all.slice(0, 6)) socket.destroy();
    await expect.poll(() => health(server), { timeout: 3000 }).toMatchObject(CLEAR);
  });

  it("keeps nothing of requests that are over", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const heap = (): number => {
      collect();
      collect();
      return process.memoryUsage().heapUsed;
    };
    const round = (): Promise<unknown> =>
      Promise.all(
        Array.from({ length: 100 }, async (_, i) => {
          const body = JSON.stringify({ prompt: "the", max_tokens: 2, stream: i % 2 === 0 });
          await (await fetch(`http://127.0.0.1:${server.port}/v1/completions`, { method: "POST", body })).text();
        }),
      );
    for (let i = 0; i < 3; i++) await round();
    const before = heap();
    for (let i = 0; i < 5; i++) await round();
    expect((heap() - before) / 500).toBeLessThan(5000);
  });

  it("drops a client that reads nothing, whose answer is larger than what sockets hold", async () => {
    const own = await start({ unreadSeconds: 1 });
    // Each event has the probabilities of the likeliest tokens: megabytes in all.
    const socket = await new Promise<Socket>((done) => {
      const text = JSON.stringify({
        messages: [{ role: "user", content: "the" }],
        max_tokens: 3900,
        stream: true,
        logprobs: true,
        top_logprobs: 20,
        n: 4,
      });
      const s = connect(own.port, "127.0.0.1", () => {
        s.pause();
        s.write(
          `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
        );
        done(s);
      });
      s.on("error", () => {});
    });
    await expect.poll(() => health(own)).toMatchObject({ requests: 1 });
    await expect.poll(() => health(own), { timeout: 40_000, interval: 200 }).toMatchObject(CLEAR);
    socket.destroy();
    await own.close();
  });

  it("refuses with 503 while it finishes what has begun, and ends it when the time is up", async () => {
    const own = await start();
    const user = clientOf(own);
    const stream = await user.completions.create({ model: "tiny", prompt: "the", max_tokens: 3900, stream: true });
    const began = performance.now();
    const closing = own.close({ graceSeconds: 1 });
    await expect(user.completions.create({ model: "tiny", prompt: "a" })).rejects.toMatchObject({
      status: 503,
      code: "stopping",
    });
    expect((await fetch(`http://127.0.0.1:${own.port}/health`)).status).toBe(503);
    let finish: string | null = null;
    for await (const { choices } of stream) finish = choices[0]?.finish_reason ?? finish;
    expect(finish).toBe("length");
    await closing;
    expect(performance.now() - began).toBeLessThan(10_000);
    await expect(fetch(`http://127.0.0.1:${own.port}/health`)).rejects.toThrow();
  });

  it("ends connections that do not send their request", async () => {
    const own = await start({ requestSeconds: 1 });
    const closed = new Promise<string>((done) => {
      let reply = "";
      const socket = connect(own.port, "127.0.0.1", () => socket.write("POST /v1/completions HTTP/1.1\r\nHost: x\r\n"));
      socket.on("data", (data) => {
        reply += data;
      });
      socket.on("close", () => done(reply));
    });
    expect(await closed).toContain("408");
    await own.close();
  });

  it("asks for its key, where it has one", async () => {
    const own = await start({ apiKey: "secret" });
    const base = { baseURL: `http://127.0.0.1:${own.port}/v1`, maxRetries: 0 };
    await expect(new OpenAI({ ...base, apiKey: "guess" }).models.list()).rejects.toMatchObject({
      status: 401,
      code: "invalid_api_key",
    });
    expect((await new OpenAI({ ...base, apiKey: "secret" }).models.list()).data).toHaveLength(1);
    await own.close();
  });
});

it("frees a row at once when a request is aborted, whoever listens", async () => {
  const batcher = new Batcher(model, params, { rows: 1, queue: 1 });
  const [a, b] = [new AbortController(), new AbortController()];
  const request = { prompt: [1, 2], maxTokens: 3000 };
  const first = batcher.generate({ ...request, signal: a.signal });
  batcher.generate({ ...request, signal: b.signal });
  expect(() => batcher.generate(request)).toThrow("too many requests are waiting");
  expect((await first.next()).done).toBe(false);
  expect([batcher.running, batcher.waiting]).toEqual([1, 1]);
  b.abort();
  expect([batcher.running, batcher.waiting]).toEqual([1, 0]);
  a.abort();
  expect([batcher.running, batcher.waiting]).toEqual([0, 0]);
  expect((await first.next()).done).toBe(true);
  await batcher.idle();
});
