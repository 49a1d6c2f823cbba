/** GPT-NeoX, and with it Pythia, in the Hugging Face layout. */
import { z } from "zod";
import { checked } from "../../data/checked.ts";
import type { Sublayer } from "../transformer/sublayers.ts";
import type { Architecture, WeightPlace } from "./architecture.ts";
import { activationField, activationSchema, layers, linear, norm, ownHead, usualParts } from "./parts.ts";
import { ropeFields, ropeOf, scalingFields } from "./rope.ts";

const count = z.int().min(1);
const fieldsSchema = z.object({
  vocab_size: count,
  ...ropeFields,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: layers,
  num_attention_heads: count,
  hidden_act: activationSchema.default("gelu"),
  rotary_pct: z.number().positive().max(1).default(0.25),
  rotary_emb_base: z.number().positive().optional(),
  layer_norm_eps: z.number().positive().default(1e-5),
  use_parallel_residual: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(true),
});

/** Attention and a feed-forward layer side by side, each with its norm. Source: Black et al. 2022, arXiv:2204.06745. */
export const neox: Architecture = {
  modelType: "gpt_neox",
  prefix: "gpt_neox.",
  toDecoder(given, path) {
    const f = checked(fieldsSchema, given, path);
    const { rotary, partial = f.rotary_pct } = ropeOf({ ...f, rope_theta: f.rotary_emb_base ?? f.rope_theta });
    const block: readonly Sublayer[] = [
      { mixer: { kind: "attention", heads: f.num_attention_heads, bias: f.attention_bias } },
      {
        ffn: {
          kind: "dense",
          hidden: f.intermediate_size,
          activation: f.hidden_act,
        },
        ...(f.use_parallel_residual ? { beside: true } : {}),
      },
    ];
    return {
      vocabulary: f.vocab_size,
      context: f.max_position_embeddings,
      width: f.hidden_size,
      eps: f.layer_norm_eps,
      rotary: { ...rotary, width: Math.floor((partial * f.hidden_size) / f.num_attention_heads) },
      tied: f.tie_word_embeddings,
      blocks: Array.from({ length: f.num_hidden_layers }, () => block),
    };
  },
  toFields(config) {
    const parts = usualParts(config.blocks[0]);
    const turned = config.rotary.width;
    if (parts?.ffn.kind !== "dense" || turned === undefined) return null;
    return {
      architectures: ["GPTNeoXForCausalLM"],
      vocab_size: config.vocabulary,
      max_position_embeddings: config.context,
      hidden_size: config.width,
      intermediate_size: parts.ffn.hidden,
      num_hidden_layers: config.blocks.length,
      num_attention_heads: parts.attention.heads,
      hidden_act: activationField(parts.ffn.activation ?? "gelu"),
      rotary_pct: (turned * parts.attention.heads) / config.width,
      rotary_emb_base: config.rotary.base ?? 10_000,
      ...(config.rotary.scaling ? { rope_scaling: scalingFields(config.rotary.scaling) } : {}),
      attention_bias: parts.attention.bias ?? true,
      layer_norm_eps: config.eps,
      use_parallel_residual: config.blocks[0]?.[1]?.beside === true,
      tie_word_embeddings: config.tied,
    };
  },
  weights(config) {
    const { heads = 1, bias = true } = usualParts(config.blocks[0])?.attention ?? {};
    const block = (i: number): WeightPlace[] => {
      const [name, path] = [`layers.${i}.`, `blocks.${i}.`];
      // Rows of a head's queries, keys and values stand together, head after head.
      const three = (part: string): readonly string[] =>
        ["query", "key", "value"].map((which) => `${path}mixer.layer.${which}.${part}`);
      const fused = `${name}attention.query_key_value`;
      return [
        ...norm(`${name}input_layernorm`, `${path}mixer.norm`, { bias: true }),
        { name: `${fused}.weight`, paths: three("weight"), transposed: true, interleaved: heads },
        ...(bias ? [{ name: `${fused}.bias`, paths: three("bias"), interleaved: heads }] : []),
        ...linear(`${name}attention.dense`, `${path}mixer.layer.output`, { bias }),
        ...norm(`${name}post_attention_layernorm`, `${path}ffn.norm`, { bias: true }),
        ...linear(`${name}mlp.dense_h_to_4h`, `${path}ffn.layer.up`, { bias: true }),
        ...linear(`${name}mlp.dense_4h_to_h`, `${path}ffn.layer.down`, { bias: true }),
      ];
    };
    return [
      { name: "embed_in.weight", paths: ["embedding.weight"] },
      ...config.blocks.flatMap((_, i) => block(i)),
      ...norm("final_layer_norm", "norm", { bias: true }),
      ...ownHead("embed_out.weight", config),
    ];
  },
};
