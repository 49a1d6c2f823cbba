import { describe, expect, it } from "vitest";
import { evaluate, key, tensor, toNested } from "../../src/array/index.ts";
import { BEGIN, END, PADDING } from "../../src/data/index.ts";
import { encoderDecoder } from "../../src/models/index.ts";
import { fitTranslationModel, pairBatch, scoreTranslationModel, targetTotals } from "../../src/train/index.ts";

const attention = { mixer: { kind: "attention", heads: 2 } } as const;
const dense = { ffn: { kind: "dense", hidden: 32 } } as const;
const model = encoderDecoder({
  vocabulary: 12,
  context: 6,
  width: 16,
  positions: "learned",
  encoder: [[attention, dense]],
  decoder: [[attention, { cross: { heads: 2 } }, dense]],
});
const length = { source: 4, target: 4 };
/** Two numbers from 3 to 11, to be said in reverse. */
const pairs = Array.from({ length: 81 }, (_, i) => {
  const [a, b] = [3 + Math.floor(i / 9), 3 + (i % 9)];
  return { source: Int32Array.of(a, b), target: Int32Array.of(b, a) };
});

describe("targetTotals", () => {
  it("sums over what is not padding, in single rows as in a batch", async () => {
    const params = await evaluate(model.init(key(0)));
    const some = [
      { source: Int32Array.of(4), target: Int32Array.of(5, 6, 7) },
      { source: Int32Array.of(4, 9), target: Int32Array.of(3) },
    ];
    const rows = pairBatch(some, length);
    const { loss, correct, tokens } = await evaluate(targetTotals(model, params, rows));
    expect(Number(tokens.data[0])).toBe(4 + 2);
    const logits = toNested(
      await evaluate(
        model.apply(params, {
          source: tensor(Int32Array.of(4, END, 0, 0, 4, 9, END, 0), { shape: [2, 4] }),
          target: tensor(Int32Array.of(BEGIN, 5, 6, 7, BEGIN, 3, END, PADDING), { shape: [2, 4] }),
        }),
      ),
    ) as number[][][];
    let [nats, hits] = [0, 0];
    [
      [5, 6, 7, END],
      [3, END],
    ].forEach((said, row) => {
      said.forEach((token, t) => {
        const scores = logits[row]?.[t] as number[];
        const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
        nats += Math.log(total) - (scores[token] as number);
        if (scores.every((score) => score <= (scores[token] as number))) hits++;
      });
    });
    expect(Number(loss.data[0])).toBeCloseTo(nats, 4);
    expect(Number(correct.data[0])).toBe(hits);
  });
});

describe("fitTranslationModel", () => {
  it("learns to say two numbers in reverse, and says unseen ones too", { timeout: 60_000 }, async () => {
    const held = pairs.filter((_, i) => i % 9 === 4);
    const seen = pairs.filter((_, i) => i % 9 !== 4);
    const options = { model, pairs: seen, length, batch: 24, rate: 1e-2, weightDecay: 0 };
    const { params, history } = await fitTranslationModel({ ...options, steps: 250 });
    expect(history.loss[0]).toBeGreaterThan(2);
    const [known, unknown] = [
      await scoreTranslationModel(model, params, seen, { length }),
      await scoreTranslationModel(model, params, held, { length, batch: 4 }),
    ];
    expect(known.accuracy).toBeGreaterThan(0.98);
    expect(unknown.accuracy).toBeGreaterThan(0.8);
    const again = await scoreTranslationModel(model, params, held, { length });
    expect(again.loss).toBeCloseTo(unknown.loss, 6);
  });
});
