import { EigenvalueDecomposition, Matrix, SVD } from "ml-matrix";
import { describe, expect, it } from "vitest";
import { evaluate, key, normal, toNested } from "../../../src/array/index.ts";
import { lowRankLinear, mergeFactors, spectralFactors, typicalSingularValues } from "../../../src/nn/index.ts";

const singularValues = (matrix: Matrix): number[] => new SVD(matrix, { autoTranspose: true }).diagonal;
const drawn = async (rows: number, columns: number, seed: number): Promise<Matrix> =>
  new Matrix(toNested(await evaluate(normal(key(seed), [rows, columns]))) as number[][]);

describe("typicalSingularValues", () => {
  it.each([
    [40, 160],
    [160, 40],
    [96, 96],
    [60, 80],
  ])("are those of drawn matrices of %i × %i, on average and to about one deviation", async (rows, columns) => {
    const count = Math.min(rows, columns);
    const expected = typicalSingularValues({ rows, columns }, count);
    const runs: number[][] = [];
    for (let seed = 0; seed < 4; seed++) runs.push(singularValues(await drawn(rows, columns, seed)));
    expect(runs[0]).toHaveLength(count);
    const far = expected.map((value, i) =>
      Math.abs(runs.reduce((total, run) => total + (run[i] as number) / 4, 0) - value),
    );
    expect(Math.max(...far)).toBeLessThan(0.6);
    const bias = expected.reduce(
      (total, value, i) => total + value - runs.reduce((sum, run) => sum + (run[i] as number) / 4, 0),
      0,
    );
    expect(Math.abs(bias) / count).toBeLessThan(0.05);
  });

  it("have the sum of squares that the elements of a matrix have", () => {
    for (const [rows, columns] of [
      [32, 128],
      [64, 64],
    ] as const) {
      const all = typicalSingularValues({ rows, columns, std: 0.02 }, Math.min(rows, columns));
      const energy = all.reduce((total, value) => total + value * value, 0);
      expect(energy / (rows * columns * 0.02 ** 2)).toBeCloseTo(1, 3);
      expect(all.every((value, i) => i === 0 || value <= (all[i - 1] as number))).toBe(true);
    }
  });

  it("names a count that does not fit", () => {
    expect(() => typicalSingularValues({ rows: 4, columns: 6 }, 5)).toThrow(
      "typicalSingularValues: count must be from 1 to 4 for a matrix of 4 × 6, got 5",
    );
  });
});

describe("spectralFactors", () => {
  const size = { inputs: 48, outputs: 96, rank: 12, std: 0.02 };

  it("have a product with the singular values of the best approximation to a drawn matrix", async () => {
    const { inner, weight } = await evaluate(spectralFactors(key(3), size));
    const a = new Matrix(toNested(inner) as number[][]);
    const c = new Matrix(toNested(weight) as number[][]);
    const got = singularValues(a.mmul(c));
    const expected = singularValues(await drawn(48, 96, 4)).map((value) => 0.02 * value);
    for (let i = 0; i < size.rank; i++)
      expect(Math.abs((got[i] as number) / (expected[i] as number) - 1)).toBeLessThan(0.06);
    expect(got[size.rank]).toBeLessThan(1e-6);
  });

  it("share the singular values evenly: both have the same diagonal matrix of inner products", async () => {
    const { inner, weight } = await evaluate(spectralFactors(key(3), size));
    const a = new Matrix(toNested(inner) as number[][]);
    const c = new Matrix(toNested(weight) as number[][]);
    const [left, right] = [a.transpose().mmul(a), c.mmul(c.transpose())];
    expect(Matrix.sub(left, right).norm() / left.norm()).toBeLessThan(1e-4);
    expect(Matrix.sub(left, Matrix.diag(left.diag())).norm() / left.norm()).toBeLessThan(1e-4);
    const values = new EigenvalueDecomposition(left).realEigenvalues.sort((x, y) => y - x);
    typicalSingularValues({ rows: 48, columns: 96, std: 0.02 }, 12).forEach((value, i) => {
      expect((values[i] as number) / value).toBeCloseTo(1, 3);
    });
  });

  it("are how lowRankLinear starts, with deviation 1/√inputs unless told otherwise", async () => {
    const layer = lowRankLinear({ inputs: 48, outputs: 96, rank: 12, bias: false });
    const { weight } = await evaluate(mergeFactors(layer, layer.init(key(1))));
    const energy = [...weight.data].reduce((total: number, w) => total + Number(w) ** 2, 0);
    const kept = typicalSingularValues({ rows: 48, columns: 96, std: 1 / Math.sqrt(48) }, 12);
    expect(energy / kept.reduce((total, value) => total + value ** 2, 0)).toBeCloseTo(1, 3);
  });
});
