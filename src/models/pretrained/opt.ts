/** OPT in the Hugging Face layout. */
import { z } from "zod";
import { checked } from "../../data/checked.ts";
import type { ActivationName } from "../../nn/index.ts";
import type { Sublayer } from "../transformer/blocks.ts";
import type { Architecture, WeightPlace } from "./architecture.ts";
import { activationField, activationNamesOf, activationOf, linear, norm, usualParts } from "./parts.ts";

const count = z.int().min(1);
const fieldsSchema = z
  .object({
    vocab_size: count,
    max_position_embeddings: count,
    hidden_size: count,
    ffn_dim: count,
    num_hidden_layers: z.int().min(0),
    num_attention_heads: count,
    activation_function: z.enum(activationNamesOf).default("relu"),
    do_layer_norm_before: z.literal(true, {
      error: "this form of OPT (350m) has norms after its sublayers and a narrower embedding, which is not supported",
    }),
    word_embed_proj_dim: count.optional(),
    tie_word_embeddings: z.literal(true).default(true),
    enable_bias: z.literal(true).default(true),
    layer_norm_elementwise_affine: z.literal(true).default(true),
  })
  .refine(({ word_embed_proj_dim: narrow, hidden_size }) => narrow === undefined || narrow === hidden_size, {
    path: ["word_embed_proj_dim"],
    error: "an embedding narrower than the model is not supported",
  });

/** The table of positions begins with two rows that no position uses. */
const UNUSED_POSITIONS = 2;

const affine = (name: string, path: string): WeightPlace[] => linear(name, path, { bias: true });

/** Dense attention blocks with biases, ReLU and learned positions. Source: Zhang et al. 2022, arXiv:2205.01068. */
export const opt: Architecture = {
  modelType: "opt",
  prefix: "model.decoder.",
  toDecoder(given, path) {
    const fields = checked(fieldsSchema, given, path);
    const block: readonly Sublayer[] = [
      { mixer: { kind: "attention", heads: fields.num_attention_heads } },
      {
        ffn: {
          kind: "dense",
          hidden: fields.ffn_dim,
          activation: activationOf[fields.activation_function] as ActivationName,
        },
      },
    ];
    return {
      vocabulary: fields.vocab_size,
      context: fields.max_position_embeddings,
      width: fields.hidden_size,
      positions: "learned",
      blocks: Array.from({ length: fields.num_hidden_layers }, () => block),
    };
  },
  toFields(config) {
    const parts = usualParts(config.blocks[0]);
    if (parts?.ffn.kind !== "dense") return null;
    return {
      architectures: ["OPTForCausalLM"],
      vocab_size: config.vocabulary,
      max_position_embeddings: config.context,
      hidden_size: config.width,
      word_embed_proj_dim: config.width,
      ffn_dim: parts.ffn.hidden,
      num_hidden_layers: config.blocks.length,
      num_attention_heads: parts.attention.heads,
      activation_function: activationField(parts.ffn.activation ?? "gelu"),
      do_layer_norm_before: true,
      tie_word_embeddings: true,
    };
  },
  weights: (config) => [
    { name: "embed_tokens.weight", paths: ["embedding.weight"] },
    { name: "embed_positions.weight", paths: ["positions.weight"], unusedRows: UNUSED_POSITIONS },
    ...config.blocks.flatMap((_, i) => {
      const [name, path] = [`layers.${i}.`, `blocks.${i}.`];
      return [
        ...norm(`${name}self_attn_layer_norm`, `${path}mixer.norm`, { bias: true }),
        ...affine(`${name}self_attn.q_proj`, `${path}mixer.layer.query`),
        ...affine(`${name}self_attn.k_proj`, `${path}mixer.layer.key`),
        ...affine(`${name}self_attn.v_proj`, `${path}mixer.layer.value`),
        ...affine(`${name}self_attn.out_proj`, `${path}mixer.layer.output`),
        ...norm(`${name}final_layer_norm`, `${path}ffn.norm`, { bias: true }),
        ...affine(`${name}fc1`, `${path}ffn.layer.up`),
        ...affine(`${name}fc2`, `${path}ffn.layer.down`),
      ];
    }),
    ...norm("final_layer_norm", "norm", { bias: true }),
  ],
};
