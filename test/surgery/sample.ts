/** What tests of conversions share: a text, tokens to compute with, and how far two models are apart on them. */
import { compile, tensor } from "../../src/array/index.ts";
import type { TokenFile } from "../../src/data/index.ts";
import { decoder } from "../../src/models/index.ts";
import type { ConfiguredDecoder } from "../../src/surgery/index.ts";
import { distance } from "../nn/reference.ts";
import { tokenFile } from "../temporary.ts";

/** Kinds of tokens in the text. */
const VOCABULARY = 30;

/** A text with some order in it. */
export const sampleText = (length: number): Promise<TokenFile> =>
  tokenFile(
    VOCABULARY,
    Array.from({ length }, (_, i) => (i * i + (i >> 3)) % VOCABULARY),
  );

/** Two rows of twelve tokens. */
export const sampleTokens = tensor(
  Int32Array.from({ length: 24 }, (_, i) => (i * 11) % VOCABULARY),
  { shape: [2, 12] },
);

/** The logits of a model at `sampleTokens`, one after the other. */
export const logitsOf = async ({ config, params }: ConfiguredDecoder): Promise<number[]> =>
  Array.from((await compile(decoder(config).apply)(params, sampleTokens)).data, Number);

/** The largest difference between the logits of two models, over the largest of the first. */
export async function apart(a: ConfiguredDecoder, b: ConfiguredDecoder): Promise<number> {
  const [x, y] = [await logitsOf(a), await logitsOf(b)];
  return distance(x, y) / Math.max(...x.map(Math.abs));
}
