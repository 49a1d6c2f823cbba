/** GPT-2 in the Hugging Face layout. */
import { z } from "zod";
import { checked } from "../../data/checked.ts";
import type { Sublayer } from "../transformer/sublayers.ts";
import type { Architecture, WeightPlace } from "./architecture.ts";
import { activationField, activationSchema, layers, norm, ownHead, usualParts } from "./parts.ts";

const count = z.int().min(1);
const fieldsSchema = z.object({
  vocab_size: count,
  n_positions: count,
  n_embd: count,
  n_layer: layers,
  n_head: count,
  n_inner: count.nullish(),
  activation_function: activationSchema.default("geluTanh"),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  tie_word_embeddings: z.boolean().default(true),
  scale_attn_weights: z.literal(true).default(true),
  scale_attn_by_inverse_layer_idx: z.literal(false).default(false),
  add_cross_attention: z.literal(false).default(false),
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
          activation: fields.activation_function,
        },
      },
    ];
    return {
      vocabulary: fields.vocab_size,
      context: fields.n_positions,
      width: fields.n_embd,
      positions: "learned",
      eps: fields.layer_norm_epsilon,
      tied: fields.tie_word_embeddings,
      blocks: Array.from({ length: fields.n_layer }, () => block),
    };
  },
  toFields(config) {
    const parts = usualParts(config.blocks[0]);
    if (parts?.ffn.kind !== "dense") return null;
    return {
      architectures: ["GPT2LMHeadModel"],
      vocab_size: config.vocabulary,
      n_positions: config.context,
      n_ctx: config.context,
      n_embd: config.width,
      n_layer: config.blocks.length,
      n_head: parts.attention.heads,
      n_inner: parts.ffn.hidden,
      activation_function: activationField(parts.ffn.activation ?? "gelu"),
      layer_norm_epsilon: config.eps,
      resid_pdrop: config.dropout,
      embd_pdrop: config.dropout,
      attn_pdrop: 0,
      tie_word_embeddings: config.tied,
      scale_attn_weights: true,
    };
  },
  weights: (config) => [
    { name: "wte.weight", paths: ["embedding.weight"] },
    { name: "wpe.weight", paths: ["positions.weight"] },
    ...config.blocks.flatMap((_, i) => blockWeights(`h.${i}.`, `blocks.${i}.`)),
    ...norm("ln_f", "norm", { bias: true }),
    ...ownHead("lm_head.weight", config),
  ],
};

/** GPT-2 keeps matrices as `[inputs, outputs]`, as we do. */
const affine = (name: string, paths: readonly string[]): WeightPlace[] =>
  ["weight", "bias"].map((part) => ({ name: `${name}.${part}`, paths: paths.map((path) => `${path}.${part}`) }));

const blockWeights = (name: string, path: string): WeightPlace[] => [
  ...norm(`${name}ln_1`, `${path}mixer.norm`, { bias: true }),
  ...affine(
    `${name}attn.c_attn`,
    ["query", "key", "value"].map((part) => `${path}mixer.layer.${part}`),
  ),
  ...affine(`${name}attn.c_proj`, [`${path}mixer.layer.output`]),
  ...norm(`${name}ln_2`, `${path}ffn.norm`, { bias: true }),
  ...affine(`${name}mlp.c_fc`, [`${path}ffn.layer.up`]),
  ...affine(`${name}mlp.c_proj`, [`${path}ffn.layer.down`]),
];
