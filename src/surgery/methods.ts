/** The conversions by name, as the command line and records of conversions have them. */
import { z } from "zod";
import { checked } from "../data/checked.ts";
import type { TokenFile } from "../data/index.ts";
import { decoder } from "../models/index.ts";
import { deepenFfns } from "./deepen.ts";
import { factorizeFfns, mergeFfns } from "./factorize.ts";
import { moefy, splitKinds } from "./moefication.ts";
import type { ConfiguredDecoder } from "./replace.ts";

export interface ConversionContext {
  /** Text that says what the model does with real input, for methods that ask. */
  readonly text: TokenFile;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number; readonly stage: string }) => void;
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

/** Ways to convert a model. */
export const conversions: { readonly [name: string]: Method } = {
  moefication: method(
    "ReLU layers cut into experts, of which a router chooses some for each token",
    {
      experts: count.default(32),
      active: count.default(8),
      split: z.enum(splitKinds).default("parameters"),
      router: z.enum(["mlp", "similarity", "truth"]).default("mlp"),
      tokens: count.default(16_384),
      epochs: count.default(10),
      seed: z.int().min(0).default(0),
    },
    async ({ config, params }, options, context) => {
      const { layers, ...converted } = await moefy(decoder(config), params, { ...options, ...context });
      return { ...converted, figures: { layers } };
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
