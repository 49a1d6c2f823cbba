import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compile, evaluate, flatten, key, mapTree, normal, tensor, toNested } from "../../../src/array/index.ts";
import {
  type DecoderConfig,
  decoder,
  loadPretrained,
  loadTokenizer,
  openSafetensors,
  savePretrained,
  type TensorToWrite,
  trainTokenizer,
  writeSafetensors,
} from "../../../src/models/index.ts";
import { gpt2Logits } from "./reference.ts";

const folder = await mkdtemp(join(tmpdir(), "fourward-pretrained-"));
const block = [
  { mixer: { kind: "attention", heads: 2 } },
  { ffn: { kind: "dense", hidden: 24, activation: "relu" } },
] as const;
const config: DecoderConfig = { vocabulary: 300, context: 10, width: 12, positions: "learned", blocks: [block, block] };
const tokenizer = await loadTokenizer(trainTokenizer(["a whale and another whale"], { vocabulary: 300 }));

/** A model all of whose parameters are random, norms and biases too. */
async function randomModel(given: DecoderConfig, seed: number) {
  const model = decoder(given);
  let next = seed;
  const params = await evaluate(mapTree(model.init(key(seed)), (x) => normal(key(next++), x.shape, { std: 0.3 })));
  return { model, params, tokenizer };
}
const tokens = [5, 250, 3, 99, 7, 7];
const logitsOf = async ({
  model,
  params,
}: Awaited<ReturnType<typeof randomModel>> | Awaited<ReturnType<typeof loadPretrained>>) =>
  (
    toNested(await compile(model.apply)(params, tensor(Int32Array.from(tokens), { shape: [1, 6] }))) as number[][][]
  )[0] as number[][];

describe("a decoder of GPT-2's form", () => {
  it("is written under GPT-2's names and computes what GPT-2 is defined to compute", async () => {
    const saved = await randomModel(config, 1);
    await savePretrained(join(folder, "gpt2"), saved, { fields: { eos_token_id: 299 } });
    const fields = JSON.parse(await readFile(join(folder, "gpt2/config.json"), "utf8"));
    expect(fields).toMatchObject({
      model_type: "gpt2",
      n_embd: 12,
      n_layer: 2,
      n_head: 2,
      n_inner: 24,
      n_positions: 10,
      vocab_size: 300,
      activation_function: "relu",
      eos_token_id: 299,
    });
    const file = await openSafetensors(join(folder, "gpt2/model.safetensors"));
    const tensors = new Map<string, ArrayLike<number>>();
    for (const name of file.entries.keys()) tensors.set(name, (await file.read(name)).data as Float32Array);
    expect(file.entries.get("transformer.h.1.attn.c_attn.weight")?.shape).toEqual([12, 36]);
    expect(file.entries.get("transformer.h.0.mlp.c_fc.weight")?.shape).toEqual([12, 24]);
    expect(tensors.size).toBe(4 + 2 * 12);
    await file.close();
    const shape = { width: 12, heads: 2, layers: 2 };
    const weights = (name: string) => tensors.get(`transformer.${name}`) as ArrayLike<number>;
    const expected = gpt2Logits(shape, weights, (x) => Math.max(0, x), tokens);
    (await logitsOf(saved)).forEach((row, t) => {
      row.forEach((value, v) => {
        expect(value).toBeCloseTo(expected[t]?.[v] as number, 4);
      });
    });
  });

  it("comes back bit by bit, with its tokenizer", async () => {
    const saved = await randomModel(config, 2);
    await savePretrained(join(folder, "back"), saved);
    const loaded = await loadPretrained(join(folder, "back"));
    expect(loaded.model.config).toEqual(saved.model.config);
    const [a, b] = [flatten(saved.params), flatten(loaded.params)];
    expect(b.paths).toEqual(a.paths);
    a.leaves.forEach((leaf, i) => {
      expect(b.leaves[i]?.data).toEqual(leaf.data);
    });
    expect(loaded.tokenizer?.decode(loaded.tokenizer.encode("another whale"))).toBe("another whale");
  });

  it("is half as large in float16, and rounded to it", async () => {
    const saved = await randomModel(config, 3);
    await savePretrained(join(folder, "half"), saved, { dtype: "float16" });
    const loaded = await loadPretrained(join(folder, "half"));
    const [a, b] = [flatten(saved.params).leaves, flatten(loaded.params).leaves];
    a.forEach((leaf, i) => {
      leaf.data.forEach((value, k) => {
        expect(Math.abs(Number(b[i]?.data[k]) - Number(value))).toBeLessThanOrEqual(
          Math.abs(Number(value)) * 2 ** -11 + 1e-7,
        );
      });
    });
    // Kept in half the memory, it computes the same.
    const kept = await loadPretrained(join(folder, "half"), { keepHalf: true });
    expect(new Set(flatten(kept.params).leaves.map(({ dtype }) => dtype))).toEqual(new Set(["float16", "float32"]));
    expect(await logitsOf(kept)).toEqual(await logitsOf(loaded));
  });

  it("is loaded from a checkpoint whose names have no prefix", async () => {
    const saved = await randomModel(config, 4);
    await savePretrained(join(folder, "bare"), saved);
    const path = join(folder, "bare/model.safetensors");
    // Names of the same length keep the offsets; the prefix becomes blanks, which JSON allows around the names.
    const bytes = await readFile(path, "latin1");
    await writeFile(path, bytes.replaceAll('"transformer.', '            "'), "latin1");
    expect(await logitsOf(await loadPretrained(join(folder, "bare")))).toEqual(await logitsOf(saved));
  });
});

describe("folders as they are found", () => {
  it("have fields that are null, tensors that nothing uses, and weights under a name of their own", async () => {
    const saved = await randomModel(config, 7);
    const path = join(folder, "found");
    await savePretrained(path, saved);
    const file = await openSafetensors(join(path, "model.safetensors"));
    const tensors: Record<string, TensorToWrite> = { "transformer.h.0.attn.bias": mask, "rotary_emb.inv_freq": mask };
    for (const [name, { dtype, shape }] of file.entries)
      tensors[`model.${name}`] = { dtype, shape, data: await file.bytes(name) };
    await file.close();
    await rm(join(path, "model.safetensors"));
    await writeSafetensors(join(path, "weights.safetensors"), tensors);
    const fields = JSON.parse(await readFile(join(path, "config.json"), "utf8"));
    const nulls = { layer_norm_epsilon: null, scale_attn_weights: null, n_inner: 24, eos_token_id: [7, 3] };
    await writeFile(join(path, "config.json"), JSON.stringify({ ...fields, ...nulls }));
    const found = await loadPretrained(path);
    expect(await logitsOf(found)).toEqual(await logitsOf(saved));
    expect(found.tokenizer?.ends).toEqual([7, 3]);
  });

  it("have vocabulary and merges, and say that texts have a beginning", async () => {
    const path = join(folder, "pairs");
    await savePretrained(path, await randomModel(config, 8));
    const { model } = tokenizer.json;
    await rm(join(path, "tokenizer.json"));
    await writeFile(join(path, "vocab.json"), JSON.stringify({ ...model.vocab, "</s>": 290 }));
    const merges = (model.merges ?? []).map((pair) => (typeof pair === "string" ? pair : pair.join(" ")));
    await writeFile(join(path, "merges.txt"), `#version: 0.2\n${merges.join("\n")}\n`);
    await writeFile(
      join(path, "tokenizer_config.json"),
      JSON.stringify({ add_bos_token: true, bos_token: { content: "</s>" } }),
    );
    const found = await loadPretrained(path);
    expect(found.tokenizer?.encode("another whale")).toEqual(tokenizer.encode("another whale"));
    expect(found.tokenizer?.beginning).toEqual([290]);
    // What is saved says so too.
    await savePretrained(`${path}-again`, found);
    const again = await loadPretrained(`${path}-again`);
    expect(again.tokenizer?.beginning).toEqual([290]);
    expect(again.tokenizer?.encode("another whale")).toEqual(tokenizer.encode("another whale"));
  });
});

const mask: TensorToWrite = { dtype: "BOOL", shape: [2, 2], data: Uint8Array.of(1, 0, 1, 1) };

describe("a decoder that no published architecture has", () => {
  const own: DecoderConfig = {
    ...config,
    positions: "rotary",
    norm: "rms",
    blocks: [
      [
        { ffn: { kind: "gated", hidden: 8 }, scale: 0.5, shared: "a" },
        block[0],
        { ffn: { kind: "gated", hidden: 8 }, shared: "a" },
      ],
    ],
  };
  it("comes back under our own names", async () => {
    const saved = await randomModel(own, 5);
    await savePretrained(join(folder, "own"), saved);
    const file = await openSafetensors(join(folder, "own/model.safetensors"));
    expect([...file.entries.keys()]).toContain("shared.a.gate.weight");
    await file.close();
    expect(await logitsOf(await loadPretrained(join(folder, "own")))).toEqual(await logitsOf(saved));
  });
});

describe("says in one sentence that", () => {
  const broken = async (name: string, change: (folder: string) => Promise<void>, message: string | RegExp) => {
    const path = join(folder, name);
    await savePretrained(path, await randomModel(config, 6));
    await change(path);
    await expect(loadPretrained(path)).rejects.toThrow(message);
  };
  const edit = (fields: object) => async (path: string) => {
    const file = join(path, "config.json");
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...fields }));
  };
  it("there is no such folder", async () => {
    await expect(loadPretrained(join(folder, "none"))).rejects.toThrow(/none.*config\.json/);
  });
  it("the configuration is not JSON", () =>
    broken("text", (path) => writeFile(join(path, "config.json"), "{"), "it is not JSON"));
  it("the architecture is not known", () =>
    broken("unknown", edit({ model_type: "mamba" }), 'unknown model_type "mamba"; known are gpt2'));
  it("a field is not what this architecture can have", () =>
    broken("activation", edit({ activation_function: "mish" }), /config\.json: activation_function: /));
  it("weights and configuration do not belong together", () =>
    broken("width", edit({ n_embd: 16 }), "do config.json and the weights belong together?"));
  it("a weight is missing", () => broken("layers", edit({ n_layer: 3 }), "h.2.ln_1.weight"));
  it("the weights are missing", () =>
    broken("weights", (path) => rm(join(path, "model.safetensors")), "model.safetensors"));
  it("the weights are a pickle", () =>
    broken(
      "pickle",
      (path) => rename(join(path, "model.safetensors"), join(path, "pytorch_model.bin")),
      "its weights are in pytorch_model.bin, a pickle, which can hold programs and is not read here; save it as safetensors",
    ));
});
