/** Vision transformers with their weights in folders of the Hugging Face layout: ViT, and DeiT with or without distillation. */

import { z } from "zod";
import { existsSync, join, mkdir } from "#platform";
import { key, type Tensor, tensor } from "../../array/index.ts";
import { checked } from "../../data/checked.ts";
import { fileError, writeFileAtomic } from "../../data/index.ts";
import { writeWeights } from "../sharded.ts";
import type { Sublayer } from "../transformer/sublayers.ts";
import { type Vit, type VitConfig, type VitParams, vit } from "../vit.ts";
import type { WeightPlace } from "./architecture.ts";
import { byModelType, described, readFields } from "./config-file.ts";
import { activationField, activationSchema, layers, linear, norm, usualParts } from "./parts.ts";
import { type ReadWeightsOptions, readWeights, tensorsOf, type WeightNames, withWeights } from "./weights.ts";

/** How the pixels of an image become numbers, channel by channel: `(pixel·factor - mean)/std`. */
export interface ImageScaling {
  /** Factor on pixels from 0 to 255. */
  readonly factor: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** A vision transformer with its weights. */
export interface PretrainedVision {
  readonly model: Vit;
  readonly params: VitParams;
  /** Names of the classes; their numbers where the folder has no names. */
  readonly labels: readonly string[];
  readonly scaling: ImageScaling;
}

const count = z.int().min(1);
const side = z.union([count.transform((n): [number, number] => [n, n]), z.tuple([count, count])]);
const fieldsSchema = z.object({
  hidden_size: count.default(768),
  num_hidden_layers: layers.default(12),
  num_attention_heads: count.default(12),
  intermediate_size: count.default(3072),
  hidden_act: activationSchema.default("gelu"),
  layer_norm_eps: z.number().positive().default(1e-12),
  image_size: side.default([224, 224]),
  patch_size: z
    .union(
      [
        count,
        z
          .tuple([count, count])
          .refine(([a, b]) => a === b)
          .transform(([a]) => a),
      ],
      {
        error: "patches must be squares",
      },
    )
    .default(16),
  num_channels: count.default(3),
  qkv_bias: z.boolean().default(true),
  num_labels: count.optional(),
  id2label: z.record(z.string(), z.string()).optional(),
  architectures: z.array(z.string()).optional(),
});
type Fields = z.infer<typeof fieldsSchema>;

const forms = [
  { modelType: "vit", prefix: "vit." },
  { modelType: "deit", prefix: "deit." },
] as const;

/** DeiT has a token of distillation, and a head that reads it if it was saved with its teacher's. */
const distillationOf = (modelType: string, { architectures = [] }: Fields): "none" | "token" | "head" =>
  modelType === "vit" ? "none" : architectures.some((name) => name.endsWith("WithTeacher")) ? "head" : "token";

function toVit(modelType: string, fields: Fields): VitConfig {
  const block: readonly Sublayer[] = [
    // The projection of what attention gives always has a bias.
    { mixer: { kind: "attention", heads: fields.num_attention_heads, bias: fields.qkv_bias, outputBias: true } },
    { ffn: { kind: "dense", hidden: fields.intermediate_size, activation: fields.hidden_act } },
  ];
  return {
    image: fields.image_size,
    patch: fields.patch_size,
    channels: fields.num_channels,
    width: fields.hidden_size,
    eps: fields.layer_norm_eps,
    classes: fields.num_labels ?? (Object.keys(fields.id2label ?? {}).length || 2),
    distillation: distillationOf(modelType, fields),
    blocks: Array.from({ length: fields.num_hidden_layers }, () => block),
  };
}

function namesIn(
  { prefix }: { readonly prefix: string },
  { image, patch, channels, width, blocks, distillation }: Required<VitConfig>,
): WeightNames {
  const bias = usualParts(blocks[0])?.attention.bias ?? true;
  const affine = (name: string, path: string, has = true): WeightPlace[] => linear(name, path, { bias: has });
  const patches = (image[0] / patch) * (image[1] / patch);
  const extra = distillation === "none" ? 1 : 2;
  const block = (i: number): WeightPlace[] => {
    const [name, path] = [`encoder.layer.${i}.`, `blocks.${i}.`];
    return [
      ...norm(`${name}layernorm_before`, `${path}mixer.norm`, { bias: true }),
      ...["query", "key", "value"].flatMap((part) =>
        affine(`${name}attention.attention.${part}`, `${path}mixer.layer.${part}`, bias),
      ),
      ...affine(`${name}attention.output.dense`, `${path}mixer.layer.output`),
      ...norm(`${name}layernorm_after`, `${path}ffn.norm`, { bias: true }),
      ...affine(`${name}intermediate.dense`, `${path}ffn.layer.up`),
      ...affine(`${name}output.dense`, `${path}ffn.layer.down`),
    ];
  };
  const outside = (places: readonly WeightPlace[]): WeightPlace[] =>
    places.map((place) => ({ ...place, outside: true }));
  return {
    prefix,
    places: [
      { name: "embeddings.cls_token", paths: ["classToken"], shape: [1, 1, width] },
      ...(extra === 1
        ? []
        : [{ name: "embeddings.distillation_token", paths: ["distilledToken"], shape: [1, 1, width] }]),
      { name: "embeddings.position_embeddings", paths: ["positions"], shape: [1, patches + extra, width] },
      {
        name: "embeddings.patch_embeddings.projection.weight",
        paths: ["patches.weight"],
        transposed: true,
        shape: [width, channels, patch, patch],
      },
      { name: "embeddings.patch_embeddings.projection.bias", paths: ["patches.bias"] },
      ...blocks.flatMap((_, i) => block(i)),
      ...norm("layernorm", "norm", { bias: true }),
      ...outside(affine(distillation === "head" ? "cls_classifier" : "classifier", "head")),
      ...outside(distillation === "head" ? affine("distillation_classifier", "distilledHead") : []),
    ],
  };
}

/** Loads a vision transformer from a folder, weights as float32. Throws one sentence as `loadPretrained` does. */
export async function loadVision(folder: string, options: ReadWeightsOptions = {}): Promise<PretrainedVision> {
  const { fields, path } = await readFields(folder);
  const form = byModelType(forms, fields, path);
  const given = checked(fieldsSchema, fields, path);
  const config = toVit(form.modelType, given);
  return withWeights(folder, config.blocks.length, async (file) => {
    const [model, like] = described(path, () => {
      const built = vit(config);
      return [built, built.init(key(0))];
    });
    const { classes, channels } = model.config;
    const scaling = await readScaling(folder, channels);
    const params = await readWeights(folder, file, namesIn(form, model.config), like, options);
    const labels = Array.from({ length: classes }, (_, i) => given.id2label?.[i] ?? String(i));
    return { model, params, labels, scaling };
  });
}

const numbers = (length: number) => z.array(z.number()).length(length);
const scalingFile = "preprocessor_config.json";

/** What `preprocessor_config.json` says; the usual half and half where there is none. */
async function readScaling(folder: string, channels: number): Promise<ImageScaling> {
  const half = Array<number>(channels).fill(0.5);
  if (!existsSync(join(folder, scalingFile))) return { factor: 1 / 255, mean: half, std: half };
  const { fields, path } = await readFields(folder, scalingFile);
  const schema = z.object({
    do_rescale: z.boolean().default(true),
    rescale_factor: z
      .number()
      .positive()
      .default(1 / 255),
    do_normalize: z.boolean().default(true),
    image_mean: numbers(channels).default(half),
    image_std: numbers(channels).default(half),
  });
  const given = checked(schema, fields, path);
  return {
    factor: given.do_rescale ? given.rescale_factor : 1,
    mean: given.do_normalize ? given.image_mean : half.map(() => 0),
    std: given.do_normalize ? given.image_std : half.map(() => 1),
  };
}

/**
 * Images as a vision transformer takes them: `pixels`, bytes `[batch, height, width, channels]` of images of its size, give
 * float32 `[batch, channels, height, width]`. Throws one sentence if there are not as many bytes as that.
 */
export function scaledImages(
  { model, scaling }: Pick<PretrainedVision, "model" | "scaling">,
  pixels: Uint8Array,
): Tensor {
  const { image, channels } = model.config;
  const size = image[0] * image[1];
  const batch = pixels.length / (size * channels);
  if (!Number.isInteger(batch))
    throw new RangeError(
      `scaledImages: expected bytes of images ${image[0]} x ${image[1]} x ${channels}, got ${pixels.length}; resize them first`,
    );
  const data = new Float32Array(pixels.length);
  for (let b = 0; b < batch; b++)
    for (let c = 0; c < channels; c++) {
      const [mean, std] = [scaling.mean[c] as number, scaling.std[c] as number];
      for (let i = 0; i < size; i++)
        data[(b * channels + c) * size + i] =
          ((pixels[(b * size + i) * channels + c] as number) * scaling.factor - mean) / std;
    }
  return tensor(data, { shape: [batch, channels, ...image] });
}

/**
 * Writes a vision transformer with its names and scaling, each file atomically, so that other tools can load it. Throws one
 * sentence if it is none that ViT or DeiT can be, or if a file cannot be written.
 */
export async function saveVision(
  folder: string,
  { model, params, labels, scaling }: PretrainedVision,
  { dtype = "float32" }: { readonly dtype?: "float32" | "float16" } = {},
): Promise<void> {
  const { config } = model;
  const form = forms[config.distillation === "none" ? 0 : 1];
  const parts = usualParts(config.blocks[0]);
  const fields = parts?.ffn.kind === "dense" && {
    architectures: [
      {
        none: "ViTForImageClassification",
        token: "DeiTForImageClassification",
        head: "DeiTForImageClassificationWithTeacher",
      }[config.distillation],
    ],
    model_type: form.modelType,
    hidden_size: config.width,
    num_hidden_layers: config.blocks.length,
    num_attention_heads: parts.attention.heads,
    intermediate_size: parts.ffn.hidden,
    hidden_act: activationField(parts.ffn.activation ?? "gelu"),
    layer_norm_eps: config.eps,
    image_size: config.image[0] === config.image[1] ? config.image[0] : config.image,
    patch_size: config.patch,
    num_channels: config.channels,
    qkv_bias: parts.attention.bias ?? true,
    id2label: Object.fromEntries(labels.entries()),
    torch_dtype: dtype,
  };
  const same = (given: VitConfig): string => JSON.stringify({ ...vit(given).config, dropout: 0 });
  const described = fields && checked(fieldsSchema, fields, "save");
  if (!fields || !described || same(toVit(form.modelType, described)) !== same({ ...config, blocks: spelled(config) }))
    throw new Error("save: neither ViT nor DeiT describes this vision transformer; saveTree keeps its parameters");
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError("make the folder", folder, error);
  });
  await writeWeights(folder, tensorsOf(params, namesIn(form, config), dtype), { metadata: { format: "pt" } });
  const preprocessing = {
    do_rescale: true,
    rescale_factor: scaling.factor,
    do_normalize: true,
    image_mean: scaling.mean,
    image_std: scaling.std,
    size: { height: config.image[0], width: config.image[1] },
  };
  const write = (name: string, value: object) =>
    writeFileAtomic(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  await write(scalingFile, preprocessing);
  await write("config.json", fields);
}

/** The blocks with the fields that files always have spelled out. */
const spelled = ({ blocks }: Required<VitConfig>): VitConfig["blocks"] =>
  blocks.map((block) =>
    block.map((sublayer) => {
      if (!("mixer" in sublayer) || sublayer.mixer.kind !== "attention") return sublayer;
      const { bias = true, outputBias = bias } = sublayer.mixer;
      return { ...sublayer, mixer: { ...sublayer.mixer, bias, outputBias } };
    }),
  );
