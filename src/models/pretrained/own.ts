/** Decoders that no published architecture has, in the same layout under our own names. */
import { flatten, key } from "../../array/index.ts";
import { type DecoderConfig, decoder } from "../transformer/decoder.ts";
import type { Architecture } from "./architecture.ts";

/** Any decoder: `config.json` holds its configuration, and weights have the dotted paths of the parameters. */
export const own: Architecture = {
  modelType: "fourward-decoder",
  toDecoder: (fields) => (fields as { readonly decoder: DecoderConfig }).decoder,
  toFields: (config) => ({ decoder: config }),
  weights: (config) => flatten(decoder(config).init(key(0))).paths.map((path) => ({ name: path, paths: [path] })),
};
