/** Replies by tokenizers in SentencePiece's form, whose decoders take a space from the beginning of a text. */
import { expect, it } from "vitest";
import { evaluate, key } from "../../src/array/index.ts";
import { decoder, loadTokenizer } from "../../src/models/index.ts";
import { startServer } from "../../src/serve/index.ts";

const words = ["<s>", "</s>", "\u2581the", "\u2581whale", "\u2581sea", "s"];
const tokenizer = await loadTokenizer({
  added_tokens: words.slice(0, 2).map((content, id) => ({ id, content, special: true })),
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "\u2581" },
      { type: "Replace", pattern: { String: " " }, content: "\u2581" },
    ],
  },
  pre_tokenizer: null,
  post_processor: null,
  decoder: {
    type: "Sequence",
    decoders: [
      { type: "Replace", pattern: { String: "\u2581" }, content: " " },
      { type: "Fuse" },
      { type: "Strip", content: " ", start: 1, stop: 0 },
    ],
  },
  model: { type: "Unigram", vocab: words.map((word, i) => [word, i < 2 ? 0 : -1]), unk_id: 0 },
} as never);
const model = decoder({
  vocabulary: words.length,
  context: 16,
  width: 8,
  blocks: [[{ mixer: { kind: "attention", heads: 2 } }]],
});
const params = await evaluate(model.init(key(3)));

it("keeps the space between a prompt and a reply, whole and as a stream", { timeout: 30_000 }, async () => {
  const speaking = { model, params, tokenizer: { ...tokenizer, ends: [] } };
  const server = await startServer(speaking, { name: "tiny", host: "127.0.0.1", port: 0 });
  const ask = (stream: boolean) =>
    fetch(`http://127.0.0.1:${server.port}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      // Of the tokens, "\u2581sea" alone can be said.
      body: JSON.stringify({
        model: "tiny",
        prompt: "the whale",
        max_tokens: 3,
        temperature: 0,
        logit_bias: { 4: 100 },
        stream,
      }),
    });
  try {
    const whole = (await (await ask(false)).json()) as { choices: { text: string }[] };
    const texts = (await (await ask(true)).text())
      .split("\n")
      .flatMap((line) => (line.startsWith("data: {") ? [JSON.parse(line.slice(6)).choices[0]?.text ?? ""] : []));
    expect(whole.choices[0]?.text).toBe(" sea sea sea");
    expect(texts.join("")).toBe(" sea sea sea");
  } finally {
    await server.close();
  }
});
