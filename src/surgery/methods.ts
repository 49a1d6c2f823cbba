/** The conversions by name, as the command line and records of conversions have them. */
import { z } from "zod";
import { checked } from "../data/checked.ts";
import type { TokenFile } from "../data/index.ts";
import { decoder } from "../models/index.ts";
import type { StudyProgress } from "../report/index.ts";
import { fitLanguageModel } from "../train/index.ts";
import { deepenFfns } from "./deepen.ts";
import { distillFactored, learnerKinds } from "./distill.ts";
import { exciseDeadNeurons } from "./excise.ts";
import { factorFigures } from "./factor-figures.ts";
import { factorFfns, sliceKinds } from "./factor-llm.ts";
import { factorizeFfns, mergeFfns } from "./factorize.ts";
import { fuseModel } from "./ffn-fusion.ts";
import { heavyFigures, measureUnits, rankForBudget, scoreKinds, selectKinds, splitFfns, withRank } from "./ffsplit.ts";
import { moefy, splitKinds } from "./moefication.ts";
import { quantizeFfns } from "./quantize.ts";
import type { ConfiguredDecoder } from "./replace.ts";
import { rotations, sliceStream } from "./slice.ts";
import { expertMeasures, routerLosses } from "./teach-router.ts";

export interface ConversionContext {
  /** Text that says what the model does with real input, for methods that ask. */
  readonly text: TokenFile;
  readonly signal?: AbortSignal;
  /** What is counted are layers unless it says otherwise. */
  readonly onProgress?: (progress: StudyProgress) => void;
}

/** A converted model, and what was learned on the way. */
export interface Conversion extends ConfiguredDecoder {
  readonly figures: { readonly [name: string]: unknown };
}

interface Method {
  /** One line for help texts. */
  readonly about: string;
  readonly options: z.ZodObject;
  convert(model: ConfiguredDecoder, options: never, context: ConversionContext): Promise<Conversion> | Conversion;
}

const count = z.int().min(1);

const method = <S extends z.ZodRawShape>(
  about: string,
  shape: S,
  convert: (
    model: ConfiguredDecoder,
    options: z.infer<z.ZodObject<S>>,
    context: ConversionContext,
  ) => Promise<Conversion> | Conversion,
): Method => ({ about, options: z.strictObject(shape), convert: convert as Method["convert"] });

/** Goes on training a converted model for some steps on next tokens; with none it is left as it is. */
async function tuned(
  model: ConfiguredDecoder,
  { steps, rate, batch, seed }: { readonly [option in "steps" | "rate" | "batch" | "seed"]: number },
  { text, signal, onProgress }: ConversionContext,
): Promise<ConfiguredDecoder> {
  if (steps === 0) return model;
  const { params } = await fitLanguageModel({
    ...{ model: decoder(model.config), params: model.params, data: text, context: model.config.context },
    ...{ steps, rate, batch, seed },
    ...(signal ? { signal } : {}),
    onProgress: ({ step, loss }) =>
      onProgress?.({
        ...{ done: step, total: steps, stage: "training on", unit: "steps" },
        training: { step, losses: { "next token": loss } },
      }),
  });
  signal?.throwIfAborted();
  return { config: model.config, params };
}

/** Ways to convert a model. */
export const conversions: { readonly [name: string]: Method } = {
  moefication: method(
    "ReLU layers cut into experts, of which a router chooses some for each token",
    {
      experts: count.default(64),
      active: count.default(16),
      split: z.enum(splitKinds).default("parameters"),
      router: z.enum(["mlp", "similarity", "truth"]).default("mlp"),
      tokens: count.default(16_384),
      epochs: count.default(10),
      loss: z.enum(routerLosses).default("shares"),
      measure: z.enum(expertMeasures).default("contribution"),
      seed: z.int().min(0).default(0),
    },
    async ({ config, params }, options, context) => {
      const { layers, ...converted } = await moefy(decoder(config), params, { ...options, ...context });
      return { ...converted, figures: { layers } };
    },
  ),
  factor: method(
    "dense or gated layers cut into slices, of which a linear router taught by the whole layers chooses some (FactorLLM)",
    {
      experts: count.default(4),
      active: count.default(2),
      slices: z.enum(sliceKinds).default("contiguous"),
      learn: z.enum(["none", ...learnerKinds]).default("all"),
      task: z.number().min(0).default(1),
      prior: z.number().min(0).default(1),
      steps: count.default(300),
      batch: count.default(8),
      rate: z.number().positive().default(1e-3),
      seed: z.int().min(0).default(0),
    },
    async (model, { experts, active, slices, learn, ...training }, { text, signal, onProgress }) => {
      const cut = await factorFfns(model, { experts, active, slices, seed: training.seed });
      const stop = signal ? { signal } : {};
      if (learn === "none") return { ...cut, figures: { layers: await factorFigures(model, cut, text, stop) } };
      const { losses, ...converted } = await distillFactored(model, cut, {
        ...training,
        learn,
        text,
        ...stop,
        onProgress: ({ step, steps, loss }) =>
          onProgress?.({
            ...{ done: step, total: steps, stage: "teaching", unit: "steps" },
            training: { step, losses: { "what is taught": loss } },
          }),
      });
      return { ...converted, figures: { losses, layers: await factorFigures(model, converted, text, stop) } };
    },
  ),
  excise: method(
    "hidden units that are never active in the text taken out of ReLU layers, which changes nothing on that text",
    { tokens: count.default(65_536) },
    async (model, options, { text, signal, onProgress }) => {
      const stage = "counting activations";
      const { layers, ...converted } = await exciseDeadNeurons(model, text, {
        ...options,
        ...(signal ? { signal } : {}),
        onProgress: (done, total) => onProgress?.({ done, total, stage }),
      });
      return { ...converted, figures: { layers } };
    },
  ),
  ffsplit: method(
    "the units that give most stay whole, the maps of the others become products of low rank, or few bits (FFSplit)",
    {
      compress: z.enum(["low-rank", "quantized"]).default("low-rank"),
      kept: z.number().min(0).max(1).default(0.25),
      budget: z.number().gt(0).max(1).default(0.5),
      factors: z.enum(["aware", "plain"]).default("aware"),
      bits: z.int().min(2).max(8).default(4),
      keptBits: z.int().min(2).max(16).default(8),
      group: count.default(32),
      select: z.enum(selectKinds).default("heaviest"),
      score: z.enum(scoreKinds).default("mean"),
      tokens: count.default(16_384),
      steps: z.int().min(0).default(0),
      rate: z.number().positive().default(3e-4),
      batch: count.default(8),
      seed: z.int().min(0).default(0),
    },
    async (model, options, context) => {
      const { compress, kept, budget, tokens, steps } = options;
      const { text, signal, onProgress } = context;
      const aware = compress === "low-rank" && options.factors === "aware";
      onProgress?.({ done: 0, total: 1, stage: "measuring what units give" });
      const stop = signal ? { signal } : {};
      const norms = await measureUnits(model, text, { tokens, products: aware, ...stop });
      signal?.throwIfAborted();
      onProgress?.({ done: 0, total: 1, stage: "compressing" });
      const layers = heavyFigures(norms, kept);
      if (compress === "quantized") {
        const { bytes, ...rounded } = await quantizeFfns(model, norms, options);
        const after = await tuned(rounded, options, context);
        return { ...after, figures: { layers, simulated: true, bytes } };
      }
      const full = await splitFfns(model, norms, { ...options, aware });
      const cut = await withRank(full, (layer) => rankForBudget(layer, budget));
      return { ...(await tuned(cut, { ...options, steps }, context)), figures: { layers } };
    },
  ),
  "low-rank": method(
    "both maps of dense feed-forward layers replaced by products of two thin ones (truncated SVD)",
    { rank: count },
    (model, { rank }) => ({ ...factorizeFfns(model, rank), figures: {} }),
  ),
  merge: method("structured feed-forward layers merged to dense ones, which compute the same", {}, (model) => ({
    ...mergeFfns(model),
    figures: {},
  })),
  fuse: method(
    "attention dropped where it is missed least, runs of feed-forward layers fused to wide ones, healed by distillation",
    {
      attentions: z.int().min(0).default(2),
      longest: z.int().min(2).optional(),
      shortest: z.int().min(2).default(2),
      most: z.number().min(0).default(0.5),
      last: z.enum(["keep", "fuse"]).default("keep"),
      sideBySide: z.int().min(0).default(0),
      windows: count.default(16),
      steps: z.int().min(0).default(0),
      batch: count.default(8),
      rate: z.number().positive().default(5e-4),
      seed: z.int().min(0).default(0),
    },
    async (model, { last, longest, ...options }, context) => {
      const { figures, ...converted } = await fuseModel(model, {
        ...options,
        ...context,
        ...(longest === undefined ? {} : { longest }),
        last: last === "fuse",
      });
      return { ...converted, figures: { ...figures } };
    },
  ),
  slice: method(
    "the stream cut to its principal directions, which makes every matrix on it smaller (SliceGPT)",
    {
      share: z.number().min(0).lt(1).default(0.2),
      rotation: z.enum(rotations).default("pca"),
      multiple: count.default(8),
      tokens: count.default(8192),
      seed: z.int().min(0).default(0),
    },
    async (model, options, context) => {
      const { config, params, ...figures } = await sliceStream(model, { ...options, ...context });
      return { config, params, figures };
    },
  ),
  deepen: method("a layer of the identity inside each dense ReLU layer, which computes the same", {}, (model) => ({
    ...deepenFfns(model),
    figures: {},
  })),
};

/**
 * Converts a model by the named method. Throws one sentence if there is no such method, an option is wrong, or the model
 * has nothing that it applies to.
 */
export async function convertModel(
  name: string,
  model: ConfiguredDecoder,
  options: { readonly [option: string]: unknown },
  context: ConversionContext,
): Promise<Conversion & { readonly options: { readonly [option: string]: unknown } }> {
  const chosen = Object.hasOwn(conversions, name) ? conversions[name] : undefined;
  if (!chosen)
    throw new Error(
      `convert: unknown method ${JSON.stringify(name)}; known are ${Object.keys(conversions).join(", ")}`,
    );
  const complete = checked(chosen.options, options, `convert --with ${name}`);
  return { ...(await chosen.convert(model, complete as never, context)), options: complete };
}
