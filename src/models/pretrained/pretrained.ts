/** Decoders with their weights and tokenizers in folders of the Hugging Face layout. */
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { flatten, key, type Tensor, tensor, toFloat16Bits } from "../../array/index.ts";
import { fileError, writeFileAtomic } from "../../data/index.ts";
import { openSafetensors, type TensorToWrite, writeSafetensors } from "../safetensors.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer/index.ts";
import { type Decoder, type DecoderConfig, type DecoderParams, decoder } from "../transformer/decoder.ts";
import { type Architecture, asFloat32, cutColumns, sideBySide, transposedMatrix } from "./architecture.ts";
import { gpt2 } from "./gpt2.ts";
import { own } from "./own.ts";

const architectures: readonly Architecture[] = [gpt2, own];

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
  const architecture = architectures.find(({ toFields }) => toFields(model.config) !== null) as Architecture;
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError("make the folder", folder, error);
  });
  const { leaves, paths } = flatten(params);
  const byPath = new Map(paths.map((path, i) => [path, leaves[i] as Tensor]));
  const tensors: Record<string, TensorToWrite> = {};
  for (const { name, paths: places, transposed } of architecture.weights(model.config)) {
    const parts = places.map((path) => byPath.get(path) as Tensor);
    const shape = (parts[0] as Tensor).shape;
    const rows = shape.length > 1 ? shape.slice(0, -1).reduce((a, b) => a * b, 1) : 1;
    const columns = parts.reduce((total, { shape }) => total + (shape.at(-1) as number), 0);
    const joined = sideBySide(
      parts.map(({ data }) => asFloat32(data)),
      rows,
    );
    const flip = transposed && shape.length === 2;
    const values = flip ? transposedMatrix(joined, rows, columns) : joined;
    tensors[(architecture.prefix ?? "") + name] = {
      dtype: dtype === "float16" ? "F16" : "F32",
      shape: flip ? [columns, rows] : [...shape.slice(0, -1), columns],
      data: dtype === "float16" ? Uint16Array.from(values, toFloat16Bits) : values,
    };
  }
  const config = {
    model_type: architecture.modelType,
    ...architecture.toFields(model.config),
    torch_dtype: dtype,
    ...fields,
  };
  await writeSafetensors(join(folder, "model.safetensors"), tensors, { format: "pt" });
  if (tokenizer) await writeFileAtomic(join(folder, "tokenizer.json"), `${JSON.stringify(tokenizer.json, null, 1)}\n`);
  await writeFileAtomic(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
}

/**
 * Loads a decoder of the Hugging Face layout from a folder, weights as float32. Throws one sentence if the folder or a
 * file is missing or damaged, the architecture is not known, or a weight is missing or has another shape.
 */
export async function loadPretrained(folder: string): Promise<Pretrained> {
  const { architecture, config } = await readConfig(folder);
  const model = decoder(config);
  const weights = join(folder, "model.safetensors");
  const params = await readWeights(weights, architecture, model);
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

async function readWeights(path: string, architecture: Architecture, model: Decoder): Promise<DecoderParams> {
  const { leaves, paths, rebuild } = flatten(model.init(key(0)));
  const expected = new Map(paths.map((place, i) => [place, leaves[i] as Tensor]));
  const found = new Map<string, Tensor>();
  const file = await openSafetensors(path);
  try {
    for (const { name, paths: places, transposed } of architecture.weights(model.config)) {
      const full = (architecture.prefix ?? "") + name;
      const stored = file.entries.has(full) ? full : name;
      const shapes = places.map((place) => (expected.get(place) as Tensor).shape);
      const shape = shapes[0] as readonly number[];
      const widths = shapes.map((each) => each.at(-1) as number);
      const rows = shape.length > 1 ? shape.slice(0, -1).reduce((a, b) => a * b, 1) : 1;
      const columns = widths.reduce((a, b) => a + b, 0);
      const flip = transposed && shape.length === 2;
      const wanted = flip ? [columns, rows] : [...shape.slice(0, -1), columns];
      const value = await file.read(stored, { as: "float32" });
      if (value.shape.join() !== wanted.join())
        throw new Error(
          `read ${path}: tensor ${stored} is [${value.shape.join(", ")}], expected [${wanted.join(", ")}]; do config.json and the weights belong together?`,
        );
      const data = asFloat32(value.data);
      cutColumns(flip ? transposedMatrix(data, columns, rows) : data, rows, widths).forEach((part, i) => {
        found.set(places[i] as string, tensor(part, { shape: shapes[i] as readonly number[] }));
      });
    }
  } finally {
    await file.close();
  }
  return rebuild(paths.map((place) => found.get(place) as Tensor));
}
