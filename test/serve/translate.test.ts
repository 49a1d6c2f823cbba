import { describe, expect, it } from "vitest";
import { evaluate, key, mapTree, mul, tensor, toNested } from "../../src/array/index.ts";
import { encoderDecoder } from "../../src/models/index.ts";
import { translate } from "../../src/serve/index.ts";

const [BEGIN, END] = [1, 2];
const attention = { mixer: { kind: "attention", heads: 2 } } as const;
const dense = { ffn: { kind: "dense", hidden: 32 }, shared: "wide" } as const;
const model = encoderDecoder({
  vocabulary: 9,
  context: 7,
  width: 16,
  positions: "learned",
  encoder: [
    [attention, dense],
    [attention, dense],
  ],
  decoder: [
    [attention, { cross: { heads: 2 } }],
    [attention, { cross: { heads: 2 } }],
  ],
});
/** Random weights, large enough that what is said depends on the source. */
const params = async () => evaluate(mapTree(model.init(key(1)), (x) => mul(x, 3)));
const sources = [[3, 4, 5], [8, 7, 6, 5, 4, 3], [5], [6, 3, 6], [4, 4]];

describe("translate", () => {
  it("says the likeliest token after all before it, as the whole model computes them", async () => {
    const weights = await params();
    const said = await translate(model, weights, sources, { begin: BEGIN, end: END });
    for (const [row, source] of sources.entries()) {
      const target: number[] = [];
      for (let step = 0; step < 7; step++) {
        const logits = await evaluate(
          model.apply(weights, {
            source: tensor(Int32Array.from(source), { shape: [1, source.length] }),
            target: tensor(Int32Array.of(BEGIN, ...target), { shape: [1, target.length + 1] }),
          }),
        );
        const last = (toNested(logits) as number[][][])[0]?.at(-1) as number[];
        const token = last.indexOf(Math.max(...last));
        if (token === END) break;
        target.push(token);
      }
      expect(said[row]).toEqual(target);
    }
    // Not all the same, or the test would show nothing.
    expect(new Set(said.map(String)).size).toBeGreaterThan(2);
    const lengths = said.map(({ length }) => length);
    expect([Math.min(...lengths) < 7, Math.max(...lengths)]).toEqual([true, 7]);
  });

  it("says of each source what it says of that source alone, and no more than it may", async () => {
    const weights = await params();
    const together = await translate(model, weights, sources, { begin: BEGIN, end: END, maxTokens: 4 });
    for (const [row, source] of sources.entries()) {
      const [alone] = await translate(model, weights, [source], { begin: BEGIN, end: END, maxTokens: 4 });
      expect(together[row]).toEqual(alone);
      expect((alone as number[]).length).toBeLessThanOrEqual(4);
    }
    const signal = AbortSignal.abort();
    expect(await translate(model, weights, [[3]], { begin: BEGIN, end: END, signal })).toEqual([[]]);
  });

  it("names what does not fit", async () => {
    const weights = await params();
    const options = { begin: BEGIN, end: END };
    await expect(translate(model, weights, [], options)).rejects.toThrow("translate: expected at least one source");
    await expect(translate(model, weights, [[]], options)).rejects.toThrow(
      "translate: a source needs 1 to 7 tokens for a model with 7 positions, got 0",
    );
    await expect(translate(model, weights, [[3]], { ...options, maxTokens: 8 })).rejects.toThrow(
      "translate: maxTokens must be a whole number from 1 to 7, got 8",
    );
  });
});
