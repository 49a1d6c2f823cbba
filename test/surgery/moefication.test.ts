import { describe, expect, it } from "vitest";
import { evaluate, key, mapTree, normal, type Tensor } from "../../src/array/index.ts";
import { type DecoderConfig, decoder, loadPretrained, savePretrained } from "../../src/models/index.ts";
import {
  convertModel,
  expertMeasures,
  expertsGive,
  moefy,
  recordFfnInputs,
  routerLosses,
  splitKinds,
  withActiveExperts,
} from "../../src/surgery/index.ts";
import { temporaryFolder } from "../temporary.ts";
import { apart, logitsOf, sampleText } from "./sample.ts";

const folder = temporaryFolder();
const text = await sampleText(2000);
const block = [
  { mixer: { kind: "attention", heads: 2 } },
  { ffn: { kind: "dense", hidden: 24, activation: "relu" } },
] as const;
const config: DecoderConfig = { vocabulary: 30, context: 12, width: 8, blocks: [block, block] };
const model = decoder(config);
const params = await evaluate(mapTree(model.init(key(1)), (x, p) => normal(key(p.length), x.shape, { std: 0.5 })));

describe("moefy", () => {
  for (const split of splitKinds)
    for (const router of ["mlp", "similarity", "truth"] as const)
      it(`changes nothing with all experts active: split by ${split}, router ${router}`, async () => {
        const made = await moefy(model, params, { experts: 6, active: 6, split, router, text, tokens: 200, epochs: 1 });
        expect(await apart({ config, params }, made)).toBeLessThan(1e-5);
        for (const { captured, capturable } of made.layers)
          expect([captured, capturable]).toEqual([expect.closeTo(1, 5), expect.closeTo(1, 5)]);
      });

  it("changes nothing once saved and loaded", async () => {
    const made = await moefy(model, params, { experts: 6, active: 6, text, tokens: 200, epochs: 1 });
    await savePretrained(folder, { model: decoder(made.config), params: made.params, tokenizer: null });
    const loaded = await loadPretrained(folder);
    expect(await logitsOf({ config: loaded.model.config, params: loaded.params })).toEqual(await logitsOf(made));
  });

  it("captures no more than can be captured, and more after teaching than by similarity", async () => {
    const options = { experts: 12, active: 3, text, tokens: 1500, epochs: 40 };
    const [taught, similar] = [
      // The figures are in what units give, not in what they contribute.
      await moefy(model, params, { ...options, router: "mlp", measure: "activation" }),
      await moefy(model, params, { ...options, router: "similarity" }),
    ];
    for (const { captured, capturable, activeShare } of [...taught.layers, ...similar.layers]) {
      expect(captured).toBeLessThanOrEqual(capturable + 1e-6);
      expect(activeShare).toBeGreaterThan(0);
      expect(activeShare).toBeLessThan(1);
    }
    const mean = (layers: typeof taught.layers) => layers.reduce((total, { captured }) => total + captured, 0);
    expect(mean(taught.layers)).toBeGreaterThan(mean(similar.layers));
  });

  for (const loss of routerLosses)
    for (const measure of expertMeasures)
      it(`teaches routers ${loss} of ${measure}, from the best that they have been`, async () => {
        const options = { experts: 12, active: 3, text, tokens: 1500, split: "random" } as const;
        const recorded = await recordFfnInputs(model, params, text, { tokens: 1500 });
        const [start, taught] = [
          await moefy(model, params, { ...options, router: "similarity" }),
          await moefy(model, params, { ...options, recorded, epochs: 20, loss, measure }),
        ];
        const total = (layers: typeof taught.layers) => layers.reduce((sum, { captured }) => sum + captured, 0);
        expect(total(taught.layers)).toBeGreaterThan(total(start.layers));
        expect(await apart({ config, params }, withActiveExperts(taught, 12))).toBeLessThan(1e-5);
      });

  it("learns the same from what was recorded before", async () => {
    const options = { experts: 6, active: 2, text, tokens: 300, epochs: 2 };
    const recorded = await recordFfnInputs(model, params, text, { tokens: 300 });
    const [a, b] = [await moefy(model, params, options), await moefy(model, params, { ...options, recorded })];
    expect(await logitsOf(a)).toEqual(await logitsOf(b));
    await expect(moefy(model, params, { ...options, recorded: recorded.slice(1) })).rejects.toThrow(
      "expected recorded to hold rows of 8 numbers for blocks[0].ffn",
    );
  });

  it("works with other numbers of active experts, nearer to the dense model the more there are", async () => {
    const made = await moefy(model, params, { experts: 6, active: 1, text, tokens: 500, router: "truth" });
    const dense = await logitsOf({ config, params });
    const distance = async (active: number) =>
      (await logitsOf(withActiveExperts(made, active))).reduce(
        (total, value, i) => total + (value - (dense[i] as number)) ** 2,
        0,
      );
    const [one, three, all] = [await distance(1), await distance(3), await distance(6)];
    expect(one).toBeGreaterThan(three);
    expect(three).toBeGreaterThan(all);
    expect(() => withActiveExperts(made, 7)).toThrow("7 active experts are more than the 6");
  });

  it("says in one sentence what it cannot convert", async () => {
    const options = { experts: 6, active: 1, text };
    const gelu = decoder({ ...config, blocks: [[{ ffn: { kind: "dense", hidden: 24 } }]] });
    await expect(moefy(gelu, gelu.init(key(0)), options)).rejects.toThrow("has the activation gelu");
    await expect(moefy(model, params, { ...options, experts: 7 })).rejects.toThrow(
      "24 hidden units cannot be cut into 7",
    );
    await expect(moefy(model, params, { ...options, active: 9 })).rejects.toThrow("from 1 to the 6 experts, got 9");
    const none = decoder({ ...config, blocks: [[block[0]]] });
    await expect(moefy(none, none.init(key(0)), options)).rejects.toThrow("no feed-forward sublayer of kind dense");
  });
});

describe("expertsGive", () => {
  it("is the sum of units, or the squared length of what they add to the output", async () => {
    const groups = await evaluate({
      up: { weight: normal(key(5), [3, 4, 8]), bias: normal(key(6), [3, 4]) },
      down: { weight: normal(key(7), [3, 8, 4]), bias: normal(key(8), [8]) },
    });
    const x = await evaluate(normal(key(9), [5, 8]));
    const [sums, squares] = await evaluate([
      expertsGive("activation", groups, x),
      expertsGive("contribution", groups, x),
    ] as const);
    const at = (t: { data: ArrayLike<number | bigint> }, i: number): number => Number(t.data[i]);
    for (let row = 0; row < 5; row++)
      for (let e = 0; e < 3; e++) {
        const units = Array.from({ length: 4 }, (_, u) => {
          let dot = at(groups.up.bias, e * 4 + u);
          for (let i = 0; i < 8; i++) dot += at(groups.up.weight, (e * 4 + u) * 8 + i) * at(x, row * 8 + i);
          return Math.max(0, dot);
        });
        const output = Array.from({ length: 8 }, (_, o) =>
          units.reduce((sum, h, u) => sum + h * at(groups.down.weight, (e * 8 + o) * 4 + u), 0),
        );
        expect(at(sums, row * 3 + e)).toBeCloseTo(
          units.reduce((a, b) => a + b, 0),
          3,
        );
        const expected = output.reduce((sum, value) => sum + value * value, 0);
        expect(Math.abs(at(squares, row * 3 + e) - expected)).toBeLessThan(1e-4 * Math.max(1, expected));
      }
  });
});

describe("recordFfnInputs", () => {
  it("gives what each layer reads, a row for each token", async () => {
    const recorded = await recordFfnInputs(model, params, text, { tokens: 100 });
    expect(recorded.map(({ block: b, name }) => [b, name])).toEqual([
      [0, "ffn"],
      [1, "ffn"],
    ]);
    for (const { rows } of recorded) expect(rows.length).toBe(Math.ceil(100 / 12) * 12 * 8);
    // Inputs are normalized: with the scale and bias of the norm undone, each row has mean 0 and variance 1.
    const [block0] = params.blocks as [{ ffn: { norm: { scale: Tensor; bias: Tensor } } }];
    const { scale, bias } = block0.ffn.norm;
    const first = recorded[0] as { rows: Float32Array };
    const row = Array.from(first.rows.slice(0, 8), (v, i) => (v - Number(bias.data[i])) / Number(scale.data[i]));
    expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 3);
    expect(row.reduce((a, b) => a + b * b, 0) / 8).toBeCloseTo(1, 2);
  });
});

describe("convertModel", () => {
  it("finds methods by name and fills in their options", async () => {
    const made = await convertModel(
      "moefication",
      { config, params },
      { experts: 6, active: 2, tokens: 200, epochs: 1 },
      { text },
    );
    expect(made.options).toMatchObject({
      experts: 6,
      active: 2,
      split: "parameters",
      router: "mlp",
      loss: "shares",
      measure: "contribution",
    });
    expect(made.config.blocks[0]?.[1]).toMatchObject({ ffn: { kind: "moefied", experts: 6, active: 2 } });
  });
  it("names what is wrong", async () => {
    await expect(convertModel("magic", { config, params }, {}, { text })).rejects.toThrow(
      'unknown method "magic"; known are moefication,',
    );
    await expect(convertModel("low-rank", { config, params }, {}, { text })).rejects.toThrow(
      "convert --with low-rank: rank:",
    );
    await expect(convertModel("moefication", { config, params }, { expert: 3 }, { text })).rejects.toThrow("expert");
  });
});
