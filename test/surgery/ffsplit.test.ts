import { join } from "node:path";
import { Matrix, SVD } from "ml-matrix";
import { describe, expect, it } from "vitest";
import { evaluate, key, mapTree, normal, type Tensor, tensor } from "../../src/array/index.ts";
import { type DecoderConfig, decoder, loadPretrained, savePretrained } from "../../src/models/index.ts";
import { parameterCount } from "../../src/nn/index.ts";
import { heaviestFirst, jaccard, recordActivations, shareOfHeaviest } from "../../src/probe/index.ts";
import {
  type ConfiguredDecoder,
  convertModel,
  ffnAt,
  measureUnits,
  nearestLowRank,
  packedBytes,
  quantizeFfns,
  rankForBudget,
  rankUnits,
  roundedToBits,
  splitFfns,
  withRank,
} from "../../src/surgery/index.ts";
import { temporaryFolder } from "../temporary.ts";
import { apart, logitsOf, sampleText } from "./sample.ts";

const folder = temporaryFolder();
const text = await sampleText(3000);
const width = 8;
const config: DecoderConfig = {
  vocabulary: 30,
  context: 12,
  width,
  blocks: [
    [{ mixer: { kind: "attention", heads: 2 } }, { ffn: { kind: "dense", hidden: 24 } }],
    [{ ffn: { kind: "gated", hidden: 20 } }],
  ],
};
const model: ConfiguredDecoder = {
  config: decoder(config).config,
  params: await evaluate(mapTree(decoder(config).init(key(1)), (x, p) => normal(key(p.length), x.shape, { std: 0.5 }))),
};
const norms = await measureUnits(model, text, { tokens: 600, products: true });
const value = ({ data, shape }: Tensor, i: number, j: number): number => Number(data[i * (shape[1] as number) + j]);

describe("unitOutputNorms", () => {
  it("gives what a plain loop over recorded units gives", async () => {
    const built = decoder(config);
    const rows = await recordActivations(built, model.params, text, ["blocks.0.ffn.hidden"], { tokens: 600 });
    const hidden = rows["blocks.0.ffn.hidden"];
    const down = (ffnAt(model, 0, "ffn") as unknown as { params: { down: { weight: Tensor } } }).params.down.weight;
    const lengths = Array.from({ length: 24 }, (_, u) =>
      Math.sqrt(Array.from({ length: width }, (_, i) => value(down, u, i) ** 2).reduce((a, b) => a + b)),
    );
    const count = hidden.length / 24;
    const [mean, frequency] = [new Float64Array(24), new Float64Array(24)];
    for (let t = 0; t < count; t++) {
      const each = lengths.map((length, u) => Math.abs(hidden[t * 24 + u] as number) * length);
      // A tenth of 24 units, rounded.
      const least = [...each].sort((a, b) => b - a)[1] as number;
      each.forEach((norm, u) => {
        (mean[u] as number) += norm / count;
        if (norm >= least) (frequency[u] as number) += 1 / count;
      });
    }
    expect(norms.map(({ place }) => place.path)).toEqual(["blocks.0.ffn", "blocks.1.ffn"]);
    for (let u = 0; u < 24; u++) {
      expect(norms[0]?.mean[u]).toBeCloseTo(mean[u] as number, 4);
      expect(norms[0]?.frequency[u]).toBeCloseTo(frequency[u] as number, 6);
    }
  });

  it("refuses a text without tokens and a share that is none", async () => {
    const empty = { ...text, length: 0 };
    await expect(measureUnits(model, empty, {})).rejects.toThrow("no tokens to measure on");
    await expect(measureUnits(model, text, { top: 0 })).rejects.toThrow("top must be above 0");
  });
});

describe("heavy units", () => {
  it("are ordered, summed and compared", () => {
    expect(Array.from(heaviestFirst([1, 3, 2, 3]))).toEqual([1, 3, 2, 0]);
    expect(shareOfHeaviest([1, 3, 2, 4], 0.5)).toBeCloseTo(0.7, 12);
    expect(jaccard([1, 2, 3], [2, 3, 4])).toBe(0.5);
  });
});

describe("nearestLowRank", async () => {
  const draw = (seed: number, shape: number[]) => evaluate(normal(key(seed), shape));
  for (const [rows, columns] of [
    [6, 10],
    [10, 6],
  ] as const) {
    const weight = await draw(rows, [rows, columns]);
    const exact = Matrix.from1DArray(rows, columns, Array.from(weight.data, Number));
    const approximated = (rank: number, products?: Float64Array) => {
      const { inner, weight: outer } = nearestLowRank(weight, rank, products);
      const matrix = (t: Tensor) =>
        Matrix.from1DArray(t.shape[0] as number, t.shape[1] as number, Array.from(t.data, Number));
      return matrix(inner).mmul(matrix(outer));
    };
    it(`loses what the other singular values hold, ${rows} × ${columns}`, () => {
      const singular = new SVD(exact, { autoTranspose: true }).diagonal;
      for (const rank of [1, 3, 6]) {
        const lost = Matrix.sub(exact, approximated(rank)).norm("frobenius");
        expect(lost).toBeCloseTo(Math.sqrt(singular.slice(rank).reduce((sum, s) => sum + s * s, 0)), 5);
      }
    });
    it(`loses less on its inputs if it knows them, and nothing at full rank, ${rows} × ${columns}`, async () => {
      // Inputs that vary a hundred times as much in some directions.
      const mixed = await draw(7, [200, rows]);
      const x = Matrix.from1DArray(
        200,
        rows,
        Array.from(mixed.data, Number).map((v, i) => v * (i % rows < 2 ? 10 : 0.1)),
      );
      const products = Float64Array.from(x.transpose().mmul(x).div(200).to1DArray());
      const error = (of: Matrix) => x.mmul(Matrix.sub(exact, of)).norm("frobenius");
      for (const rank of [1, 2, 4]) expect(error(approximated(rank, products))).toBeLessThan(error(approximated(rank)));
      expect(error(approximated(6, products)) / x.mmul(exact).norm("frobenius")).toBeLessThan(1e-5);
    });
  }
  it("refuses a rank that does not fit", async () => {
    const weight = await draw(1, [4, 3]);
    expect(() => nearestLowRank(weight, 4)).toThrow("rank must be a whole number from 1 to 3");
    expect(() => nearestLowRank(weight, 2, new Float64Array(9))).toThrow("products of 4 inputs, 16 numbers, got 9");
  });
});

describe("splitFfns", () => {
  for (const kept of [0, 0.25, 1])
    for (const aware of [false, true])
      it(`changes nothing at full rank, ${kept} of the units whole, ${aware ? "aware" : "plain"}`, async () => {
        const split = await splitFfns(model, norms, { kept, aware });
        expect(await apart(model, split)).toBeLessThan(1e-5);
        const out = join(folder, `split-${kept}-${aware}`);
        await savePretrained(out, { model: decoder(split.config), params: split.params, tokenizer: null });
        const loaded = await loadPretrained(out);
        expect(await logitsOf({ config: loaded.model.config, params: loaded.params })).toEqual(await logitsOf(split));
      });

  it("keeps the heaviest units, or others if asked", () => {
    const [first] = norms as [(typeof norms)[0]];
    const order = heaviestFirst(first.mean);
    expect(rankUnits(first, { kept: 0.25 })).toEqual({ order, kept: 6 });
    expect(Array.from(rankUnits(first, { kept: 0.25, select: "lightest" }).order)).toEqual([...order].reverse());
    expect([...rankUnits(first, { kept: 0.25, select: "random", seed: 3 }).order].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 24 }, (_, u) => u),
    );
    expect(() => rankUnits(first, { kept: 1.5 })).toThrow("kept must be a share from 0 to 1, got 1.5");
  });

  it("is nearer to the model the higher the rank, and as large as the formula says", async () => {
    const full = await splitFfns(model, norms, { kept: 0.25, aware: true });
    const errors = [];
    for (const rank of [1, 3, 6, 8]) errors.push(await apart(model, await withRank(full, () => rank)));
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
    const cut = await withRank(full, () => 3);
    const layer = ffnAt(cut, 0, "ffn")?.params as never;
    const [kept, rest] = [6, 18];
    expect(parameterCount(layer)).toBe(2 * width * kept + 2 * 3 * (width + rest) + 24 + width);
  });

  it("has ranks by budget as the published sizes give them", () => {
    expect(rankForBudget({ width: 768, hidden: 3072, kept: 768 }, 0.5)).toBe(192);
    expect(rankForBudget({ width: 768, hidden: 3072, kept: 768 }, 1)).toBe(576);
    expect(() => rankForBudget({ width: 768, hidden: 3072, kept: 768 }, 0.2)).toThrow("leaves nothing for the others");
  });
});

describe("quantizeFfns", () => {
  it("rounds to evenly spaced numbers, with the largest of each group exact", () => {
    const weight = tensor([
      [0.7, -1],
      [-0.32, 0.5],
      [0.1, 3],
    ]);
    const rounded = roundedToBits(weight, { bits: 4, group: 2 });
    const expected = [0.7, -1, -0.3, 4 / 7, 0.1, 3];
    for (const [i, v] of expected.entries()) expect(Number(rounded.data[i])).toBeCloseTo(v, 6);
    expect(packedBytes([3, 2], { bits: 4, group: 2 })).toBe((6 * 4 + 4 * 16) / 8);
    expect(() => roundedToBits(weight, { bits: 1, group: 2 })).toThrow("from 2 to 16, got 1");
  });
  it("changes less with more bits, and nothing but order with 16 and all kept", async () => {
    const error = async (bits: number) =>
      apart(model, await quantizeFfns(model, norms, { kept: 0.25, bits, keptBits: 8, group: 8 }));
    const [two, four, eight] = [await error(2), await error(4), await error(8)];
    expect(two).toBeGreaterThan(four);
    expect(four).toBeGreaterThan(eight);
    const same = await quantizeFfns(model, norms, { kept: 1, bits: 4, keptBits: 16, group: 8 });
    expect(await apart(model, same)).toBeLessThan(1e-5);
    expect(same.bytes.packed).toBe(same.bytes.before / 2);
  });
});

describe("convert --with ffsplit", () => {
  it("splits to the budget and says what the kept units give", async () => {
    const made = await convertModel("ffsplit", model, { budget: 0.6, tokens: 300, steps: 2, batch: 2 }, { text });
    expect(made.config.blocks[0]?.[1]).toMatchObject({ ffn: { kind: "split", kept: 6, hidden: 24, gated: false } });
    expect(made.figures.layers).toHaveLength(2);
  });
  it("rounds if asked, and says that this is simulated", async () => {
    const made = await convertModel("ffsplit", model, { compress: "quantized", tokens: 300 }, { text });
    expect(made.figures).toMatchObject({ simulated: true });
    expect(made.config.blocks[0]?.[1]).toMatchObject({ ffn: { kind: "dense" } });
  });
});
