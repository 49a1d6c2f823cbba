/** The layers that mix positions, by name. */
import { z } from "zod";
import { attentionWeights, multiHeadAttention } from "../../nn/index.ts";
import { type ConfigOf, count, familySchema, kind, rate } from "./family.ts";

export const mixers = {
  /** `multiHeadAttention`: with `kvHeads` below `heads`, grouped queries. */
  attention: kind(
    {
      heads: count,
      kvHeads: count.optional(),
      headWidth: count.optional(),
      weights: z.enum(attentionWeights).default("softmax"),
      bias: z.boolean().default(true),
      outputBias: z.boolean().optional(),
      normalized: z.union([z.boolean(), z.strictObject({ eps: z.number().positive() })]).default(false),
      dropout: rate.default(0),
    },
    ({ kvHeads, headWidth, outputBias, ...options }, { width, init, causal, rotary }) =>
      multiHeadAttention({
        width,
        init,
        causal,
        ...options,
        ...(outputBias === undefined ? {} : { outputBias }),
        ...(kvHeads === undefined ? {} : { kvHeads }),
        ...(headWidth === undefined ? {} : { headWidth }),
        ...(rotary ? { rotary } : {}),
      }),
  ),
} as const;

/** A mixing layer and its options, e.g. `{ kind: "attention", heads: 4 }`. */
export type MixerConfig = ConfigOf<typeof mixers>;
export const mixerSchema = familySchema("mixer", mixers);
