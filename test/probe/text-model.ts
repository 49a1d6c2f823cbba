/** A small model, a tokenizer and a text for tests of probes. */
import { evaluate, key } from "../../src/array/index.ts";
import { decoder, type Tokenizer } from "../../src/models/index.ts";
import type { ProbeContext } from "../../src/probe/index.ts";
import { tokenFile } from "../temporary.ts";

/** Two blocks of width 8 and 12 hidden units that have seen nothing, and 900 tokens of 20 kinds. */
export async function textModel(): Promise<ProbeContext> {
  const model = decoder({
    vocabulary: 20,
    context: 6,
    width: 8,
    blocks: Array.from({ length: 2 }, () => [
      { mixer: { kind: "attention", heads: 2 } },
      { ffn: { kind: "dense", hidden: 12, activation: "gelu" } },
    ]),
  });
  const tokens = Int32Array.from({ length: 900 }, (_, i) => (i * i + 3 * i + Math.floor(i / 7)) % 20);
  return {
    model,
    params: await evaluate(model.init(key(3))),
    tokenizer: {} as Tokenizer,
    text: await tokenFile(20, tokens),
    tokens: 600,
  };
}
