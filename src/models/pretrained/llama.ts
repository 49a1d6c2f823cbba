/** Llama, Mistral, Qwen2 and Qwen3 in the Hugging Face layout: one form with few differences. */
import { z } from "zod";
import { checked } from "../../data/checked.ts";
import type { DecoderConfig } from "../transformer/decoder.ts";
import type { Sublayer } from "../transformer/sublayers.ts";
import type { Architecture, WeightPlace } from "./architecture.ts";
import { activationField, activationSchema, layers, linear, norm, ownHead, usualParts } from "./parts.ts";
import { ropeFields, ropeOf, scalingFields } from "./rope.ts";

const count = z.int().min(1);
const positive = z.number().positive();
const fieldsSchema = z.object({
  vocab_size: count,
  ...ropeFields,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: layers,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  hidden_act: activationSchema.default("silu"),
  rms_norm_eps: positive.default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  sliding_window: count.nullish(),
  use_sliding_window: z.boolean().optional(),
  max_window_layers: z.int().min(0).nullish(),
  layer_types: z.array(z.string()).nullish(),
});

interface Form {
  readonly modelType: string;
  readonly architecture: string;
  /** Biases of queries, keys and values only, as Qwen2 has them whatever the file says. */
  readonly inputBias?: true;
  /** Queries and keys of each head normalized. */
  readonly headNorms?: true;
  /** Attention sees a window only if the file says `use_sliding_window`. */
  readonly optionalWindow?: true;
}

function llamaForm({ modelType, architecture, inputBias, headNorms, optionalWindow }: Form): Architecture {
  return {
    modelType,
    prefix: "model.",
    toDecoder(given, path): DecoderConfig {
      const f = checked(fieldsSchema, given, path);
      const heads = f.num_attention_heads;
      const bias = inputBias ?? f.attention_bias;
      const block: readonly Sublayer[] = [
        {
          mixer: {
            kind: "attention",
            heads,
            kvHeads: f.num_key_value_heads ?? heads,
            headWidth: f.head_dim ?? f.hidden_size / heads,
            bias,
            outputBias: inputBias ? false : f.attention_bias,
            normalized: headNorms ? { eps: f.rms_norm_eps } : false,
          },
        },
        {
          ffn: {
            kind: "gated",
            hidden: f.intermediate_size,
            activation: f.hidden_act,
            bias: f.mlp_bias,
          },
        },
      ];
      // Within the window, attention over a sliding window is attention over everything.
      const hasWindow =
        (f.use_sliding_window ?? !optionalWindow) &&
        (f.layer_types ?? ["sliding_attention"]).includes("sliding_attention") &&
        (!optionalWindow || (f.max_window_layers ?? 0) < f.num_hidden_layers);
      const window = hasWindow ? f.sliding_window : null;
      return {
        vocabulary: f.vocab_size,
        context: Math.min(f.max_position_embeddings, window ?? Number.POSITIVE_INFINITY),
        width: f.hidden_size,
        norm: "rms",
        eps: f.rms_norm_eps,
        rotary: ropeOf(f).rotary,
        tied: f.tie_word_embeddings,
        blocks: Array.from({ length: f.num_hidden_layers }, () => block),
      };
    },
    toFields(config) {
      const parts = usualParts(config.blocks[0]);
      if (parts?.ffn.kind !== "gated") return null;
      const { attention, ffn } = parts;
      const { base = 10_000, scaling } = config.rotary;
      return {
        architectures: [architecture],
        vocab_size: config.vocabulary,
        max_position_embeddings: config.context,
        hidden_size: config.width,
        intermediate_size: ffn.hidden,
        num_hidden_layers: config.blocks.length,
        num_attention_heads: attention.heads,
        num_key_value_heads: attention.kvHeads ?? attention.heads,
        head_dim: attention.headWidth ?? config.width / attention.heads,
        hidden_act: activationField(ffn.activation ?? "silu"),
        rms_norm_eps: config.eps,
        rope_theta: base,
        rope_scaling: scalingFields(scaling),
        tie_word_embeddings: config.tied,
        attention_bias: attention.bias ?? true,
        mlp_bias: ffn.bias ?? false,
      };
    },
    weights(config) {
      const parts = usualParts(config.blocks[0]);
      const bias = parts?.attention.bias ?? true;
      const outputBias = parts?.attention.outputBias ?? bias;
      const ffnBias = parts?.ffn.kind === "gated" && parts.ffn.bias === true;
      const block = (i: number): WeightPlace[] => {
        const [name, path] = [`layers.${i}.`, `blocks.${i}.`];
        const attention = (part: string): string => `${path}mixer.layer.${part}`;
        return [
          ...norm(`${name}input_layernorm`, `${path}mixer.norm`, { bias: false }),
          ...linear(`${name}self_attn.q_proj`, attention("query"), { bias }),
          ...linear(`${name}self_attn.k_proj`, attention("key"), { bias }),
          ...linear(`${name}self_attn.v_proj`, attention("value"), { bias }),
          ...linear(`${name}self_attn.o_proj`, attention("output"), { bias: outputBias }),
          ...(headNorms
            ? [
                ...norm(`${name}self_attn.q_norm`, attention("queryNorm"), { bias: false }),
                ...norm(`${name}self_attn.k_norm`, attention("keyNorm"), { bias: false }),
              ]
            : []),
          ...norm(`${name}post_attention_layernorm`, `${path}ffn.norm`, { bias: false }),
          ...linear(`${name}mlp.gate_proj`, `${path}ffn.layer.gate`, { bias: ffnBias }),
          ...linear(`${name}mlp.up_proj`, `${path}ffn.layer.up`, { bias: ffnBias }),
          ...linear(`${name}mlp.down_proj`, `${path}ffn.layer.down`, { bias: ffnBias }),
        ];
      };
      return [
        { name: "embed_tokens.weight", paths: ["embedding.weight"] },
        ...config.blocks.flatMap((_, i) => block(i)),
        ...norm("norm", "norm", { bias: false }),
        ...ownHead("lm_head.weight", config),
      ];
    },
  };
}

/** Source: Touvron et al. 2023, arXiv:2302.13971. */
export const llama = llamaForm({ modelType: "llama", architecture: "LlamaForCausalLM" });
/** Source: Jiang et al. 2023, arXiv:2310.06825. */
export const mistral = llamaForm({ modelType: "mistral", architecture: "MistralForCausalLM" });
/** Source: Yang et al. 2024, arXiv:2407.10671. */
export const qwen2 = llamaForm({
  modelType: "qwen2",
  architecture: "Qwen2ForCausalLM",
  inputBias: true,
  optionalWindow: true,
});
/** Source: Yang et al. 2025, arXiv:2505.09388. */
export const qwen3 = llamaForm({
  modelType: "qwen3",
  architecture: "Qwen3ForCausalLM",
  headNorms: true,
  optionalWindow: true,
});
