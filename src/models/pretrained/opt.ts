/** OPT in the Hugging Face layout. */
import { z } from "zod";
import { checked } from "../../data/checked.ts";
import type { Sublayer } from "../transformer/sublayers.ts";
import type { Architecture, WeightPlace } from "./architecture.ts";
import { activationField, activationSchema, layers, linear, norm, ownHead, usualParts } from "./parts.ts";

const count = z.int().min(1);
const fieldsSchema = z.object({
  vocab_size: count,
  max_position_embeddings: count,
  hidden_size: count,
  ffn_dim: count,
  num_hidden_layers: layers,
  num_attention_heads: count,
  activation_function: activationSchema.default("relu"),
  do_layer_norm_before: z.boolean().default(true),
  _remove_final_layer_norm: z.literal(false).default(false),
  word_embed_proj_dim: count.optional(),
  tie_word_embeddings: z.boolean().default(true),
  enable_bias: z.literal(true).default(true),
  layer_norm_elementwise_affine: z.literal(true).default(true),
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
    const { word_embed_proj_dim: narrow = fields.hidden_size } = fields;
    const block: readonly Sublayer[] = [
      { mixer: { kind: "attention", heads: fields.num_attention_heads } },
      {
        ffn: {
          kind: "dense",
          hidden: fields.ffn_dim,
          activation: fields.activation_function,
        },
      },
    ];
    return {
      vocabulary: fields.vocab_size,
      context: fields.max_position_embeddings,
      width: fields.hidden_size,
      positions: "learned",
      placement: fields.do_layer_norm_before ? "pre" : "post",
      // The form of OPT-350m: narrower embeddings.
      embeddingWidth: narrow === fields.hidden_size ? 0 : narrow,
      tied: fields.tie_word_embeddings,
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
      word_embed_proj_dim: config.embeddingWidth || config.width,
      ffn_dim: parts.ffn.hidden,
      num_hidden_layers: config.blocks.length,
      num_attention_heads: parts.attention.heads,
      activation_function: activationField(parts.ffn.activation ?? "gelu"),
      do_layer_norm_before: config.placement === "pre",
      tie_word_embeddings: config.tied,
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
    ...(config.placement === "pre" ? norm("final_layer_norm", "norm", { bias: true }) : []),
    ...(config.embeddingWidth > 0
      ? [...linear("project_in", "widen", { bias: false }), ...linear("project_out", "narrow", { bias: false })]
      : []),
    ...ownHead("lm_head.weight", config),
  ],
};
