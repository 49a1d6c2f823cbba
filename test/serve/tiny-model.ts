/** What tests of servers share: a small model that knows a few words, and OpenAI's own client. */
import OpenAI from "openai";
import { evaluate, key, mapTree, normal } from "../../src/array/index.ts";
import { decoder, loadTokenizer, trainTokenizer } from "../../src/models/index.ts";
import type { RunningServer } from "../../src/serve/index.ts";

/** One block of random weights, large enough that what it says depends on what it was told. */
export async function tinyModel({ context }: { readonly context: number }) {
  const words = trainTokenizer(["the whale, the sea, and the whale again"], { vocabulary: 280 });
  const tokenizer = await loadTokenizer(words);
  const model = decoder({
    ...{ vocabulary: tokenizer.vocabularySize, context, width: 16 },
    blocks: [[{ mixer: { kind: "attention", heads: 2 } }, { ffn: { kind: "dense", hidden: 32 } }]],
  });
  const params = await evaluate(mapTree(model.init(key(0)), (x, p) => normal(key(p.length), x.shape, { std: 0.4 })));
  return { model, params, tokenizer };
}

/** A client that tries once. */
export const clientOf = ({ port }: Pick<RunningServer, "port">): OpenAI =>
  new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: "none", maxRetries: 0 });
