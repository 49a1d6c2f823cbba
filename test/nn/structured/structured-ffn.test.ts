import { describe, expect, it } from "vitest";
import { evaluate, flopCount, key, relu, type Tensor, tensor, toNested, zeros } from "../../../src/array/index.ts";
import { ffn, parameterCount, type Structure, structuredFfn } from "../../../src/nn/index.ts";
import { affine, distance, each, gelu, type Matrix, matrix, product } from "../reference.ts";

const structures: Structure[] = [
  { form: "lowRank", rank: 4 },
  { form: "blockShuffle", blocks: 4 },
  { form: "blockDense", blocks: 2, rank: 6 },
];

describe("structuredFfn", () => {
  it("computes two maps of low rank with GELU between them", async () => {
    const layer = structuredFfn({ width: 6, hidden: 10, outputs: 5, form: "lowRank", rank: 3 });
    const params = await evaluate(layer.init(key(1)));
    const x = matrix(4, 6, 2);
    const map = (h: Matrix, { inner, weight, bias }: typeof params.up): number[][] =>
      affine(product(h, toNested(inner) as Matrix), toNested(weight) as Matrix, toNested(bias) as number[]);
    const expected = map(each(map(x, params.up), gelu), params.down).flat();
    const y = await evaluate(layer.apply(params, tensor(x)));
    expect(y.shape).toEqual([4, 5]);
    expect(distance(y.data, expected)).toBeLessThan(1e-5);
  });

  it.each(structures)("merges to a dense block: $form", async (structure) => {
    const layer = structuredFfn({ width: 16, hidden: 32, activation: relu, ...structure });
    const params = await evaluate(layer.init(key(2)));
    const x = tensor(matrix(5, 16, 3));
    const [y, expected] = (await evaluate([
      layer.apply(params, x),
      ffn({ width: 16, hidden: 32, activation: relu }).apply(layer.merge(params), x),
    ])) as [Tensor, Tensor];
    expect(distance(y.data, expected.data)).toBeLessThan(1e-5);
  });

  it.each(structures)("has guides in training only, and is left without them: $form", async (structure) => {
    const options = { width: 16, hidden: 32, ...structure };
    const guided = structuredFfn({ ...options, guided: { until: 0.5 } });
    const plain = structuredFfn(options);
    const params = await evaluate(guided.init(key(2)));
    expect(params.up.guide.weight.shape).toEqual([16, 32]);
    const factors = guided.factors(params);
    expect(Object.keys(factors.up)).toEqual(Object.keys(plain.init(key(0)).up));
    const x = tensor(matrix(5, 16, 3));
    const [y, expected, merged] = (await evaluate([
      guided.apply(params, x),
      plain.apply(factors, x),
      ffn({ width: 16, hidden: 32 }).apply(guided.merge(params), x),
    ])) as [Tensor, Tensor, Tensor];
    expect(distance(y.data, expected.data)).toBe(0);
    expect(distance(y.data, merged.data)).toBeLessThan(1e-5);
  });

  it("has the shares of weights and of operations that its source gives", () => {
    const [width, hidden] = [64, 256];
    const shares = (structure: Structure) => {
      const layer = structuredFfn({ width, hidden, bias: false, ...structure });
      const [params, dense] = [layer.init(key(0)), ffn({ width, hidden, bias: false })];
      const x = zeros([3, width]);
      const weights = parameterCount(params) / (2 * width * hidden);
      const operations = flopCount(layer.apply, params, x) / flopCount(dense.apply, dense.init(key(0)), x);
      return [weights, operations];
    };
    expect(shares({ form: "lowRank", rank: 32 })).toEqual([5 / 8, 5 / 8]);
    expect(shares({ form: "lowRank", rank: 16 })).toEqual([5 / 16, 5 / 16]);
    expect(shares({ form: "blockShuffle", blocks: 2 })).toEqual([5 / 8, 5 / 8]);
    expect(shares({ form: "blockShuffle", blocks: 4 })).toEqual([5 / 16, 5 / 16]);
    expect(shares({ form: "blockDense", blocks: 4, rank: 48 })).toEqual([0.5859375, 0.5859375]);
    expect(shares({ form: "blockDense", blocks: 4, rank: 24 })).toEqual([0.29296875, 0.29296875]);
    // At 0.8 of the width a map of low rank costs what a dense one does.
    const even = structuredFfn({ width: 40, hidden: 160, bias: false, form: "lowRank", rank: 32 });
    expect(parameterCount(even.init(key(0)))).toBe(2 * 40 * 160);
  });

  it("names options that do not fit", () => {
    expect(() => structuredFfn({ width: 8, hidden: 32, form: "lowRank", rank: 9 })).toThrow(
      "lowRankLinear: rank must be at most 8",
    );
    expect(() => structuredFfn({ width: 8, hidden: 30, form: "blockShuffle", blocks: 4 })).toThrow(
      "blockShuffleLinear: blocks must divide outputs, got 4 blocks and outputs 30",
    );
    expect(() => structuredFfn({ width: 0, hidden: 30, form: "lowRank", rank: 4 })).toThrow(
      "structuredFfn: width must be a whole number of at least 1, got 0",
    );
  });
});
