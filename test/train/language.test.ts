import { describe, expect, it } from "vitest";
import { evaluate, key, tensor, toNested } from "../../src/array/index.ts";
import { decoder } from "../../src/models/index.ts";
import { parameterCount } from "../../src/nn/index.ts";
import {
  compareLanguageModels,
  fitLanguageModel,
  languageFigures,
  languageModelFlops,
  scoreLanguageModel,
} from "../../src/train/index.ts";
import { memoryContext } from "../report/context.ts";
import { tokenFile } from "../temporary.ts";

// 0 1 2 … 6 0 1 2 …, with every third token replaced by a fair coin between 7 and 8: ln(2)/3 nats per token are left.
let coin = 1;
const toss = (): number => {
  coin = (coin * 1103515245 + 12345) % 2 ** 31;
  return 7 + ((coin >> 16) & 1);
};
const file = await tokenFile(
  9,
  Array.from({ length: 6001 }, (_, i) => (i % 3 === 2 ? toss() : i % 7)),
);
const block = [{ mixer: { kind: "attention", heads: 2 } }, { ffn: { kind: "dense", hidden: 32 } }] as const;
const model = decoder({ vocabulary: 9, context: 16, width: 16, blocks: [block, block] });

describe("fitLanguageModel", () => {
  it("learns what can be learned of a text, and no more", async () => {
    const { params, history } = await fitLanguageModel({
      model,
      data: file,
      steps: 250,
      batch: 8,
      context: 16,
      rate: 1e-2,
    });
    expect(history.loss[0]).toBeGreaterThan(2);
    const { loss, perplexity, tokens } = await scoreLanguageModel(model, params, file, { context: 16 });
    expect(tokens).toBe(375 * 16);
    expect(loss).toBeGreaterThan(Math.log(2) / 3 - 0.01);
    expect(loss).toBeLessThan(Math.log(2) / 3 + 0.25);
    expect(perplexity).toBeCloseTo(Math.exp(loss), 10);
  });
});

describe("scoreLanguageModel", () => {
  it("is the mean of -log softmax over the targets of all windows", async () => {
    const params = await evaluate(model.init(key(3)));
    const windows = 5;
    let [nats, hits] = [0, 0];
    for (let i = 0; i < windows; i++) {
      const tokens = Int32Array.from(file.read(Math.floor((i * 375) / windows) * 16, 17));
      const logits = (
        toNested(await evaluate(model.apply(params, tensor(tokens.slice(0, 16), { shape: [1, 16] })))) as number[][][]
      )[0] as number[][];
      logits.forEach((row, t) => {
        const total = row.reduce((sum, value) => sum + Math.exp(value), 0);
        if (row.indexOf(Math.max(...row)) === tokens[t + 1]) hits++;
        nats += Math.log(total) - (row[tokens[t + 1] as number] as number);
      });
    }
    const score = await scoreLanguageModel(model, params, file, { context: 16, windows, batch: 2 });
    expect(score.tokens).toBe(windows * 16);
    expect(score.loss).toBeCloseTo(nats / (windows * 16), 5);
    expect(score.accuracy).toBeCloseTo(hits / (windows * 16), 10);
  });
});

describe("languageModelFlops", () => {
  it("is two operations for each weight of a product, and four times width for each position that attention sees", () => {
    const [d, m, v, t, layers] = [16, 32, 9, 16, 2];
    const weights = layers * (4 * d * d + 2 * d * m) + v * d;
    const { inference, training } = languageModelFlops(model, t);
    expect(inference).toBe(2 * weights + layers * 4 * t * d);
    expect(training).toBe(3 * inference);
  });

  it("grows with a gated feed-forward layer by its third matrix", () => {
    const gated = decoder({
      vocabulary: 9,
      context: 16,
      width: 16,
      blocks: [[block[0], { ffn: { kind: "gated", hidden: 32 } }], block],
    });
    const more = languageModelFlops(gated, 16).inference - languageModelFlops(model, 16).inference;
    expect(more).toBe(2 * 16 * 32);
  });
});

describe("compareLanguageModels", () => {
  it("gives each arm the same batches, and reports what it costs", async () => {
    const { context } = memoryContext({ seeds: [0, 1] });
    const budget = { steps: 12, batch: 4, context: 16, rates: [1e-3, 1e-2], validation: 20, test: 40 };
    const text = { train: file, validation: file, test: file };
    const result = await compareLanguageModels(context, { arms: { one: model, same: model }, text, budget });
    expect(result.one?.outcomes).toHaveLength(2);
    expect(result.same?.outcomes.map(({ test, train }) => [test, train])).toEqual(
      result.one?.outcomes.map(({ test, train }) => [test, train]),
    );
    expect(result.one?.rate).toBe(1e-2);
    expect(result.one?.parameters).toBe(parameterCount(model.init(key(0))));
    expect(result.one?.bodyParameters).toBe(parameterCount(model.init(key(0))) - 9 * 16);
    expect(result.one?.outcomes[0]?.test).not.toBe(result.one?.outcomes[1]?.test);
    const [table, curves] = languageFigures(result, budget);
    expect(table?.kind === "table" && table.rows.map(([name]) => name)).toEqual(["one", "same"]);
    expect(curves?.kind === "lines" && curves.series[0]?.points).toHaveLength(12);
  });
});
