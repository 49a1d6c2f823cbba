/** Rotary positions as configuration files describe them. */
import { z } from "zod";
import type { RotaryOptions, RotaryScaling } from "../../nn/index.ts";
import { show } from "../safetensors-header.ts";

const count = z.int().min(1);
const positive = z.number().positive();

/** What a file says of one kind of rotation; fields of other kinds are not looked at. */
const kindSchema = z.discriminatedUnion(
  "rope_type",
  [
    z.object({ rope_type: z.literal("default") }),
    z.object({ rope_type: z.literal("linear"), factor: positive }),
    // Its frequencies change only beyond the positions of the model, where it is not used.
    z.object({ rope_type: z.literal("dynamic") }),
    z.object({
      rope_type: z.literal("llama3"),
      factor: positive,
      original_max_position_embeddings: count,
      low_freq_factor: positive,
      high_freq_factor: positive,
    }),
    z.object({
      rope_type: z.literal("yarn"),
      factor: positive,
      original_max_position_embeddings: count.nullish(),
      beta_fast: positive.nullish(),
      beta_slow: positive.nullish(),
      attention_factor: positive.nullish(),
      mscale: z.number().nullish(),
      mscale_all_dim: z.number().nullish(),
      truncate: z.boolean().nullish(),
    }),
  ],
  {
    error: ({ input }) => {
      const { rope_type } = (input ?? {}) as { readonly rope_type?: unknown };
      return `rotary positions of the kind ${show(rope_type)} are not supported; known are default, linear, dynamic, llama3 and yarn`;
    },
  },
);

/** Older files name the kind `type`, and newer ones leave it out where it is the usual one. */
const withKind = (value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? { rope_type: "type" in value ? value.type : "default", ...value }
    : value;

/** The fields of a configuration file that describe rotations: two of older files, one of newer. */
export const ropeFields = {
  rope_theta: positive.nullish(),
  rope_scaling: z.preprocess(withKind, kindSchema.nullish()).optional(),
  rope_parameters: z
    .preprocess(
      withKind,
      z
        .object({ rope_theta: positive.nullish(), partial_rotary_factor: positive.max(1).nullish() })
        .and(kindSchema)
        .nullish(),
    )
    .optional(),
  max_position_embeddings: count,
};
type RopeFields = z.infer<z.ZodObject<typeof ropeFields>>;

/** Our options of a file's fields; `partial` is the share of features that turn, if the file says so. */
export function ropeOf({ rope_theta, rope_scaling, rope_parameters, max_position_embeddings }: RopeFields): {
  readonly rotary: Pick<RotaryOptions, "base" | "scaling">;
  readonly partial: number | undefined;
} {
  const kind = rope_parameters ?? rope_scaling;
  const scaling = kind ? scalingOf(kind, max_position_embeddings) : null;
  return {
    rotary: { base: rope_parameters?.rope_theta ?? rope_theta ?? 10_000, ...(scaling ? { scaling } : {}) },
    partial: rope_parameters?.partial_rotary_factor ?? undefined,
  };
}

function scalingOf(kind: z.infer<typeof kindSchema>, context: number): RotaryScaling | null {
  switch (kind.rope_type) {
    case "linear":
      return { kind: "linear", factor: kind.factor };
    case "llama3":
      return {
        kind: "llama3",
        factor: kind.factor,
        context: kind.original_max_position_embeddings,
        low: kind.low_freq_factor,
        high: kind.high_freq_factor,
      };
    case "yarn":
      return {
        kind: "yarn",
        factor: kind.factor,
        context: kind.original_max_position_embeddings ?? context,
        fast: kind.beta_fast ?? 32,
        slow: kind.beta_slow ?? 1,
        magnitude: kind.attention_factor ?? yarnMagnitude(kind.factor, kind.mscale, kind.mscale_all_dim),
        rounded: kind.truncate ?? true,
      };
    default:
      return null;
  }
}

/** The factor on cosines and sines. Source: Peng et al. 2023 (YaRN), arXiv:2309.00071, section 3.4; DeepSeek-V2's form. */
function yarnMagnitude(factor: number, scale: number | null | undefined, all: number | null | undefined): number {
  const magnitude = (m: number): number => (factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1);
  return scale && all ? magnitude(scale) / magnitude(all) : magnitude(1);
}

/** The `rope_scaling` of a configuration file. */
export function scalingFields(scaling: RotaryScaling | undefined): { readonly [field: string]: unknown } | null {
  switch (scaling?.kind) {
    case "linear":
      return { rope_type: "linear", factor: scaling.factor };
    case "llama3":
      return {
        rope_type: "llama3",
        factor: scaling.factor,
        original_max_position_embeddings: scaling.context,
        low_freq_factor: scaling.low,
        high_freq_factor: scaling.high,
      };
    case "yarn":
      return {
        rope_type: "yarn",
        factor: scaling.factor,
        original_max_position_embeddings: scaling.context,
        beta_fast: scaling.fast,
        beta_slow: scaling.slow,
        attention_factor: scaling.magnitude,
        truncate: scaling.rounded,
      };
    default:
      return null;
  }
}
