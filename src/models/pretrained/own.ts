/** Decoders that no published architecture has, in the same layout under our own names. */
import { z } from "zod";
import { flatten, key } from "../../array/index.ts";
import { checked } from "../../data/checked.ts";
import { type DecoderConfig, decoder, decoderSchema } from "../transformer/decoder.ts";
import type { Architecture } from "./architecture.ts";

/** Any decoder: `config.json` holds its configuration, and weights have the dotted paths of the parameters. */
export const own: Architecture = {
  modelType: "fourward-decoder",
  toDecoder: (fields, path) => checked(z.object({ decoder: decoderSchema }), fields, path).decoder as DecoderConfig,
  toFields: (config) => ({ decoder: config }),
  weights: (config) => flatten(decoder(config).init(key(0))).paths.map((path) => ({ name: path, paths: [path] })),
};
