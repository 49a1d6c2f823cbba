/** Decoders with their weights and tokenizers in folders of the Hugging Face layout. */
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { flatten, key, type Tensor, tensor, toFloat16Bits } from "../../array/index.ts";
import { fileError, writeFileAtomic } from "../../data/index.ts";
import type { TensorToWrite } from "../safetensors.ts";
import type { SafetensorsDType } from "../safetensors-header.ts";
import { openWeights, writeWeights } from "../sharded.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer/index.ts";
import { type Decoder, type DecoderConfig, type DecoderParams, decoder } from "../transformer/decoder.ts";
import { type Architecture, asFloat32, fromStored, storedShape, toStored, type WeightPlace } from "./architecture.ts";
import { gpt2 } from "./gpt2.ts";
import { llama, mistral, qwen2, qwen3 } from "./llama.ts";
import { neox } from "./neox.ts";
import { opt } from "./opt.ts";
import { own } from "./own.ts";

/** Those that a decoder is written as come first in this order; our own has them all. */
const architectures: readonly Architecture[] = [gpt2, llama, qwen3, qwen2, mistral, neox, opt, own];

/** A decoder with its weights. */
export interface Pretrained {
  readonly model: Decoder;
  readonly params: DecoderParams;
  /** Null if the folder has no `tokenizer.json`. */
  readonly tokenizer: Tokenizer | null;
}

export interface SavePretrainedOptions {
  /** Type of the stored weights; float32 by default. */
  readonly dtype?: "float32" | "float16";
  /** Further fields of `config.json`, such as `eos_token_id`. */
  readonly fields?: { readonly [field: string]: unknown };
}

/**
 * Writes `config.json`, `model.safetensors` and `tokenizer.json` into a folder, each atomically. A decoder that a
 * published architecture has is written as that one, so that other tools can load it; others are written under our own
 * names. Throws one sentence if a file cannot be written.
 */
export async function savePretrained(
  folder: string,
  { model, params, tokenizer }: Pretrained,
  { dtype = "float32", fields = {} }: SavePretrainedOptions = {},
): Promise<void> {
  const { architecture, form } = architectureOf(model.config);
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError("make the folder", folder, error);
  });
  const { leaves, paths } = flatten(params);
  const byPath = new Map(paths.map((path, i) => [path, leaves[i] as Tensor]));
  const tensors: Record<string, TensorToWrite> = {};
  for (const place of architecture.weights(model.config)) {
    const parts = place.paths.map((path) => byPath.get(path) as Tensor);
    const shapes = parts.map(({ shape }) => shape);
    const values = () =>
      toStored(
        place,
        parts.map((part) => asFloat32(part)),
        shapes,
      );
    tensors[fullName(architecture, place)] = {
      dtype: dtype === "float16" ? "F16" : "F32",
      shape: storedShape(place, shapes),
      data: dtype === "float16" ? () => Uint16Array.from(values(), toFloat16Bits) : values,
    };
  }
  const config = { model_type: architecture.modelType, ...form, torch_dtype: dtype, ...fields };
  await writeWeights(folder, tensors, { metadata: { format: "pt" } });
  if (tokenizer) await writeFileAtomic(join(folder, "tokenizer.json"), `${JSON.stringify(tokenizer.json, null, 1)}\n`);
  await writeFileAtomic(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
}

/** The first architecture whose configuration file can describe this very decoder. */
function architectureOf(config: Required<DecoderConfig>) {
  // What is dropped in training is no part of the model.
  const bare = (given: DecoderConfig) => ({ ...decoder(given).config, dropout: 0 });
  for (const architecture of architectures) {
    const form = architecture.toFields(config);
    if (form === null) continue;
    try {
      if (isDeepStrictEqual(complete(bare(architecture.toDecoder(form, "config"))), complete(bare(config))))
        return { architecture, form };
    } catch {
      // Its own check refuses what it cannot be.
    }
  }
  throw new Error("save: no architecture describes this decoder");
}

/** The configuration with what attention and rotations take from the model around them filled in. */
function complete(config: Required<DecoderConfig>): unknown {
  const { width, rotary, positions } = config;
  return {
    ...config,
    rotary: positions === "rotary" ? { base: 10_000, pairs: "halves", ...rotary } : {},
    blocks: config.blocks.map((block) =>
      block.map((sublayer) => {
        const common = {
          ...sublayer,
          scale: sublayer.scale ?? 1,
          beside: sublayer.beside ?? false,
          shortcut: sublayer.shortcut ?? "identity",
        };
        if (!("mixer" in sublayer) || sublayer.mixer.kind !== "attention") return common;
        const { heads, kvHeads = heads, headWidth = width / heads, bias = true, outputBias = bias } = sublayer.mixer;
        return { ...common, mixer: { ...sublayer.mixer, kvHeads, headWidth, outputBias } };
      }),
    ),
  };
}

const fullName = ({ prefix = "" }: Architecture, { name, outside }: WeightPlace): string =>
  outside ? name : prefix + name;

export interface LoadPretrainedOptions {
  /**
   * Keeps matrices of F16 and BF16 as float16, which takes half the memory of float32 and makes each token slower, since
   * they are widened when they are used. False by default.
   */
  readonly keepHalf?: boolean;
}

/**
 * Loads a decoder of the Hugging Face layout from a folder, weights as float32. Throws one sentence if the folder or a
 * file is missing or damaged, the architecture is not known, or a weight is missing or has another shape.
 */
export async function loadPretrained(folder: string, options: LoadPretrainedOptions = {}): Promise<Pretrained> {
  const { architecture, config } = await readConfig(folder);
  const model = decoder(config);
  const params = await readWeights(folder, architecture, model, options);
  const file = join(folder, "tokenizer.json");
  return { model, params, tokenizer: existsSync(file) ? await loadTokenizer(file) : null };
}

async function readConfig(folder: string): Promise<{ architecture: Architecture; config: DecoderConfig }> {
  const path = join(folder, "config.json");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw fileError("read", path, error);
  });
  let fields: { readonly model_type?: unknown };
  try {
    fields = JSON.parse(text);
  } catch {
    throw new Error(`read ${path}: it is not JSON; is it the configuration of a model?`);
  }
  const architecture = architectures.find(({ modelType }) => modelType === fields.model_type);
  if (!architecture)
    throw new Error(
      `read ${path}: unknown model_type ${JSON.stringify(fields.model_type)}; known are ${architectures.map(({ modelType }) => modelType).join(", ")}`,
    );
  return { architecture, config: architecture.toDecoder(fields, path) };
}

const isHalf = (dtype: SafetensorsDType | undefined): boolean => dtype === "F16" || dtype === "BF16";

async function readWeights(
  folder: string,
  architecture: Architecture,
  model: Decoder,
  { keepHalf = false }: LoadPretrainedOptions,
): Promise<DecoderParams> {
  const { leaves, paths, rebuild } = flatten(model.init(key(0)));
  const expected = new Map(paths.map((place, i) => [place, leaves[i] as Tensor]));
  const found = new Map<string, Tensor>();
  const file = await openWeights(folder);
  try {
    for (const place of architecture.weights(model.config)) {
      const full = fullName(architecture, place);
      const stored = file.entries.has(full) ? full : place.name;
      const shapes = place.paths.map((path) => (expected.get(path) as Tensor).shape);
      const wanted = storedShape(place, shapes);
      const shape = file.entries.get(stored)?.shape;
      if (shape && shape.join() !== wanted.join())
        throw new Error(
          `read ${folder}: tensor ${stored} is [${shape.join(", ")}], expected [${wanted.join(", ")}]; do config.json and the weights belong together?`,
        );
      const fill = (target: Float32Array | Uint16Array, from: number) => file.fill(stored, target, from);
      const halves = keepHalf && wanted.length > 1 && isHalf(file.entries.get(stored)?.dtype);
      const parts = halves
        ? await fromStored(place, fill, shapes, (length) => new Uint16Array(length))
        : await fromStored(place, fill, shapes, (length) => new Float32Array(length));
      parts.forEach((part, i) => {
        const shape = shapes[i] as readonly number[];
        // A Uint16Array holds float16.
        found.set(place.paths[i] as string, tensor(part, { shape }));
      });
    }
  } finally {
    await file.close();
  }
  return rebuild(paths.map((place) => found.get(place) as Tensor));
}
