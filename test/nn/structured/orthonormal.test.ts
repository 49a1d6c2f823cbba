import { describe, expect, it } from "vitest";
import { evaluate, key, tensor, toNested } from "../../../src/array/index.ts";
import { orthonormal, polarFactor } from "../../../src/nn/index.ts";
import { distance, type Matrix, matrix, product } from "../reference.ts";

const transposed = (a: Matrix): number[][] => (a[0] as number[]).map((_, j) => a.map((row) => row[j] as number));
const identity = (n: number): number[] => Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));

describe("polarFactor", () => {
  it("undoes the symmetric part of a product of a rotation and a positive definite matrix", async () => {
    const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
    const rotation = [
      [c, -s],
      [s, c],
    ];
    const x = product(rotation, [
      [3, 1],
      [1, 0.5],
    ]);
    const factor = await evaluate(polarFactor(tensor(x)));
    expect(distance(factor.data, rotation.flat())).toBeLessThan(1e-6);
  });

  it("is nearer to the matrix than other orthonormal matrices, for stacks of tall and of wide ones", async () => {
    for (const [rows, columns] of [
      [7, 4],
      [4, 7],
    ] as const) {
      const stack = [matrix(rows, columns, 1), matrix(rows, columns, 2)];
      const factors = toNested(await evaluate(polarFactor(tensor(stack)))) as number[][][];
      stack.forEach((x, i) => {
        const factor = factors[i] as number[][];
        const inner = rows > columns ? product(transposed(factor), factor) : product(factor, transposed(factor));
        expect(distance(inner.flat(), identity(4))).toBeLessThan(1e-5);
        // For a polar factor Q of X, QᵀX (or XQᵀ) is symmetric and positive definite.
        const h = rows > columns ? product(transposed(factor), x) : product(x, transposed(factor));
        expect(distance(h.flat(), transposed(h).flat())).toBeLessThan(1e-5);
        expect(Math.min(...h.map((row, j) => row[j] as number))).toBeGreaterThan(0);
      });
    }
  });

  it("names a wrong input", () => {
    expect(() => polarFactor(tensor([1, 2]))).toThrow("polarFactor: expected matrices, got shape [2]");
  });
});

describe("orthonormal", () => {
  it.each([
    [1, 96, 96],
    [3, 64, 16],
    [2, 32, 48],
    [2, 1, 5],
  ])("draws a stack of %i matrices %i × %i with orthonormal rows or columns", async (count, rows, columns) => {
    for (const seed of [0, 1, 2]) {
      const shape = [count, rows, columns];
      const drawn = toNested(await evaluate(orthonormal(key(seed), shape, { fanIn: rows, fanOut: columns })));
      for (const q of drawn as number[][][]) {
        const inner = rows >= columns ? product(transposed(q), q) : product(q, transposed(q));
        expect(distance(inner.flat(), identity(Math.min(rows, columns)))).toBeLessThan(1e-4);
      }
    }
  });
});
