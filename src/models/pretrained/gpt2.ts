/** GPT-2 in the Hugging Face layout. */
import { z } from "zod";
import { checked } from "../../data/checked.ts";
import type { ActivationName } from "../../nn/index.ts";
import type { Sublayer } from "../transformer/blocks.ts";
import type { DecoderConfig } from "../transformer/decoder.ts";
import type { Architecture, WeightPlace } from "./architecture.ts";

/** Activations by their names in configuration files. */
const activationOf: { readonly [name: string]: ActivationName } = {
  relu: "relu",
  gelu: "gelu",
  gelu_new: "geluTanh",
  gelu_pytorch_tanh: "geluTanh",
  silu: "silu",
  relu2: "squaredRelu",
};
const nameOf = Object.fromEntries(
  Object.entries(activationOf)
    .map(([name, ours]) => [ours, name])
    .reverse(),
);

const fieldsSchema = z.object({
  vocab_size: z.int().min(1),
  n_positions: z.int().min(1),
  n_embd: z.int().min(1),
  n_layer: z.int().min(0),
  n_head: z.int().min(1),
  n_inner: z.int().min(1).nullish(),
  activation_function: z.enum(Object.keys(activationOf) as [string, ...string[]]).default("gelu_new"),
  layer_norm_epsilon: z.literal(1e-5).default(1e-5),
  tie_word_embeddings: z.literal(true).default(true),
  scale_attn_by_inverse_layer_idx: z.literal(false).default(false),
});

/** Dense attention blocks with biases, learned positions and tied embeddings. Source: Radford et al. 2019. */
export const gpt2: Architecture = {
  modelType: "gpt2",
  prefix: "transformer.",
  toDecoder(given, path) {
    const fields = checked(fieldsSchema, given, path);
    const block: readonly Sublayer[] = [
      { mixer: { kind: "attention", heads: fields.n_head } },
      {
        ffn: {
          kind: "dense",
          hidden: fields.n_inner ?? 4 * fields.n_embd,
          activation: activationOf[fields.activation_function] as ActivationName,
        },
      },
    ];
    return {
      vocabulary: fields.vocab_size,
      context: fields.n_positions,
      width: fields.n_embd,
      positions: "learned",
      blocks: Array.from({ length: fields.n_layer }, () => block),
    };
  },
  toFields(config) {
    const shape = shapeOf(config);
    if (!shape) return null;
    const { heads, hidden, activation } = shape;
    return {
      architectures: ["GPT2LMHeadModel"],
      vocab_size: config.vocabulary,
      n_positions: config.context,
      n_ctx: config.context,
      n_embd: config.width,
      n_layer: config.blocks.length,
      n_head: heads,
      n_inner: hidden,
      activation_function: activation,
      layer_norm_epsilon: 1e-5,
      resid_pdrop: config.dropout,
      embd_pdrop: config.dropout,
      attn_pdrop: 0,
      tie_word_embeddings: true,
      scale_attn_weights: true,
    };
  },
  weights: (config) => [
    { name: "wte.weight", paths: ["embedding.weight"] },
    { name: "wpe.weight", paths: ["positions.weight"] },
    ...config.blocks.flatMap((_, i) => blockWeights(`h.${i}.`, `blocks.${i}.`)),
    ...norm("ln_f", "norm"),
  ],
};

const norm = (name: string, path: string): WeightPlace[] => [
  { name: `${name}.weight`, paths: [`${path}.scale`] },
  { name: `${name}.bias`, paths: [`${path}.bias`] },
];
const affine = (name: string, paths: readonly string[]): WeightPlace[] =>
  ["weight", "bias"].map((part) => ({ name: `${name}.${part}`, paths: paths.map((path) => `${path}.${part}`) }));

const blockWeights = (name: string, path: string): WeightPlace[] => [
  ...norm(`${name}ln_1`, `${path}mixer.norm`),
  ...affine(
    `${name}attn.c_attn`,
    ["query", "key", "value"].map((part) => `${path}mixer.layer.${part}`),
  ),
  ...affine(`${name}attn.c_proj`, [`${path}mixer.layer.output`]),
  ...norm(`${name}ln_2`, `${path}ffn.norm`),
  ...affine(`${name}mlp.c_fc`, [`${path}ffn.layer.up`]),
  ...affine(`${name}mlp.c_proj`, [`${path}ffn.layer.down`]),
];

/** Heads, hidden width and activation if all blocks are those of GPT-2, else null. */
function shapeOf(config: Required<DecoderConfig>): { heads: number; hidden: number; activation: string } | null {
  const { positions, norm: kind, placement, tied, blocks } = config;
  const [first] = blocks;
  if (!first || positions !== "learned" || kind !== "layer" || placement !== "pre" || !tied) return null;
  if (blocks.some((block) => JSON.stringify(block) !== JSON.stringify(first)) || first.length !== 2) return null;
  const [a, b] = first as readonly [Sublayer, Sublayer];
  if ([a, b].some(({ scale, shared }) => (scale ?? 1) !== 1 || shared !== undefined)) return null;
  if (!("mixer" in a) || a.mixer.kind !== "attention" || !("ffn" in b) || b.ffn.kind !== "dense") return null;
  const { heads, kvHeads = heads, headWidth = config.width / heads, bias = true } = a.mixer;
  const activation = nameOf[b.ffn.activation ?? "gelu"];
  if (kvHeads !== heads || headWidth !== config.width / heads || !bias || b.ffn.bias === false || !activation)
    return null;
  return { heads, hidden: b.ffn.hidden, activation };
}
