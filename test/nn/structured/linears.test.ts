import { describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  key,
  ones,
  square,
  sum,
  type Tensor,
  tensor,
  toNested,
  zeros,
} from "../../../src/array/index.ts";
import {
  blockDenseLinear,
  blockShuffleLinear,
  type FactorParams,
  linear,
  lowRankLinear,
  mergeFactors,
  parameterCount,
  type StructuredLinear,
} from "../../../src/nn/index.ts";
import { affine, distance, gradientError, type Matrix, matrix, numbers, product } from "../reference.ts";

const transposed = (a: Matrix): number[][] => (a[0] as number[]).map((_, j) => a.map((row) => row[j] as number));

/** The block-diagonal matrix of these blocks. */
function diagonal(blocks: readonly Matrix[]): number[][] {
  const columns = blocks.reduce((total, block) => total + (block[0] as number[]).length, 0);
  let before = 0;
  return blocks.flatMap((block) => {
    const width = (block[0] as number[]).length;
    const rows = block.map((row) => [
      ...new Array(before).fill(0),
      ...row,
      ...new Array(columns - before - width).fill(0),
    ]);
    before += width;
    return rows;
  });
}

/** The permutation matrix by which a row `x·P` has at place `l·(n/b) + r` what `x` has at `r·b + l`. */
function shuffle(n: number, b: number): number[][] {
  const p = Array.from({ length: n }, () => new Array(n).fill(0) as number[]);
  for (let r = 0; r < n / b; r++) for (let l = 0; l < b; l++) (p[r * b + l] as number[])[(l * n) / b + r] = 1;
  return p;
}

/** Layers of every form that takes these extents, wider, narrower and square. */
const layers = (bias: boolean): [string, StructuredLinear][] =>
  [
    [24, 48],
    [48, 24],
    [24, 24],
  ].flatMap(([inputs, outputs]) => {
    const options = { inputs: inputs as number, outputs: outputs as number, bias: bias as true };
    return [
      [`low rank ${inputs} to ${outputs}`, lowRankLinear({ ...options, rank: 6 })],
      [`block-shuffle ${inputs} to ${outputs}`, blockShuffleLinear({ ...options, blocks: 4 })],
      [`block-shuffle of 3 ${inputs} to ${outputs}`, blockShuffleLinear({ ...options, blocks: 3 })],
      [`block-dense ${inputs} to ${outputs}`, blockDenseLinear({ ...options, blocks: 3, rank: 12 })],
    ] as [string, StructuredLinear][];
  });

/** The same shapes with numbers that no layer has drawn. */
const filled = async (layer: StructuredLinear): Promise<FactorParams> => {
  const params = layer.init(key(0));
  const data = (x: Tensor, seed: number) => tensor(Float32Array.from(numbers(x.size, seed)), { shape: x.shape });
  return {
    inner: data(params.inner, 1),
    weight: data(params.weight, 2),
    ...(params.bias ? { bias: data(params.bias, 3) } : {}),
  } as FactorParams;
};

describe("lowRankLinear", () => {
  it("computes x·A·C + b on any number of leading axes", async () => {
    const layer = lowRankLinear({ inputs: 5, outputs: 7, rank: 3 });
    const [x, inner, weight, bias] = [matrix(6, 5, 1), matrix(5, 3, 2), matrix(3, 7, 3), numbers(7, 4)];
    const expected = affine(product(x, inner), weight, bias).flat();
    const params = { inner: tensor(inner), weight: tensor(weight), bias: tensor(bias) };
    const y = await compile(layer.apply)(params, tensor(Float32Array.from(x.flat()), { shape: [2, 3, 5] }));
    expect(y.shape).toEqual([2, 3, 7]);
    expect(distance(y.data, expected)).toBeLessThan(1e-6);
  });
});

describe("blockShuffleLinear", () => {
  it.each([
    [12, 24, 2],
    [24, 12, 2],
    [12, 12, 3],
    // Blocks that do not divide a block's extent, so that groups of the second factor mix blocks unevenly.
    [12, 24, 4],
    [24, 12, 4],
  ])("is a product with explicit permutations: %i to %i in %i blocks", async (inputs, outputs, blocks) => {
    const layer = blockShuffleLinear({ inputs, outputs, blocks });
    const params = await filled(layer);
    const [inner, weight] = [toNested(params.inner), toNested(params.weight)] as [Matrix[], Matrix[]];
    const x = matrix(5, inputs, 9);
    const between = Math.min(inputs, outputs);
    const dense = [
      diagonal(inner),
      shuffle(between, blocks),
      diagonal(weight),
      transposed(shuffle(outputs, blocks)),
    ].reduce((a, b) => product(a, b));
    const expected = affine(x, dense, [...params.bias.data].map(Number)).flat();
    expect(distance((await evaluate(layer.apply(params, tensor(x)))).data, expected)).toBeLessThan(1e-5);
  });

  it("lets every output see every input where there are no more blocks than features in one", async () => {
    const connected = async (inputs: number, outputs: number, blocks: number): Promise<number> => {
      const layer = blockShuffleLinear({ inputs, outputs, blocks, bias: false });
      const { inner, weight } = layer.init(key(0));
      const { weight: dense } = await evaluate(
        mergeFactors(layer, { inner: ones(inner.shape), weight: ones(weight.shape) }),
      );
      return [...dense.data].filter((w) => Number(w) > 0).length / dense.size;
    };
    expect(await connected(16, 32, 4)).toBe(1);
    expect(await connected(32, 16, 4)).toBe(1);
    // Two features a block reach two of the eight groups only.
    expect(await connected(16, 16, 8)).toBeCloseTo(2 / 8, 6);
  });
});

describe("blockDenseLinear", () => {
  it("multiplies neighbouring features by their block, then all by a dense matrix", async () => {
    const layer = blockDenseLinear({ inputs: 12, outputs: 10, blocks: 3, rank: 6 });
    const params = await filled(layer);
    const x = matrix(4, 12, 5);
    const between = product(x, diagonal(toNested(params.inner) as Matrix[]));
    const expected = affine(between, toNested(params.weight) as Matrix, [...params.bias.data].map(Number)).flat();
    expect(distance((await evaluate(layer.apply(params, tensor(x)))).data, expected)).toBeLessThan(1e-5);
  });

  it("is a map of low rank with one block", async () => {
    const options = { inputs: 12, outputs: 10, rank: 6 };
    const params = await filled(blockDenseLinear({ ...options, blocks: 1 }));
    const flat = { ...params, inner: tensor(params.inner.data, { shape: [12, 6] }) };
    const x = tensor(matrix(4, 12, 5));
    const [a, b] = await evaluate([
      blockDenseLinear({ ...options, blocks: 1 }).apply(params, x),
      lowRankLinear(options).apply(flat, x),
    ]);
    expect(distance((a as Tensor).data, (b as Tensor).data)).toBeLessThan(1e-6);
  });
});

describe("every structured linear layer", () => {
  it.each(layers(true))("%s equals the dense layer of its merged factors", async (_, layer) => {
    const params = await filled(layer);
    const merged = mergeFactors(layer, params);
    const dense = linear({ inputs: layer.inputs, outputs: layer.outputs });
    for (const shape of [[3, layer.inputs], [2, 1, 3, layer.inputs], [layer.inputs], [0, layer.inputs]]) {
      const x = tensor(Float32Array.from(numbers(shape.reduce((a, b) => a * b))), { shape });
      const [y, expected] = (await evaluate([layer.apply(params, x), dense.apply(merged, x)])) as [Tensor, Tensor];
      expect(y.shape).toEqual(expected.shape);
      const largest = Math.max(1, ...[...expected.data].map((v) => Math.abs(Number(v))));
      expect(distance(y.data, expected.data) / largest).toBeLessThan(1e-5);
    }
  });

  it.each(layers(false))("%s merges without a bias", async (_, layer) => {
    expect(Object.keys(layer.init(key(0)))).toEqual(["inner", "weight"]);
    expect(Object.keys(mergeFactors(layer, await filled(layer)))).toEqual(["weight"]);
  });

  it.each(layers(true))("%s has the right gradient", async (_, layer) => {
    const params = await filled(layer);
    const x = tensor(Float64Array.from(numbers(2 * layer.inputs, 7)), { shape: [2, layer.inputs] });
    expect(await gradientError((p: FactorParams) => sum(square(layer.apply(p, x))), params)).toBeLessThan(1e-8);
  });

  it("has as many parameters as its formula says", () => {
    const count = (layer: StructuredLinear<false>): number => parameterCount(layer.init(key(0)));
    const [n, m, b, r] = [48, 96, 4, 16];
    const options = { inputs: n, outputs: m, bias: false } as const;
    expect(count(lowRankLinear({ ...options, rank: r }))).toBe(r * (m + n));
    expect(count(blockShuffleLinear({ ...options, blocks: b }))).toBe((n * n) / b + (m * n) / b);
    expect(count(blockDenseLinear({ ...options, blocks: b, rank: r }))).toBe((r * n) / b + m * r);
  });

  it("draws orthonormal blocks, of factors that keep the length of what they map to more features", async () => {
    const layer = blockShuffleLinear({ inputs: 32, outputs: 64, blocks: 4, bias: false });
    const x = tensor(matrix(1, 32, 3));
    const y = await evaluate(layer.apply(layer.init(key(5)), x));
    const length = (values: Tensor) => Math.hypot(...[...values.data].map(Number));
    expect(length(y) / length(x)).toBeCloseTo(1, 4);
  });

  it("names options that do not fit", () => {
    const size = { inputs: 12, outputs: 20 };
    expect(() => lowRankLinear({ ...size, rank: 13 })).toThrow(
      "lowRankLinear: rank must be at most 12, the lesser of 12 inputs and 20 outputs, got 13",
    );
    expect(() => lowRankLinear({ ...size, rank: 0 })).toThrow(
      "lowRankLinear: rank must be a whole number of at least 1, got 0",
    );
    expect(() => blockShuffleLinear({ ...size, blocks: 3 })).toThrow(
      "blockShuffleLinear: blocks must divide outputs, got 3 blocks and outputs 20",
    );
    expect(() => blockShuffleLinear({ ...size, blocks: 5 })).toThrow(
      "blockShuffleLinear: blocks must divide inputs, got 5 blocks and inputs 12",
    );
    expect(() => blockDenseLinear({ ...size, blocks: 4, rank: 6 })).toThrow(
      "blockDenseLinear: blocks must divide rank, got 4 blocks and rank 6",
    );
    expect(() => blockDenseLinear({ ...size, blocks: 1, rank: 16 })).toThrow(
      "blockDenseLinear: rank must be at most 12",
    );
  });

  it("names weights and inputs that do not fit", async () => {
    const layer = lowRankLinear({ inputs: 12, outputs: 20, rank: 4 });
    const other = lowRankLinear({ inputs: 12, outputs: 20, rank: 5 }).init(key(0));
    expect(() => layer.apply(other, zeros([2, 12]))).toThrow(
      "lowRankLinear: expected inner of shape [12, 4], got [12, 5]",
    );
    expect(() => layer.apply(layer.init(key(0)), zeros([2, 11]))).toThrow(
      "lowRankLinear: expected x with a last axis of 12, got shape [2, 11]",
    );
  });
});
