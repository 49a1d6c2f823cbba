import { describe, expect, it } from "vitest";
import { evaluate, key, logSoftmax, mapTree, mul, tensor, toNested } from "../../src/array/index.ts";
import type { TokenFile } from "../../src/data/index.ts";
import { decoder } from "../../src/models/index.ts";
import { scoreLanguageModel, stridedWindows } from "../../src/train/index.ts";

const vocabulary = 11;
const model = decoder({
  vocabulary,
  context: 8,
  width: 16,
  blocks: [[{ mixer: { kind: "attention", heads: 2 } }, { ffn: { kind: "dense", hidden: 32 } }]],
});
const params = await evaluate(mapTree(model.init(key(3)), (x) => mul(x, 3)));
const fileOf = (length: number): TokenFile => {
  const tokens = Int32Array.from({ length }, (_, i) => (i * i + (i >> 1)) % vocabulary);
  return { length, read: (start: number, count: number) => tokens.subarray(start, start + count) } as never;
};

/** Every token after the first scored once, by windows that are looked for one token at a time. */
async function bruteForce(file: TokenFile, context: number, stride: number) {
  let [loss, hits] = [0, 0];
  const last = file.length - 1 - context;
  for (let target = 1; target < file.length; target++) {
    // The first window that reaches the token: windows begin at multiples of the stride, the last at the end.
    let start = 0;
    while (start + context < target) start = Math.min(start + stride, last);
    const input = [...file.read(start, target - start)];
    const logits = await evaluate(
      logSoftmax(model.apply(params, tensor(Int32Array.from(input), { shape: [1, input.length] }))),
    );
    const row = (toNested(logits) as number[][][])[0]?.at(-1) as number[];
    const token = file.read(target, 1)[0] as number;
    loss -= row[token] as number;
    if (row.indexOf(Math.max(...row)) === token) hits++;
    // That much text stands before it, except in the first window.
    if (target > context) expect(input.length).toBeGreaterThan(context - stride);
  }
  const tokens = file.length - 1;
  return { loss: loss / tokens, accuracy: hits / tokens, tokens };
}

describe("scores with a stride", () => {
  it.each([
    [30, 8, 8],
    [30, 8, 3],
    [27, 6, 1],
    [9, 8, 5],
    [10, 8, 5],
  ])(
    "count each of %i tokens once, in windows of %i with stride %i",
    async (length, context, stride) => {
      const file = fileOf(length);
      const score = await scoreLanguageModel(model, params, file, { context, stride, batch: 3 });
      const expected = await bruteForce(file, context, stride);
      expect(score.tokens).toBe(expected.tokens);
      expect(score.loss).toBeCloseTo(expected.loss, 5);
      expect(score.accuracy).toBeCloseTo(expected.accuracy, 6);
      expect(score.perplexity).toBeCloseTo(Math.exp(expected.loss), 4);
    },
    60_000,
  );

  it("spread fewer windows over the text", async () => {
    const { count, scored } = stridedWindows(fileOf(100), { context: 8, stride: 2, windows: 5 });
    expect([count, scored]).toEqual([5, 8 + 4 * 2]);
    const score = await scoreLanguageModel(model, params, fileOf(100), { context: 8, stride: 2, windows: 5 });
    expect(score.tokens).toBe(16);
  });

  it("refuse a stride that leaves tokens out", () => {
    for (const stride of [0, 9, 1.5])
      expect(() => stridedWindows(fileOf(30), { context: 8, stride })).toThrow(
        `stride must be a whole number from 1 to the context of 8, got ${stride}`,
      );
  });
});
