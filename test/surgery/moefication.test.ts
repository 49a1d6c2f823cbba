import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compile, evaluate, key, mapTree, normal, tensor } from "../../src/array/index.ts";
import { openTokens, writeTokens } from "../../src/data/index.ts";
import { type DecoderConfig, decoder, loadPretrained, savePretrained } from "../../src/models/index.ts";
import { convertModel, moefy, recordFfnInputs, splitKinds, withActiveExperts } from "../../src/surgery/index.ts";

const path = join(await mkdtemp(join(tmpdir(), "fourward-moefy-")), "tokens");
await writeTokens(path, 30, [Array.from({ length: 2000 }, (_, i) => (i * i + (i >> 3)) % 30)]);
const text = openTokens(path);
const block = [
  { mixer: { kind: "attention", heads: 2 } },
  { ffn: { kind: "dense", hidden: 24, activation: "relu" } },
] as const;
const config: DecoderConfig = { vocabulary: 30, context: 12, width: 8, blocks: [block, block] };
const model = decoder(config);
const params = await evaluate(mapTree(model.init(key(1)), (x, p) => normal(key(p.length), x.shape, { std: 0.5 })));
const tokens = tensor(
  Int32Array.from({ length: 24 }, (_, i) => (i * 11) % 30),
  { shape: [2, 12] },
);
const logits = async ({ config: c, params: p }: { config: DecoderConfig; params: typeof params }): Promise<number[]> =>
  Array.from((await compile(decoder(c).apply)(p, tokens)).data as Float32Array);

describe("moefy", () => {
  for (const split of splitKinds)
    for (const router of ["mlp", "similarity", "truth"] as const)
      it(`changes nothing with all experts active: split by ${split}, router ${router}`, async () => {
        const made = await moefy(model, params, { experts: 6, active: 6, split, router, text, tokens: 200, epochs: 1 });
        const [a, b] = [await logits({ config, params }), await logits(made)];
        const largest = Math.max(...a.map(Math.abs));
        for (const [i, value] of a.entries()) expect(Math.abs((b[i] as number) - value) / largest).toBeLessThan(1e-5);
        for (const { captured, capturable } of made.layers)
          expect([captured, capturable]).toEqual([expect.closeTo(1, 5), expect.closeTo(1, 5)]);
      });

  it("changes nothing once saved and loaded", async () => {
    const made = await moefy(model, params, { experts: 6, active: 6, text, tokens: 200, epochs: 1 });
    const folder = await mkdtemp(join(tmpdir(), "fourward-moefy-"));
    await savePretrained(folder, { model: decoder(made.config), params: made.params, tokenizer: null });
    const loaded = await loadPretrained(folder);
    expect(await logits({ config: loaded.model.config, params: loaded.params })).toEqual(await logits(made));
  });

  it("captures no more than can be captured, and more after teaching than by similarity", async () => {
    const options = { experts: 12, active: 3, text, tokens: 1500, epochs: 40 };
    const [taught, similar] = [
      await moefy(model, params, { ...options, router: "mlp" }),
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

  it("works with other numbers of active experts, nearer to the dense model the more there are", async () => {
    const made = await moefy(model, params, { experts: 6, active: 1, text, tokens: 500, router: "truth" });
    const dense = await logits({ config, params });
    const distance = async (active: number) =>
      (await logits(withActiveExperts(made, active))).reduce(
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

describe("recordFfnInputs", () => {
  it("gives what each layer reads, a row for each token", async () => {
    const recorded = await recordFfnInputs(model, params, text, { tokens: 100 });
    expect(recorded.map(({ block: b, name }) => [b, name])).toEqual([
      [0, "ffn"],
      [1, "ffn"],
    ]);
    for (const { rows } of recorded) expect(rows.length).toBe(Math.ceil(100 / 12) * 12 * 8);
    // Inputs are normalized: with the scale and bias of the norm undone, each row has mean 0 and variance 1.
    const [block0] = params.blocks as unknown as [{ ffn: { norm: { scale: typeof tokens; bias: typeof tokens } } }];
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
    expect(made.options).toMatchObject({ experts: 6, active: 2, split: "parameters", router: "mlp" });
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
