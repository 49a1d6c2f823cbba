import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { describe, expect, it } from "vitest";
import { symmetricEigenvalues } from "../../src/probe/index.ts";
import { numbers } from "../nn/reference.ts";

/** A symmetric matrix in row order. */
function symmetric(size: number, seed: number): number[] {
  const values = numbers(size * size, seed);
  return values.map((v, at) => v + (values[(at % size) * size + Math.floor(at / size)] as number));
}

describe("symmetricEigenvalues", () => {
  it("agrees with a general decomposition", () => {
    for (const size of [1, 2, 3, 5, 8, 21, 60]) {
      const matrix = symmetric(size, size);
      const { realEigenvalues } = new EigenvalueDecomposition(Matrix.from1DArray(size, size, matrix), {
        assumeSymmetric: true,
      });
      const expected = realEigenvalues.toSorted((a, b) => b - a);
      const found = symmetricEigenvalues(matrix, size);
      expect(Math.max(...expected.map((v, i) => Math.abs(v - (found[i] as number))))).toBeLessThan(1e-12 * size);
    }
  });

  it("keeps trace and sum of squares", () => {
    const size = 200;
    const matrix = symmetric(size, 3);
    const found = symmetricEigenvalues(matrix, size);
    const trace = matrix.reduce((total, v, at) => (at % (size + 1) === 0 ? total + v : total), 0);
    const squares = matrix.reduce((total, v) => total + v * v, 0);
    expect(found.reduce((a, b) => a + b, 0)).toBeCloseTo(trace, 9);
    expect(found.reduce((a, b) => a + b * b, 0) / squares).toBeCloseTo(1, 12);
  });

  it("knows diagonal, repeated, tiny and huge eigenvalues, and reads the lower triangle only", () => {
    expect([...symmetricEigenvalues([1, 9, 9, 0, 3, 9, 0, 0, 2], 3)]).toEqual([3, 2, 1]);
    expect([...symmetricEigenvalues(new Float64Array(16), 4)]).toEqual([0, 0, 0, 0]);
    // All ones: the size, and zeros.
    const ones = symmetricEigenvalues(new Float64Array(2500).fill(1), 50);
    expect(ones[0]).toBeCloseTo(50, 11);
    expect(Math.max(...[...ones.subarray(1)].map(Math.abs))).toBeLessThan(1e-12);
    for (const scale of [1e-150, 1e150]) {
      const found = symmetricEigenvalues(
        [2, 1, 1, 2].map((v) => v * scale),
        2,
      );
      expect([...found].map((v) => v / scale)).toEqual([expect.closeTo(3, 12), expect.closeTo(1, 12)]);
    }
    // The second difference has eigenvalues 2 - 2·cos(kπ/(n + 1)).
    const n = 40;
    const second = Array.from({ length: n * n }, (_, at) => {
      const distance = Math.abs((at % n) - Math.floor(at / n));
      return distance === 0 ? 2 : distance === 1 ? -1 : 0;
    });
    symmetricEigenvalues(second, n).forEach((v, i) => {
      expect(v).toBeCloseTo(2 - 2 * Math.cos(((n - i) * Math.PI) / (n + 1)), 12);
    });
  });

  it("refuses what is no matrix of numbers", () => {
    expect(() => symmetricEigenvalues([1, 2], 2)).toThrow("expected 2 × 2 numbers, 4 in all, got 2");
    expect(() => symmetricEigenvalues([1, 0, 0, Number.NaN], 2)).toThrow("expected finite numbers, got NaN at 3");
  });
});
