import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Matrix, SVD } from "ml-matrix";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile, evaluate, key, matmul, type Tensor, tensor, toNested, zeros } from "../../src/array/index.ts";
import {
  type DecoderConfig,
  type DecoderParams,
  decoder,
  type FfnConfig,
  loadTree,
  type Sublayer,
  saveTree,
} from "../../src/models/index.ts";
import { factorizeFfns, mergeFfns, truncatedSvd } from "../../src/surgery/index.ts";
import { distance, matrix } from "../nn/reference.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fourward-factorize-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const attention: Sublayer = { mixer: { kind: "attention", heads: 2 } };
const model = (...ffns: readonly FfnConfig[]): DecoderConfig => ({
  vocabulary: 11,
  context: 8,
  width: 16,
  blocks: ffns.map((ffn) => [attention, { ffn }]),
});
const dense: FfnConfig = { kind: "dense", hidden: 32, activation: "relu" };
const tokens = tensor(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1), { shape: [2, 6] });
const logits = (config: DecoderConfig, params: DecoderParams): Promise<Tensor> =>
  compile(decoder(config).apply)(params, tokens);

describe("truncatedSvd", () => {
  it.each([
    [12, 20, 5],
    [20, 12, 5],
    [9, 9, 1],
  ])("leaves the discarded singular values as the error: %i × %i to rank %i", async (rows, columns, rank) => {
    const values = matrix(rows, columns, 4);
    const weight = tensor(Float64Array.from(values.flat()), { shape: [rows, columns] });
    const { inner, weight: outer } = truncatedSvd(weight, rank);
    const product = await evaluate(matmul(inner, outer));
    const error = values.flat().reduce((total, value, i) => total + (value - Number(product.data[i])) ** 2, 0);
    // The squared singular values are eigenvalues of the Gram matrix, whose trace is the sum of all squares.
    const all = new SVD(new Matrix(values), { autoTranspose: true }).diagonal;
    const squares = values.flat().reduce((total, value) => total + value ** 2, 0);
    const kept = all.slice(0, rank).reduce((total, value) => total + value ** 2, 0);
    expect(Math.abs(error / (squares - kept) - 1)).toBeLessThan(1e-5);
  });

  it("is exact for a matrix of that rank, and shares the singular values evenly", async () => {
    const low = await evaluate(matmul(tensor(matrix(10, 3, 1)), tensor(matrix(3, 14, 2))));
    const { inner, weight } = truncatedSvd(low, 3);
    expect(distance((await evaluate(matmul(inner, weight))).data, low.data)).toBeLessThan(1e-5);
    const [a, c] = [new Matrix(toNested(inner) as number[][]), new Matrix(toNested(weight) as number[][])];
    expect(Matrix.sub(a.transpose().mmul(a), c.mmul(c.transpose())).norm()).toBeLessThan(1e-4);
  });

  it("names what does not fit", () => {
    expect(() => truncatedSvd(zeros([4, 6]), 5)).toThrow(
      "truncatedSvd: rank must be a whole number from 1 to 4 for a matrix of 4 × 6, got 5",
    );
    expect(() => truncatedSvd(zeros([4, 6]), 0)).toThrow("from 1 to 4");
    expect(() => truncatedSvd(zeros([4]), 1)).toThrow("truncatedSvd: expected a matrix, got shape [4]");
  });
});

describe("factorizeFfns", () => {
  it("keeps the logits with the largest rank, and little changes with one less", async () => {
    const config = model(dense, dense);
    const params = await evaluate(decoder(config).init(key(3)));
    const before = await logits(config, params);
    const changes = [];
    for (const rank of [16, 15, 4]) {
      const after = factorizeFfns({ config, params }, rank);
      expect(after.config.blocks[0]?.[1]).toMatchObject({ ffn: { kind: "lowRank", hidden: 32, rank } });
      changes.push(distance(before.data, (await logits(after.config, after.params)).data));
    }
    expect(changes[0]).toBeLessThan(1e-5);
    expect(changes[1]).toBeGreaterThan(1e-4);
    expect(changes[2]).toBeGreaterThan(changes[1] as number);
  });

  it("names a rank that does not fit, and a model without such layers", () => {
    const config = model(dense);
    expect(() => factorizeFfns({ config, params: decoder(config).init(key(0)) }, 17)).toThrow("from 1 to 16");
    const other = model({ kind: "gated", hidden: 8 });
    expect(() => factorizeFfns({ config: other, params: decoder(other).init(key(0)) }, 4)).toThrow(
      "factorizeFfns: the model has no feed-forward sublayer of kind dense",
    );
  });
});

describe("mergeFfns", () => {
  const kinds: FfnConfig[] = [
    { kind: "lowRank", hidden: 32, rank: 4, activation: "silu" },
    { kind: "blockShuffle", hidden: 32, blocks: 4, bias: false },
    { kind: "blockDense", hidden: 32, blocks: 2, rank: 6 },
    { kind: "lowRank", hidden: 32, rank: 4, guided: 0.5 },
  ];

  it.each(kinds)("keeps the logits: $kind", async (ffn) => {
    const config = model(dense, ffn);
    const params = await evaluate(decoder(config).init(key(5)));
    const merged = mergeFfns({ config, params });
    expect(merged.config.blocks.map(([, last]) => (last as { ffn: FfnConfig }).ffn.kind)).toEqual(["dense", "dense"]);
    const after = await evaluate(merged.params);
    expect(distance((await logits(config, params)).data, (await logits(merged.config, after)).data)).toBeLessThan(1e-5);
  });

  it("gives a checkpoint that a dense model loads, and that a model of another rank refuses", async () => {
    const config = model(dense, { kind: "lowRank", hidden: 32, rank: 4 });
    const params = await evaluate(decoder(config).init(key(5)));
    const merged = mergeFfns({ config, params });
    const path = join(folder, "merged.safetensors");
    await saveTree(path, await evaluate(merged.params));
    const { tree } = await loadTree(path, await evaluate(decoder(merged.config).init(key(0))));
    expect(distance((await logits(config, params)).data, (await logits(merged.config, tree)).data)).toBeLessThan(1e-5);
    await saveTree(path, params);
    const other = decoder(model(dense, { kind: "lowRank", hidden: 32, rank: 5 })).init(key(0));
    await expect(loadTree(path, await evaluate(other))).rejects.toThrow(/inner/);
  });

  it("merges shared weights once", async () => {
    const [first] = kinds as [FfnConfig];
    const config = { ...model(), blocks: [[{ ffn: first, shared: "a" }], [attention, { ffn: first, shared: "a" }]] };
    const params = await evaluate(decoder(config).init(key(5)));
    const merged = mergeFfns({ config, params });
    const after = await evaluate(merged.params);
    expect(distance((await logits(config, params)).data, (await logits(merged.config, after)).data)).toBeLessThan(1e-5);
  });

  it("names a model without such layers", () => {
    const config = model(dense);
    expect(() => mergeFfns({ config, params: decoder(config).init(key(0)) })).toThrow(
      "mergeFfns: the model has no feed-forward sublayer of kind lowRank, blockShuffle or blockDense",
    );
  });
});
