/** A server under many clients that stream at once, round after round. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { table } from "../table.ts";

export interface ClientsBenchOptions {
  readonly model: string;
  readonly clients: number;
  /** New tokens of each request. */
  readonly tokens: number;
  readonly rounds: number;
  /** Requests that are computed together. */
  readonly rows: number;
  readonly threads: number;
  readonly log: (line: string) => void;
}

export interface ClientsRound {
  readonly tokensPerSecond: number;
  /** Milliseconds until a client has its first text: the median, and what 99 of 100 stay below. */
  readonly firstMs: { readonly p50: number; readonly p99: number };
  readonly failed: number;
  /** Texts that differ from what the same request gave alone. */
  readonly different: number;
  /** Resident memory of the server after the round, in bytes. */
  readonly memory: number;
}

export interface ClientsReport {
  readonly memoryBefore: number;
  readonly rounds: readonly ClientsRound[];
  /** Requests left in the server at the end, among them those of clients that vanished. */
  readonly left: number;
}

/** So many requests are different from each other: what they give alone is found out first, one after the other. */
const DIFFERENT = 40;
/** Clients that vanish in each round. */
const VANISHING = 10;

/**
 * Starts `fourward serve`. Every client asks with a prompt and a seed, a few more vanish in the middle of each round, and
 * what each is told is compared with what its request gives alone.
 */
export async function runClients({ clients, rounds, log, ...options }: ClientsBenchOptions): Promise<ClientsReport> {
  const { model, tokens } = options;
  const server = await startProcess({ ...options, queue: 2 * clients });
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0, timeout: 600_000 });
  const ask = async (i: number): Promise<{ text: string; firstMs: number; made: number }> => {
    const started = performance.now();
    const stream = await client.completions.create({
      model,
      prompt: `${["The", "My fellow citizens,", "Call me", "And when the whale"][i % 4]} ${i % DIFFERENT}`,
      max_tokens: tokens,
      temperature: 0.8,
      seed: i % DIFFERENT,
      stream: true,
      stream_options: { include_usage: true },
    });
    let [text, firstMs, made] = ["", 0, 0];
    for await (const { choices, usage } of stream) {
      if (choices[0]?.text && firstMs === 0) firstMs = performance.now() - started;
      text += choices[0]?.text ?? "";
      made = usage?.completion_tokens ?? made;
    }
    return { text, firstMs, made };
  };
  const vanish = async (): Promise<void> => {
    const stream = await client.completions.create({ model, prompt: "The", max_tokens: tokens, stream: true });
    for await (const _ of stream) break;
    stream.controller.abort();
  };
  try {
    log("each request alone");
    const alone: string[] = [];
    for (let i = 0; i < Math.min(DIFFERENT, clients); i++) alone.push((await ask(i)).text);
    const memoryBefore = server.memory();
    const results: ClientsRound[] = [];
    for (let round = 0; round < rounds; round++) {
      const started = performance.now();
      const [all] = await Promise.all([
        Promise.allSettled(Array.from({ length: clients }, (_, i) => ask(i))),
        Promise.allSettled(Array.from({ length: VANISHING }, vanish)),
      ]);
      const seconds = (performance.now() - started) / 1000;
      const told = all.flatMap((each, i) => (each.status === "fulfilled" ? [{ ...each.value, i }] : []));
      const first = told.map(({ firstMs }) => firstMs).sort((a, b) => a - b);
      const at = (share: number) => first[Math.min(first.length - 1, Math.floor(share * first.length))] ?? Number.NaN;
      results.push({
        tokensPerSecond: told.reduce((total, { made }) => total + made, 0) / seconds,
        firstMs: { p50: at(0.5), p99: at(0.99) },
        failed: clients - told.length,
        different: told.filter(({ text, i }) => text !== alone[i % DIFFERENT]).length,
        memory: server.memory(),
      });
      log(`round ${round + 1} of ${rounds}`);
    }
    const health = (await (await fetch(`${server.url}/health`)).json()) as { requests: number };
    return { memoryBefore, rounds: results, left: health.requests };
  } finally {
    await server.stop();
  }
}

interface ServerProcess {
  readonly url: string;
  /** Resident memory in bytes. */
  memory(): number;
  stop(): Promise<void>;
}

/** The server as users start it, in a process of its own, on a port that is free. */
async function startProcess(options: {
  readonly model: string;
  readonly rows: number;
  readonly queue: number;
  readonly threads: number;
}): Promise<ServerProcess> {
  const { model, ...flags } = options;
  const port = await freePort();
  const named = Object.entries({ ...flags, port, name: model }).filter(([name]) => serveFlags.has(name));
  const args = named.flatMap(([name, value]) => [`--${name}`, String(value)]);
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", main, "serve", model, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  await Promise.race([
    once(child.stdout, "data"),
    ended.then(() => {
      throw new Error(`bench: fourward serve ${model} did not start`);
    }),
  ]);
  return {
    url: `http://127.0.0.1:${port}`,
    memory: () => 1024 * Number(execFileSync("ps", ["-o", "rss=", "-p", String(child.pid)]).toString()),
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

const serveFlags = new Set(["rows", "queue", "threads", "port", "name"]);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);

export const clientsText = ({ memoryBefore, rounds, left }: ClientsReport): string =>
  `${table(
    ["round", "tokens/s", "first text, ms: p50", "p99", "failed", "different", "RSS, MB"],
    rounds.map(({ tokensPerSecond, firstMs, failed, different, memory }, i) => [
      String(i + 1),
      tokensPerSecond.toFixed(0),
      firstMs.p50.toFixed(0),
      firstMs.p99.toFixed(0),
      String(failed),
      String(different),
      megabytes(memory),
    ]),
  )}\nRSS before: ${megabytes(memoryBefore)} MB; requests left: ${left}\n`;
