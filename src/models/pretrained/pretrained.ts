/** Decoders with their weights and tokenizers in folders of the Hugging Face layout. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { flatten, key, type Tensor, tensor, toFloat16Bits } from "../../array/index.ts";
import { fileError, writeFileAtomic } from "../../data/index.ts";
import type { TensorToWrite } from "../safetensors.ts";
import type { SafetensorsDType } from "../safetensors-header.ts";
import { openWeights, writeWeights } from "../sharded.ts";
import { folderTokenizer, type Tokenizer } from "../tokenizer/index.ts";
import { type Decoder, type DecoderConfig, type DecoderParams, decoder } from "../transformer/decoder.ts";
import { type Architecture, asFloat32, fromStored, storedShape, toStored, type WeightPlace } from "./architecture.ts";
import { gpt2 } from "./gpt2.ts";
import { llama, mistral, qwen2, qwen3 } from "./llama.ts";
import { loadLlama2c } from "./llama2c.ts";
import { neox } from "./neox.ts";
import { opt } from "./opt.ts";
import { own } from "./own.ts";

/** Those that a decoder is written as come first in this order; our own has them all. */
const architectures: readonly Architecture[] = [gpt2, llama, qwen3, qwen2, mistral, neox, opt, own];

/** A decoder with its weights. */
export interface Pretrained {
  readonly model: Decoder;
  readonly params: DecoderParams;
  /** Null if the folder has none. */
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
  const config = { model_type: architecture.modelType, ...form, torch_dtype: dtype, ...endField(tokenizer), ...fields };
  await writeWeights(folder, tensors, { metadata: { format: "pt" } });
  if (tokenizer) await writeFileAtomic(join(folder, "tokenizer.json"), `${JSON.stringify(tokenizer.json, null, 1)}\n`);
  await writeFileAtomic(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
}

/** Where the tokenizer knows at which tokens texts end. */
function endField(tokenizer: Tokenizer | null): { readonly eos_token_id?: number | readonly number[] } {
  const { ends = [] } = tokenizer ?? {};
  return ends.length === 0 ? {} : { eos_token_id: ends.length === 1 ? (ends[0] as number) : ends };
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

/** Names that a weight may have: with its prefix, with the end of it, or without, as different tools have saved it. */
function namesOf({ prefix = "" }: Architecture, { name, outside }: WeightPlace): readonly string[] {
  if (outside) return [name, `language_model.${name}`];
  const parts = prefix.split(".").slice(0, -1);
  const ends = parts.map((_, i) => `${parts.slice(i).join(".")}.${name}`);
  return [...ends, name, `model.${prefix}${name}`, `language_model.${prefix}${name}`];
}

export interface LoadPretrainedOptions {
  /**
   * Keeps matrices of F16 and BF16 as float16, which takes half the memory of float32 and makes each token slower, since
   * they are widened when they are used. False by default.
   */
  readonly keepHalf?: boolean;
}

/**
 * Loads a decoder of the Hugging Face layout from a folder, or a file of llama2.c (`.bin`), weights as float32. Throws one sentence if the folder or a
 * file is missing or damaged, the architecture is not known, or a weight is missing or has another shape.
 */
export async function loadPretrained(folder: string, options: LoadPretrainedOptions = {}): Promise<Pretrained> {
  if (folder.endsWith(".bin")) return loadLlama2c(folder);
  const { architecture, config, ends } = await readConfig(folder);
  const model = decoder(config);
  const tokenizer = await folderTokenizer(folder, ends);
  return { model, params: await readWeights(folder, architecture, model, options), tokenizer };
}

/** What `config.json` says, and the tokens at which texts end. */
async function readConfig(
  folder: string,
): Promise<{ architecture: Architecture; config: DecoderConfig; ends: readonly number[] }> {
  const path = join(folder, "config.json");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw fileError("read", path, error);
  });
  let fields: { readonly model_type?: unknown; readonly eos_token_id?: unknown };
  try {
    fields = JSON.parse(text);
  } catch {
    throw new Error(`read ${path}: it is not JSON; is it the configuration of a model?`);
  }
  if (typeof fields !== "object" || fields === null)
    throw new Error(`read ${path}: it is not a JSON object; is it the configuration of a model?`);
  const architecture = architectures.find(({ modelType }) => modelType === fields.model_type);
  if (!architecture)
    throw new Error(
      `read ${path}: unknown model_type ${JSON.stringify(fields.model_type)}; known are ${architectures.map(({ modelType }) => modelType).join(", ")}`,
    );
  // A field that is null is one that is not there.
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
  const config = architecture.toDecoder(given, path);
  return { architecture, config, ends: endsOf(given.eos_token_id, config.vocabulary) };
}

const isHalf = (dtype: SafetensorsDType | undefined): boolean => dtype === "F16" || dtype === "BF16";

/** `eos_token_id` is one number or several; some files name tokens that the model does not have. */
const endsOf = (value: unknown, vocabulary: number): readonly number[] =>
  [value]
    .flat()
    .filter((id): id is number => Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabulary);

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
      const stored = namesOf(architecture, place).find((name) => file.entries.has(name)) ?? place.name;
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
