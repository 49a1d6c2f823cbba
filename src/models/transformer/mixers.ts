/** The layers that mix positions, by name. */
import { z } from "zod";
import {
  attentionWeights,
  fourierMixer,
  longConvolutionMixer,
  maskedFourierMixer,
  movingAverageMixer,
  multiHeadAttention,
  spectralActivations,
  spectralFilterMixer,
  windowFourierMixer,
} from "../../nn/index.ts";
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
  /** `fourierMixer`: sees all positions, so it stands in encoders only. */
  fourier: kind({}, (_, { width, causal }) => {
    if (causal)
      throw new Error("the mixer fourier sees later positions; a decoder needs maskedFourier or windowFourier");
    return fourierMixer({ width });
  }),
  /** `spectralFilterMixer`: filters for exactly the positions of the model; encoders only. */
  spectralFilter: kind(
    {
      heads: count.default(1),
      adaptive: z.boolean().default(true),
      activation: z.enum(spectralActivations).default("magnitudeGelu"),
    },
    (options, { width, context, causal }) => {
      if (causal)
        throw new Error("the mixer spectralFilter sees later positions; a decoder needs another, such as attention");
      return spectralFilterMixer({ width, positions: context, ...options });
    },
  ),
  /** `maskedFourierMixer`: no parameters. */
  maskedFourier: kind({}, (_, { width, context }) => maskedFourierMixer({ width, positions: context })),
  /** `longConvolutionMixer`: filters as long as the context unless there are fewer `taps`. */
  longConvolution: kind(
    {
      taps: count.optional(),
      keep: z.number().gt(0).max(1).default(1),
      leaky: z.boolean().default(false),
      hidden: count.default(32),
    },
    ({ taps, ...options }, { width, context, init }) =>
      longConvolutionMixer({
        ...{ width, positions: context, init, ...options },
        ...(taps === undefined ? {} : { taps }),
      }),
  ),
  /** `windowFourierMixer`: no parameters. */
  windowFourier: kind({ window: count }, ({ window }, { width }) => windowFourierMixer({ width, window })),
  /** `movingAverageMixer`: no parameters. */
  movingAverage: kind({ window: count }, ({ window }, { width }) => movingAverageMixer({ width, window })),
} as const;

/** A mixing layer and its options, e.g. `{ kind: "attention", heads: 4 }`. */
export type MixerConfig = ConfigOf<typeof mixers>;
export const mixerSchema = familySchema("mixer", mixers);
