import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { flatten, key, mapTree, tensor } from "../../src/array/index.ts";
import {
  type DecoderConfig,
  decoder,
  loadPretrained,
  loadTokenizer,
  loadVision,
  openWeights,
  savePretrained,
  saveVision,
  trainTokenizer,
  vit,
  writeWeights,
} from "../../src/models/index.ts";
import { damaged, seeded } from "./hostile.ts";

/** How many damaged checkpoints are tried; FOURWARD_FUZZ=100000 for all of them. */
const COUNT = Number(process.env.FOURWARD_FUZZ ?? 1500);
const FIRST = Number(process.env.FOURWARD_FUZZ_SEED ?? 0);

const work = await mkdtemp(join(tmpdir(), "fourward-fuzz-"));
afterAll(() => rm(work, { recursive: true, force: true }));

const attention = { kind: "attention", heads: 2 } as const;
const dense = { ffn: { kind: "dense", hidden: 16 } } as const;
const gated = { ffn: { kind: "gated", hidden: 16 } } as const;
const size = { vocabulary: 260, context: 8, width: 8 } as const;
const forms: { readonly [name: string]: DecoderConfig } = {
  gpt2: { ...size, positions: "learned", blocks: [[{ mixer: attention }, dense]] },
  llama: {
    ...size,
    norm: "rms",
    tied: false,
    rotary: { scaling: { kind: "llama3", factor: 8, context: 8, low: 1, high: 4 } },
    blocks: [[{ mixer: { ...attention, kvHeads: 1, bias: false } }, gated]],
  },
  neox: { ...size, tied: false, rotary: { width: 2 }, blocks: [[{ mixer: attention }, { ...dense, beside: true }]] },
  opt: { ...size, positions: "learned", placement: "post", embeddingWidth: 4, blocks: [[{ mixer: attention }, dense]] },
  own: {
    ...size,
    blocks: [
      [
        { mixer: { kind: "windowFourier", window: 3 } },
        { ffn: { kind: "moefied", hidden: 16, experts: 4, active: 2, router: "linear" } },
      ],
    ],
  },
};
const zeros = <T>(tree: T): T =>
  mapTree(tree, ({ shape, size: n }) => tensor(new Float32Array(n).fill(0.1), { shape }));

/** What reads a folder: a language model, or one that sees. */
type Read = (folder: string) => Promise<unknown>;
const readDecoder: Read = async (folder) => {
  const { tokenizer, params } = await loadPretrained(folder);
  try {
    const tokens = tokenizer?.encode("a whale, and 2 more\n") ?? [];
    tokenizer?.decode(tokens);
  } catch (error) {
    // What a vocabulary lacks shows when a text needs it.
    expect(error).toBeInstanceOf(Error);
  }
  return flatten(params).leaves.length;
};
const readers: Record<string, Read> = {};

beforeAll(async () => {
  const tokenizer = await loadTokenizer(trainTokenizer(["a whale and another whale"], { vocabulary: 260 }));
  for (const [name, config] of Object.entries(forms)) {
    const model = decoder(config);
    const folder = join(work, name);
    await savePretrained(folder, { model, params: zeros(model.init(key(0))), tokenizer });
    await writeFile(
      join(folder, "tokenizer_config.json"),
      JSON.stringify({ add_bos_token: true, bos_token: "<|endoftext|>" }),
    );
    readers[name] = readDecoder;
  }
  // In several files, with a vocabulary and merges.
  const sharded = join(work, "sharded");
  await mkdir(sharded);
  await copyFile(join(work, "gpt2/config.json"), join(sharded, "config.json"));
  const file = await openWeights(join(work, "gpt2"));
  const tensors = [...file.entries].map(async ([name, { dtype, shape }]) => [
    name,
    { dtype, shape, data: await file.bytes(name) },
  ]);
  await writeWeights(sharded, Object.fromEntries(await Promise.all(tensors)), { maxBytes: 4000 });
  await file.close();
  await writeFile(join(sharded, "vocab.json"), JSON.stringify(tokenizer.json.model.vocab));
  const merges = (tokenizer.json.model.merges ?? []).map((pair) => (typeof pair === "string" ? pair : pair.join(" ")));
  await writeFile(join(sharded, "merges.txt"), merges.join("\n"));
  readers.sharded = readDecoder;
  const seeing = vit({
    image: [4, 4],
    patch: 2,
    width: 8,
    classes: 3,
    eps: 1e-12,
    distillation: "head",
    blocks: [[{ mixer: attention }, dense]],
  });
  await saveVision(join(work, "deit"), {
    model: seeing,
    params: zeros(seeing.init(key(0))),
    labels: ["a", "b", "c"],
    scaling: { factor: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  });
  readers.deit = (folder) => loadVision(folder);
});

it(
  `of ${COUNT} damaged checkpoints each loads or is refused in one sentence that names the file, in the memory of its files`,
  async () => {
    const bases = Object.keys(readers);
    const contents = new Map<string, ReadonlyMap<string, Uint8Array>>();
    for (const base of bases) {
      const names = await readdir(join(work, base));
      contents.set(
        base,
        new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(work, base, name))] as const))),
      );
    }
    const before = process.memoryUsage.rss();
    const wrong: string[] = [];
    let refused = 0;
    let slowest = 0;
    for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
      const random = seeded(seed);
      const base = bases[Math.floor(random() * bases.length)] as string;
      const files = contents.get(base) as ReadonlyMap<string, Uint8Array>;
      const folder = join(work, "case");
      await mkdir(folder);
      const names = [...files.keys()];
      const hit = names[Math.floor(random() * names.length)] as string;
      for (const [name, bytes] of files)
        await writeFile(join(folder, name), name === hit ? damaged(name, bytes, random) : bytes);
      const started = performance.now();
      try {
        await (readers[base] as Read)(folder);
      } catch (error) {
        refused++;
        const message = error instanceof Error ? error.message : `not an error: ${String(error)}`;
        const isSentence = message.includes(folder) && !message.includes("\n") && message.length < 800;
        if (!isSentence || /Cannot read prop|is not a function|not iterable|call stack/.test(message))
          wrong.push(`seed ${seed}, ${base}/${hit}: ${message.slice(0, 300)}`);
      }
      slowest = Math.max(slowest, performance.now() - started);
      await rm(folder, { recursive: true });
    }
    const grown = (process.memoryUsage.rss() - before) / 2 ** 20;
    if (COUNT > 5000)
      console.log(
        `${COUNT} cases: ${refused} refused; slowest ${slowest.toFixed(0)} ms; ${grown.toFixed(0)} MiB more at the end, ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB at most`,
      );
    // Each must be one sentence that names the file.
    expect(wrong.slice(0, 20)).toEqual([]);
    expect(refused).toBeGreaterThan(COUNT / 4);
    // The files are a few kilobytes each.
    expect(process.resourceUsage().maxRSS / 1024).toBeLessThan(1500);
  },
  COUNT * 100 + 60_000,
);

it("expressions that can take forever are refused", async () => {
  const folder = join(work, "llama");
  const file = join(work, "slow.json");
  const json = JSON.parse(await readFile(join(folder, "tokenizer.json"), "utf8"));
  json.pre_tokenizer = { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated", invert: false };
  await writeFile(file, JSON.stringify(json));
  await expect(loadTokenizer(file)).rejects.toThrow('the expression "(a+)+$" repeats what is repeated');
  json.pre_tokenizer.pattern.Regex =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  await writeFile(file, JSON.stringify(json));
  const tokenizer = await loadTokenizer(file);
  expect(tokenizer.encode("a whale").length).toBeGreaterThan(0);
});

it("a configuration that asks for more than the weights hold is refused before memory is taken for it", async () => {
  const folder = join(work, "huge");
  const config = JSON.parse(await readFile(join(work, "llama/config.json"), "utf8"));
  for (const fields of [
    { hidden_size: 2 ** 20, head_dim: 2 ** 19 },
    { vocab_size: 2 ** 40 },
    { num_hidden_layers: 2 ** 30 },
    { num_hidden_layers: 10_000 },
    { intermediate_size: 2 ** 50 },
    { num_attention_heads: 2 ** 30, head_dim: 4 },
  ]) {
    await mkdir(folder);
    await copyFile(join(work, "llama/model.safetensors"), join(folder, "model.safetensors"));
    await writeFile(join(folder, "config.json"), JSON.stringify({ ...config, ...fields }));
    const before = process.memoryUsage().arrayBuffers;
    await expect(loadPretrained(folder)).rejects.toThrow(folder);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
    await rm(folder, { recursive: true });
  }
});
