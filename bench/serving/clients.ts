/** A server under many clients that stream at once, round after round. */
import OpenAI from "openai";
import { setDefaults } from "../../src/array/index.ts";
import { loadPretrained, loadSpecialTokens, modelFolder } from "../../src/models/index.ts";
import { startServer } from "../../src/serve/index.ts";
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
  /** Resident memory after the round, clients included, in bytes. */
  readonly memory: number;
}

export interface ClientsReport {
  readonly memoryBefore: number;
  readonly rounds: readonly ClientsRound[];
  /** Requests left in the server at the end, among them those of clients that vanished. */
  readonly left: number;
}

/**
 * Every client asks with a prompt and a seed of its own; a few more vanish in the middle of each round. What each is told
 * is compared with what its request gives alone.
 */
export async function runClients({ model, clients, tokens, rounds, rows, threads, log }: ClientsBenchOptions) {
  setDefaults({ threads });
  const folder = modelFolder(model);
  const { tokenizer, ...loaded } = await loadPretrained(folder);
  if (!tokenizer) throw new Error(`bench: ${model} has no tokenizer`);
  const special = await loadSpecialTokens(folder, tokenizer);
  const server = await startServer(
    { ...loaded, tokenizer, special },
    { name: model, host: "127.0.0.1", port: 0, rows, queue: 2 * clients },
  );
  const client = new OpenAI({
    baseURL: `http://127.0.0.1:${server.port}/v1`,
    apiKey: "none",
    maxRetries: 0,
    timeout: 600_000,
  });
  const ask = async (i: number): Promise<{ text: string; firstMs: number; made: number }> => {
    const started = performance.now();
    const stream = await client.completions.create({
      model,
      prompt: `${["The", "My fellow citizens,", "Call me", "And when the whale"][i % 4]} ${i}`,
      max_tokens: tokens,
      temperature: 0.8,
      seed: i,
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
  log("each request alone");
  const alone: string[] = [];
  for (let i = 0; i < clients; i++) alone.push((await ask(i)).text);
  const memoryBefore = process.memoryUsage().rss;
  const results: ClientsRound[] = [];
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    const [all] = await Promise.all([
      Promise.allSettled(alone.map((_, i) => ask(i))),
      Promise.allSettled(Array.from({ length: 10 }, vanish)),
    ]);
    const seconds = (performance.now() - started) / 1000;
    const told = all.flatMap((each, i) => (each.status === "fulfilled" ? [{ ...each.value, i }] : []));
    const first = told.map(({ firstMs }) => firstMs).sort((a, b) => a - b);
    const at = (share: number) => first[Math.min(first.length - 1, Math.floor(share * first.length))] ?? Number.NaN;
    results.push({
      tokensPerSecond: told.reduce((total, { made }) => total + made, 0) / seconds,
      firstMs: { p50: at(0.5), p99: at(0.99) },
      failed: clients - told.length,
      different: told.filter(({ text, i }) => text !== alone[i]).length,
      memory: process.memoryUsage().rss,
    });
    log(`round ${round + 1} of ${rounds}`);
  }
  const health = (await (await fetch(`http://127.0.0.1:${server.port}/health`)).json()) as { requests: number };
  await server.close();
  return { memoryBefore, rounds: results, left: health.requests } satisfies ClientsReport;
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
