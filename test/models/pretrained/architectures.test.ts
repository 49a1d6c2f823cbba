import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { compile, tensor, toNested } from "../../../src/array/index.ts";
import { loadPretrained, openWeights, savePretrained, writeWeights } from "../../../src/models/index.ts";
import {
  type LlamaShape,
  llamaLogits,
  neoxLogits,
  optLogits,
  optPostNormLogits,
  type Rows,
  type Weights,
} from "./reference.ts";

const folder = await mkdtemp(join(tmpdir(), "fourward-architectures-"));
const tokens = [3, 17, 0, 8, 8, 21, 5];

/** Numbers that look random, the same everywhere. */
function randoms(seed: number) {
  let state = seed;
  return (count: number, scale: number, around = 0): Float32Array =>
    Float32Array.from({ length: count }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return around + scale * (state / 2 ** 31 - 1);
    });
}

/**
 * Writes a checkpoint as its publishers do, from tensors of the given shapes, and gives our logits beside those of the
 * definition. Names and shapes stand here as they are published, not as our maps have them.
 */
async function both(
  name: string,
  fields: object,
  shapes: { readonly [name: string]: readonly number[] },
  definition: (weights: Weights) => Rows,
): Promise<{ ours: Rows; theirs: Rows; path: string }> {
  const draw = randoms(name.length * 7919 + 1);
  const data = new Map(
    Object.entries(shapes).map(([key, shape]) => {
      const isScale = shape.length === 1 && key.endsWith("weight");
      return [
        key,
        draw(
          shape.reduce((a, b) => a * b, 1),
          0.4,
          isScale ? 1 : 0,
        ),
      ] as const;
    }),
  );
  const path = join(folder, name);
  await mkdir(path);
  await writeFile(join(path, "config.json"), JSON.stringify(fields));
  const stored = Object.entries(shapes).map(
    ([key, shape]) => [key, { dtype: "F32" as const, shape, data: data.get(key) as Float32Array }] as const,
  );
  // In several files, as large checkpoints are.
  await writeWeights(path, Object.fromEntries(stored), { maxBytes: 4000 });
  const { model, params } = await loadPretrained(path);
  const logits = await compile(model.apply)(params, tensor(Int32Array.from(tokens), { shape: [1, tokens.length] }));
  return {
    path,
    ours: (toNested(logits) as number[][][])[0] as Rows,
    theirs: definition((key) => data.get(key) as Float32Array),
  };
}

function close({ ours, theirs }: { ours: Rows; theirs: Rows }): void {
  const largest = Math.max(...theirs.flat().map(Math.abs));
  for (const [t, row] of theirs.entries())
    for (const [v, value] of row.entries())
      expect(Math.abs((ours[t]?.[v] as number) - value) / largest).toBeLessThan(1e-5);
}

const repeat = (layers: number, shapes: { readonly [name: string]: readonly number[] }, prefix: string) =>
  Object.fromEntries(
    Array.from({ length: layers }, (_, i) =>
      Object.entries(shapes).map(([name, shape]) => [`${prefix}${i}.${name}`, shape] as const),
    ).flat(),
  );

const [width, hidden, vocabulary] = [12, 20, 23];
const llamaFields = {
  vocab_size: vocabulary,
  max_position_embeddings: 16,
  hidden_size: width,
  intermediate_size: hidden,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  num_key_value_heads: 1,
  rms_norm_eps: 1e-6,
  hidden_act: "silu",
};
const llamaShapes = (head: number, more: object = {}) => ({
  "model.embed_tokens.weight": [vocabulary, width],
  ...repeat(
    2,
    {
      "input_layernorm.weight": [width],
      "self_attn.q_proj.weight": [3 * head, width],
      "self_attn.k_proj.weight": [head, width],
      "self_attn.v_proj.weight": [head, width],
      "self_attn.o_proj.weight": [width, 3 * head],
      "post_attention_layernorm.weight": [width],
      "mlp.gate_proj.weight": [hidden, width],
      "mlp.up_proj.weight": [hidden, width],
      "mlp.down_proj.weight": [width, hidden],
      ...more,
    },
    "model.layers.",
  ),
  "model.norm.weight": [width],
});
const llamaShape = (more: Partial<LlamaShape> = {}): LlamaShape => ({
  width,
  heads: 3,
  kvHeads: 1,
  layers: 2,
  eps: 1e-6,
  tied: false,
  bias: false,
  headNorms: false,
  frequency: (pair) => 10_000 ** ((-2 * pair) / 4),
  ...more,
});
const head = { "lm_head.weight": [vocabulary, width] };

it("computes Llama as it is defined", async () => {
  const shapes = { ...llamaShapes(4), ...head };
  close(
    await both("llama", { ...llamaFields, model_type: "llama" }, shapes, (w) => llamaLogits(llamaShape(), w, tokens)),
  );
});

it("computes Llama 3's slower rotations as they are defined", async () => {
  const scaling = {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 12,
  };
  const fields = {
    ...llamaFields,
    model_type: "llama",
    rope_theta: 20,
    rope_scaling: scaling,
    tie_word_embeddings: true,
  };
  const frequency = (pair: number): number => {
    const usual = 20 ** ((-2 * pair) / 4);
    const wavelength = (2 * Math.PI) / usual;
    if (wavelength < 12 / 4) return usual;
    if (wavelength > 12 / 1) return usual / 8;
    const smooth = (12 / wavelength - 1) / (4 - 1);
    return ((1 - smooth) * usual) / 8 + smooth * usual;
  };
  const shape = llamaShape({ tied: true, frequency });
  close(await both("llama3", fields, llamaShapes(4), (w) => llamaLogits(shape, w, tokens)));
});

it("computes YaRN's rotations as they are defined, in the fields of newer files", async () => {
  const fields = {
    ...llamaFields,
    model_type: "qwen2",
    tie_word_embeddings: true,
    sliding_window: 4,
    rope_scaling: null,
    rope_parameters: {
      rope_type: "yarn",
      rope_theta: 50,
      factor: 4,
      original_max_position_embeddings: 12,
      beta_fast: 1.5,
    },
  };
  const biases = { "self_attn.q_proj.bias": [24], "self_attn.k_proj.bias": [8], "self_attn.v_proj.bias": [8] };
  // Four pairs, base 50, 12 positions: a pair turns 12·50^(-i/4)/2π times, which is 1.5 at i = 0.247 and 1 at i = 0.662;
  // rounded outwards, pair 0 is as it was and pairs from 1 on are slow.
  const frequency = (pair: number): number => 50 ** (-pair / 4) / (pair === 0 ? 1 : 4);
  const shape = llamaShape({ tied: true, bias: true, frequency, magnitude: 0.1 * Math.log(4) + 1 });
  const result = await both("yarn", { ...fields, head_dim: 8 }, llamaShapes(8, biases), (w) =>
    llamaLogits(shape, w, tokens),
  );
  close(result);
  const { model } = await loadPretrained(result.path);
  expect(model.config.context).toBe(16);
  expect(model.config.rotary.scaling).toMatchObject({ kind: "yarn", rounded: true });
});

it("says which rotations it does not know", async () => {
  const path = join(folder, "longrope");
  await mkdir(path);
  const fields = { ...llamaFields, model_type: "llama", rope_scaling: { type: "longrope", short_factor: [1] } };
  await writeFile(join(path, "config.json"), JSON.stringify(fields));
  await expect(loadPretrained(path)).rejects.toThrow(
    /config\.json: rope_scaling.*of the kind "longrope" are not supported; known are default, linear/,
  );
});

it("computes Mistral as it is defined, up to its window", async () => {
  const fields = { ...llamaFields, model_type: "mistral", sliding_window: 9, head_dim: 6 };
  const shape = llamaShape({ frequency: (pair) => 10_000 ** ((-2 * pair) / 6) });
  const result = await both("mistral", fields, { ...llamaShapes(6), ...head }, (w) => llamaLogits(shape, w, tokens));
  close(result);
  expect((await loadPretrained(result.path)).model.config.context).toBe(9);
});

it("computes Qwen2 as it is defined", async () => {
  const biases = { "self_attn.q_proj.bias": [12], "self_attn.k_proj.bias": [4], "self_attn.v_proj.bias": [4] };
  const fields = {
    ...llamaFields,
    model_type: "qwen2",
    tie_word_embeddings: true,
    use_sliding_window: false,
    sliding_window: 4,
  };
  const shape = llamaShape({ tied: true, bias: true });
  close(await both("qwen2", fields, llamaShapes(4, biases), (w) => llamaLogits(shape, w, tokens)));
});

it("computes Qwen3 as it is defined", async () => {
  const norms = { "self_attn.q_norm.weight": [8], "self_attn.k_norm.weight": [8] };
  const fields = { ...llamaFields, model_type: "qwen3", head_dim: 8, rope_theta: 1e6 };
  const shape = llamaShape({ headNorms: true, frequency: (pair) => 1e6 ** ((-2 * pair) / 8) });
  close(await both("qwen3", fields, { ...llamaShapes(8, norms), ...head }, (w) => llamaLogits(shape, w, tokens)));
});

const pair = (name: string, shape: readonly number[]) => ({
  [`${name}.weight`]: shape,
  [`${name}.bias`]: [shape[0] as number],
});
const optFields = {
  model_type: "opt",
  vocab_size: vocabulary,
  max_position_embeddings: 16,
  hidden_size: width,
  ffn_dim: hidden,
  num_hidden_layers: 2,
  num_attention_heads: 3,
};
const optLayers = repeat(
  2,
  {
    ...pair("self_attn_layer_norm", [width]),
    ...pair("self_attn.q_proj", [width, width]),
    ...pair("self_attn.k_proj", [width, width]),
    ...pair("self_attn.v_proj", [width, width]),
    ...pair("self_attn.out_proj", [width, width]),
    ...pair("final_layer_norm", [width]),
    ...pair("fc1", [hidden, width]),
    ...pair("fc2", [width, hidden]),
  },
  "model.decoder.layers.",
);

it("computes OPT as it is defined", async () => {
  const fields = { ...optFields, do_layer_norm_before: true, word_embed_proj_dim: width };
  const shapes = {
    "model.decoder.embed_tokens.weight": [vocabulary, width],
    "model.decoder.embed_positions.weight": [18, width],
    ...optLayers,
    ...pair("model.decoder.final_layer_norm", [width]),
  };
  const result = await both("opt", fields, shapes, (w) => optLogits({ width, heads: 3, layers: 2 }, w, tokens));
  close(result);
});

it("computes OPT-350m's form as it is defined", async () => {
  const narrow = 8;
  const fields = { ...optFields, do_layer_norm_before: false, word_embed_proj_dim: narrow };
  const shapes = {
    "model.decoder.embed_tokens.weight": [vocabulary, narrow],
    "model.decoder.embed_positions.weight": [18, width],
    "model.decoder.project_in.weight": [width, narrow],
    "model.decoder.project_out.weight": [narrow, width],
    ...optLayers,
  };
  const shape = { width, heads: 3, layers: 2, narrow };
  close(await both("opt350", fields, shapes, (w) => optPostNormLogits(shape, w, tokens)));
});

it("computes GPT-NeoX as it is defined", async () => {
  const fields = {
    model_type: "gpt_neox",
    vocab_size: vocabulary,
    max_position_embeddings: 16,
    hidden_size: 16,
    intermediate_size: hidden,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    rotary_pct: 0.5,
    hidden_act: "gelu",
  };
  const shapes = {
    "gpt_neox.embed_in.weight": [vocabulary, 16],
    ...repeat(
      2,
      {
        ...pair("input_layernorm", [16]),
        ...pair("attention.query_key_value", [48, 16]),
        ...pair("attention.dense", [16, 16]),
        ...pair("post_attention_layernorm", [16]),
        ...pair("mlp.dense_h_to_4h", [hidden, 16]),
        ...pair("mlp.dense_4h_to_h", [16, hidden]),
      },
      "gpt_neox.layers.",
    ),
    ...pair("gpt_neox.final_layer_norm", [16]),
    "embed_out.weight": [vocabulary, 16],
  };
  close(
    await both("neox", fields, shapes, (w) => neoxLogits({ width: 16, heads: 2, layers: 2, turned: 4 }, w, tokens)),
  );
});

it("writes each of them as itself again", async () => {
  for (const name of ["llama", "llama3", "mistral", "qwen2", "qwen3", "neox", "opt", "yarn", "opt350"]) {
    const loaded = await loadPretrained(join(folder, name));
    const again = join(folder, `${name}-again`);
    await savePretrained(again, loaded);
    const [before, after] = [await openWeights(join(folder, name)), await openWeights(again)];
    // Mistral without its window is Llama, and OPT is GPT-2 under other names.
    const model = JSON.parse(await readFile(join(again, "config.json"), "utf8")).model_type;
    expect(model).toBe(
      { llama3: "llama", mistral: "llama", neox: "gpt_neox", opt: "gpt2", yarn: "qwen2", opt350: "opt" }[name] ?? name,
    );
    if (name !== "opt") {
      expect([...after.entries.keys()].sort()).toEqual([...before.entries.keys()].sort());
      // Rows of positions that nothing uses are not kept.
      for (const key of [...before.entries.keys()].filter((name) => !name.endsWith("embed_positions.weight")))
        expect((await after.read(key)).data).toEqual((await before.read(key)).data);
    }
    await before.close();
    await after.close();
  }
});
