/** Decoders with their weights and tokenizers in folders of the Hugging Face layout. */
import { isDeepStrictEqual, join, mkdir } from "#platform";
import { key } from "../../array/index.ts";
import { fileError, writeFileAtomic } from "../../data/index.ts";
import { writeWeights } from "../sharded.ts";
import { folderTokenizer, type Tokenizer } from "../tokenizer/index.ts";
import { type Decoder, type DecoderConfig, type DecoderParams, decoder } from "../transformer/decoder.ts";
import type { Architecture } from "./architecture.ts";
import { byModelType, described, readFields } from "./config-file.ts";
import { gpt2 } from "./gpt2.ts";
import { llama, mistral, qwen2, qwen3 } from "./llama.ts";
import { loadLlama2c } from "./llama2c.ts";
import { neox } from "./neox.ts";
import { opt } from "./opt.ts";
import { own } from "./own.ts";
import { type ReadWeightsOptions, readWeights, tensorsOf, type WeightNames, withWeights } from "./weights.ts";

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
  const tensors = tensorsOf(params, namesIn(architecture, model.config), dtype);
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

const namesIn = ({ prefix = "", weights }: Architecture, config: Required<DecoderConfig>): WeightNames => ({
  prefix,
  places: weights(config),
});

export type LoadPretrainedOptions = ReadWeightsOptions;

/**
 * Loads a decoder of the Hugging Face layout from a folder, or a file of llama2.c (`.bin`), weights as float32. Throws one sentence if the folder or a
 * file is missing or damaged, the architecture is not known, or a weight is missing or has another shape.
 */
export async function loadPretrained(folder: string, options: LoadPretrainedOptions = {}): Promise<Pretrained> {
  if (folder.endsWith(".bin")) return loadLlama2c(folder);
  const { architecture, config, path } = await readConfig(folder);
  const tokenizer = await folderTokenizer(folder);
  // Our own form lists its blocks, some of which have no weights.
  const blocks = architecture === own ? 0 : config.blocks.length;
  return withWeights(folder, blocks, async (file) => {
    const [model, like] = described(path, () => {
      const built = decoder(config);
      return [built, built.init(key(0))];
    });
    const params = await readWeights(folder, file, namesIn(architecture, model.config), like, options);
    return { model, params, tokenizer };
  });
}

/** What `config.json` says. */
async function readConfig(
  folder: string,
): Promise<{ architecture: Architecture; config: DecoderConfig; path: string }> {
  const { fields, path } = await readFields(folder);
  const architecture = byModelType(architectures, fields, path);
  return { architecture, config: architecture.toDecoder(fields, path), path };
}
