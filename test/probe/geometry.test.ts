import { describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  type Key,
  key,
  matmul,
  mul,
  normal,
  type Tensor,
  tensor,
  toNested,
} from "../../src/array/index.ts";
import {
  type Covariance,
  compression,
  covarianceOf,
  effectiveDimension,
  extrapolatedDimension,
  featureNoise,
  featureNoiseKinds,
  momentsOf,
  participationRatio,
  pcaProjection,
  principalComponents,
  type SampledDimension,
  spectralScores,
  symmetricEigenvalues,
} from "../../src/probe/index.ts";
import { totalOver } from "../../src/train/index.ts";

const gaussian = (rows: number, columns: number, seed: number): Promise<Tensor> =>
  evaluate(normal(key(seed), [rows, columns]));
const covariance = async (x: Tensor, centred = true): Promise<Covariance> =>
  covarianceOf(await evaluate(momentsOf(x)), { centred });
const eigenvalues = ({ matrix, width }: Covariance): Float64Array => symmetricEigenvalues(matrix, width);
const largestOf = (values: Iterable<number>): number => Math.max(...[...values].map(Math.abs));
const numbersOf = (x: Tensor | undefined): number[] => Array.from((x as Tensor).data as Float32Array);

describe("covarianceOf", () => {
  it("is the covariance by its definition, with and without the mean, from batches or at once", async () => {
    const rows = (await gaussian(40, 3, 1)).data as Float32Array;
    const shifted = tensor(
      Float32Array.from(rows, (v, i) => v + (i % 3) * 5),
      { shape: [40, 3] },
    );
    const x = toNested(shifted) as number[][];
    const means = [0, 1, 2].map((j) => x.reduce((t, row) => t + (row[j] as number), 0) / 40);
    const by = (i: number, j: number, off: number) =>
      x.reduce(
        (t, row) =>
          t + ((row[i] as number) - off * (means[i] as number)) * ((row[j] as number) - off * (means[j] as number)),
        0,
      );
    const [centred, raw] = [await covariance(shifted), await covariance(shifted, false)];
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 3; j++) {
        expect(centred.matrix[3 * i + j]).toBeCloseTo(by(i, j, 1) / 39, 10);
        expect(raw.matrix[3 * i + j]).toBeCloseTo(by(i, j, 0) / 40, 10);
      }
    expect(largestOf(means.map((m, i) => m - (centred.mean[i] as number)))).toBeLessThan(1e-12);
    const pieces = await totalOver(
      (_: object, { rows }: { rows: Tensor }) => momentsOf(rows),
      {},
      {
        count: 40,
        piece: 8,
        batch: (start, count) => ({
          rows: tensor((shifted.data as Float32Array).slice(3 * start, 3 * (start + count)), { shape: [count, 3] }),
        }),
      },
    );
    expect(largestOf(covarianceOf(pieces).matrix.map((v, i) => v - (centred.matrix[i] as number)))).toBeLessThan(1e-12);
  });

  it("keeps eigenvalues that single precision would lose", async () => {
    // Two features that agree to 1e-4, far from 0: variances of about 2 and 5e-9 beside squares of 1e4.
    const rows = Float64Array.from(
      { length: 2000 },
      (_, i) => 100 + Math.sin(i - (i % 2)) + (i % 2) * 1e-4 * Math.cos(7 * i),
    );
    const [large, small] = eigenvalues(await covariance(tensor(rows, { shape: [1000, 2] })));
    expect(large).toBeCloseTo(1, 2);
    expect((small as number) / 2.5e-9).toBeCloseTo(1, 1);
  });

  it("refuses fewer rows than features, activations that are constant, and NaN", async () => {
    await expect(covariance(await gaussian(4, 5, 1))).rejects.toThrow(
      "expected at least as many rows of activations as their 5 features, got 4",
    );
    await expect(covariance(tensor(new Float32Array(20).fill(3.3), { shape: [10, 2] }))).rejects.toThrow(
      "activations are the same in all 10 rows",
    );
    const moments = await evaluate(momentsOf(tensor([[1], [Number.NaN], [2]])));
    expect(() => covarianceOf(moments, { name: "blocks.0.ffn.hidden" })).toThrow(
      "blocks.0.ffn.hidden hold NaN or infinity",
    );
    expect(() => momentsOf(tensor([1, 2]))).toThrow("expected rows [..., width], got [2]");
  });
});

describe("effective dimension", () => {
  it("is the participation ratio of eigenvalues, whatever the rotation and scale", async () => {
    const x = await evaluate(mul(await gaussian(300, 6, 1), tensor([1, 2, 3, 1, 0.5, 4])));
    const { components } = principalComponents(await covariance(await gaussian(50, 6, 9)));
    const rotation = tensor(Float32Array.from(components), { shape: [6, 6] });
    const turned = await evaluate(mul(matmul(x, rotation), 7));
    const [plain, other] = [await covariance(x), await covariance(turned)];
    expect(Math.abs(effectiveDimension(plain) / participationRatio(eigenvalues(plain)) - 1)).toBeLessThan(1e-9);
    const [a, b] = [spectralScores(eigenvalues(plain)), spectralScores(eigenvalues(other))];
    for (const name of Object.keys(a) as (keyof typeof a)[]) expect(b[name]).toBeCloseTo(a[name], 5);
    const stretched = await covariance(await evaluate(mul(x, tensor([9, 1, 1, 1, 1, 1]))));
    expect(Math.abs(effectiveDimension(stretched) - effectiveDimension(plain))).toBeGreaterThan(0.1);
  });

  it("is half of the width for as many normal rows as features, and the line in 1/rows gives all of it", async () => {
    const width = 400;
    const samples: SampledDimension[] = [];
    for (const count of [400, 800, 1600]) {
      const dimension = effectiveDimension(await covariance(await gaussian(count, width, count)));
      expect(dimension / (width / (1 + width / count))).toBeGreaterThan(0.97);
      expect(dimension / (width / (1 + width / count))).toBeLessThan(1.03);
      samples.push({ count, dimension });
    }
    expect(extrapolatedDimension(samples) / width).toBeCloseTo(1, 1);
    expect(() => extrapolatedDimension(samples.slice(0, 1))).toThrow("at least two sizes, got 1 samples");
  });

  it("is 9 for ten collapsed classes", async () => {
    // Each class at its corner of a simplex, as often as the others, within 24 features.
    const rows = tensor(
      Float32Array.from({ length: 200 * 24 }, (_, at) => (at % 24 === Math.floor(at / 24) % 10 ? 3 : 0)),
      { shape: [200, 24] },
    );
    expect(effectiveDimension(await covariance(rows))).toBeCloseTo(9, 9);
  });

  it("compresses by the logarithm of a ratio", () => {
    expect(compression(20, 10)).toBeCloseTo(Math.LN2, 12);
    expect(compression(20, 5)).toBeCloseTo(compression(20, 9) + compression(9, 5), 12);
    expect(() => compression(0, 5)).toThrow("first must be an effective dimension above 0, got 0");
  });
});

describe("principal components", () => {
  it("are orthonormal directions whose variances are the eigenvalues", async () => {
    const found = await covariance(await gaussian(100, 7, 2));
    const { variances, components } = principalComponents(found);
    expect(largestOf(eigenvalues(found).map((v, i) => v - (variances[i] as number)))).toBeLessThan(1e-12);
    for (let a = 0; a < 7; a++)
      for (let b = 0; b < 7; b++) {
        let product = 0;
        for (let i = 0; i < 7; i++) product += (components[7 * a + i] as number) * (components[7 * b + i] as number);
        expect(product).toBeCloseTo(a === b ? 1 : 0, 12);
      }
  });

  it("lose nothing with all of the variance, and what they leave out with less", async () => {
    const x = await evaluate(mul(await gaussian(500, 6, 3), tensor([5, 3, 1, 0.5, 0.1, 0.1])));
    const all = principalComponents(await covariance(x));
    const whole = pcaProjection(all, 1);
    expect(whole.kept).toBe(6);
    expect(largestOf(numbersOf(await evaluate(whole.project(x))).map((v, i) => v - Number(x.data[i])))).toBeLessThan(
      1e-5,
    );
    for (const share of [0.6, 0.95, 0.9996]) {
      const { kept, project } = pcaProjection(all, share);
      const [after, left] = [await evaluate(project(x)), all.variances.slice(kept).reduce((a, b) => a + b, 0)];
      const lost = (after.data as Float32Array).reduce((t, v, i) => t + (v - Number(x.data[i])) ** 2, 0) / 499;
      expect(lost / left).toBeCloseTo(1, 3);
      const again = await evaluate(project(after));
      expect(largestOf((again.data as Float32Array).map((v, i) => v - Number(after.data[i])))).toBeLessThan(1e-5);
    }
    expect(() => pcaProjection(all, 1).project(tensor([[1]]))).toThrow("expected rows [..., 6], got [1, 1]");
  });
});

describe("featureNoise", () => {
  const scale = { std: 2, least: -1, most: 9 };

  it("changes features by as much as its strength says", async () => {
    const x = tensor(new Float32Array(40_000).fill(4), { shape: [200, 200] });
    const run = compile((source: Key, strength: Tensor) =>
      Object.fromEntries(featureNoiseKinds.map((kind) => [kind, featureNoise(source, x, { kind, strength, scale })])),
    );
    const made = await run(key(5), tensor(0.5));
    const share = (kind: string, value: number) =>
      numbersOf(made[kind]).filter((v) => Math.abs(v - value) < 1e-6).length / 40_000;
    for (const kind of ["gaussian", "uniform"]) {
      const moved = Float64Array.from(numbersOf(made[kind]), (v) => v - 4);
      expect(moved.reduce((a, b) => a + b, 0) / 40_000).toBeCloseTo(0, 1);
      expect(moved.reduce((a, b) => a + b * b, 0) / 40_000).toBeCloseTo(1, 1);
    }
    expect(largestOf(Float64Array.from(numbersOf(made.uniform), (v) => v - 4))).toBeLessThan(Math.sqrt(3) + 1e-5);
    expect(share("dropout", 0)).toBeCloseTo(0.5, 1);
    expect(share("dropout", 4)).toBeCloseTo(0.5, 1);
    expect(share("saltAndPepper", -1)).toBeCloseTo(0.25, 1);
    expect(share("saltAndPepper", 9)).toBeCloseTo(0.25, 1);
    const none = await run(key(5), tensor(0));
    for (const kind of featureNoiseKinds) expect(numbersOf(none[kind]).every((v) => v === 4)).toBe(true);
  });

  it("refuses strengths out of range", () => {
    const x = tensor([[1, 2]]);
    expect(() => featureNoise(key(0), x, { kind: "dropout", strength: 1.1, scale })).toThrow(
      "strength of dropout must be at least 0 and at most 1, got 1.1",
    );
    expect(() => featureNoise(key(0), x, { kind: "gaussian", strength: -1, scale })).toThrow(
      "must be at least 0, got -1",
    );
  });
});
