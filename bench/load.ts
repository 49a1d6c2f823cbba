/** How much memory and time a large checkpoint takes until its first token. */
import { spawn } from "node:child_process";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadTokenizer, type TensorToWrite, trainTokenizer, writeWeights } from "../src/models/index.ts";

/** Types of the stored weights that are compared. */
export const loadTypes = ["F32", "BF16", "F16"] as const;
type LoadType = (typeof loadTypes)[number];

export interface LoadBenchOptions {
  readonly types: readonly LoadType[];
  /** Size of the weights' file. */
  readonly gigabytes: number;
  readonly folder: string;
  readonly rounds: number;
  /** Further arguments of `fourward generate`. */
  readonly flags: readonly string[];
  readonly log: (line: string) => void;
}

export interface LoadFigures {
  readonly type: LoadType;
  readonly gigabytes: number;
  readonly seconds: readonly number[];
  /** Highest resident memory over the size of the file. */
  readonly memory: readonly number[];
}

const [width, hidden, vocabulary] = [2048, 5632, 32_000];

/**
 * Writes random checkpoints of Llama's form, each once per type, and measures in new processes how long `fourward
 * generate` takes to its first token, and its highest resident memory (VmHWM, so this needs Linux).
 */
export async function runLoad({
  types,
  folder,
  rounds,
  flags,
  log,
  gigabytes,
}: LoadBenchOptions): Promise<LoadFigures[]> {
  const runs = new Map<LoadType, { seconds: number[]; memory: number[] }>();
  const sizes = new Map<LoadType, number>();
  for (const type of types) {
    sizes.set(type, await writeCheckpoint(join(folder, type), type, gigabytes * 1e9));
    log(`wrote ${type}: ${((sizes.get(type) as number) / 1e9).toFixed(2)} GB`);
    runs.set(type, { seconds: [], memory: [] });
  }
  for (let round = 0; round < rounds; round++)
    for (const type of types) {
      const { seconds, bytes } = await firstToken(join(folder, type), flags);
      const own = runs.get(type) as { seconds: number[]; memory: number[] };
      own.seconds.push(seconds);
      own.memory.push(bytes / (sizes.get(type) as number));
      log(`${type}: ${seconds.toFixed(2)} s to the first token, ${(bytes / 1e9).toFixed(2)} GB`);
    }
  for (const type of types) await rm(join(folder, type), { recursive: true });
  return types.map((type) => ({
    type,
    gigabytes: (sizes.get(type) as number) / 1e9,
    ...(runs.get(type) as { seconds: number[]; memory: number[] }),
  }));
}

export async function writeCheckpoint(folder: string, type: LoadType, bytes: number): Promise<number> {
  await mkdir(folder, { recursive: true });
  const elementBytes = type === "F32" ? 4 : 2;
  const perLayer = 4 * width * width + 3 * width * hidden;
  const layers = Math.round((bytes / elementBytes - 2 * vocabulary * width) / perLayer);
  const config = {
    model_type: "llama",
    vocab_size: vocabulary,
    max_position_embeddings: 131_072,
    hidden_size: width,
    intermediate_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: 16,
    num_key_value_heads: 16,
    tie_word_embeddings: false,
  };
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  const tokenizer = await loadTokenizer(trainTokenizer(["to be or not to be"], { vocabulary: 260 }));
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizer.json));
  const tensors: Record<string, TensorToWrite> = {};
  const add = (name: string, ...shape: number[]): void => {
    const size = shape.reduce((a, b) => a * b, 1);
    tensors[name] = { dtype: type, shape, data: numbers(type, size, shape.length === 1) };
  };
  add("model.embed_tokens.weight", vocabulary, width);
  add("lm_head.weight", vocabulary, width);
  add("model.norm.weight", width);
  for (let i = 0; i < layers; i++) {
    for (const part of ["q", "k", "v", "o"]) add(`model.layers.${i}.self_attn.${part}_proj.weight`, width, width);
    for (const part of ["gate", "up"]) add(`model.layers.${i}.mlp.${part}_proj.weight`, hidden, width);
    add(`model.layers.${i}.mlp.down_proj.weight`, width, hidden);
    for (const part of ["input", "post_attention"]) add(`model.layers.${i}.${part}_layernorm.weight`, width);
  }
  await writeWeights(folder, tensors, { metadata: { format: "pt" } });
  return (await stat(join(folder, "model.safetensors"))).size;
}

let state = 1;
/** Numbers within 1/64, or ones. */
function numbers(type: LoadType, size: number, ones: boolean): ArrayBufferView {
  const data = type === "F32" ? new Float32Array(size) : new Uint16Array(size);
  const one = { F32: 1, BF16: 0x3f80, F16: 0x3c00 }[type];
  const [sign, low, spread] = type === "BF16" ? [0x8000, 0x3b80, 0x100] : [0x8000, 0x1c00, 0x800];
  for (let i = 0; i < size; i++) {
    if (ones) {
      data[i] = one;
      continue;
    }
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const bits = state >>> 12;
    data[i] = type === "F32" ? bits / 2 ** 25 - 1 / 64 : (bits & 1 ? sign : 0) | (low + ((bits >>> 1) % spread));
  }
  return data;
}

async function firstToken(model: string, flags: readonly string[]): Promise<{ seconds: number; bytes: number }> {
  const started = performance.now();
  const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
  const args = ["--import", "tsx", main, "generate", model, "--prompt", "to be", "--tokens", "1", "--temperature", "0"];
  const child = spawn(process.execPath, [...args, "--json", ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  let highest = 0;
  const timer = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, "utf8").catch(() => "");
    highest = Math.max(highest, 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
  }, 20);
  const code = await new Promise((resolve) => child.on("close", resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`fourward generate ended with code ${code}`);
  if (!output.includes('"tokens": 1')) throw new Error(`fourward generate gave no token: ${output}`);
  // The end of the process is counted too.
  return { seconds: (performance.now() - started) / 1000, bytes: highest };
}

export const loadText = (figures: readonly LoadFigures[]): string =>
  figures
    .map(
      ({ type, gigabytes, seconds, memory }) =>
        `${type}, ${gigabytes.toFixed(2)} GB: first token after ${middle(seconds).toFixed(1)} s (${Math.min(...seconds).toFixed(1)} to ${Math.max(...seconds).toFixed(1)}), highest resident memory ${middle(memory).toFixed(2)}x the file\n`,
    )
    .join("");

const middle = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
