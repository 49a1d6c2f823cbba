import { describe, expect, it } from "vitest";
import { compile, evaluate, item, key, normal, type Tensor, tensor, toNested } from "../../src/array/index.ts";
import { linearCka, localNeighborhoodSimilarity } from "../../src/probe/index.ts";
import { type Matrix, product } from "../nn/reference.ts";

const asTensor = (rows: Matrix): Tensor => tensor(rows.map((row) => [...row]));
const value = async (y: Tensor): Promise<number> => item(await evaluate(y));

const gaussian = async (rows: number, columns: number, seed: number): Promise<number[][]> =>
  toNested(await evaluate(normal(key(seed), [rows, columns]))) as number[][];

/** An orthogonal matrix, as a product of plane rotations. */
function rotation(size: number): number[][] {
  let q: number[][] = Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => (i === j ? 1 : 0)));
  for (let i = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++) {
      const [c, s] = [Math.cos(i + 2 * j), Math.sin(i + 2 * j)];
      q = q.map((row) =>
        row.map((v, k) => {
          const [a, b] = [row[i] as number, row[j] as number];
          return k === i ? c * a - s * b : k === j ? s * a + c * b : v;
        }),
      );
    }
  }
  return q;
}

/** CKA from Gram matrices of the tokens, the other way to write it. */
function ckaByGram(x: Matrix, y: Matrix): number {
  const gram = (z: Matrix) => {
    const means = (z[0] as number[]).map((_, j) => z.reduce((t, row) => t + (row[j] as number), 0) / z.length);
    const centred = z.map((row) => row.map((v, j) => v - (means[j] as number)));
    return centred.map((a) => centred.map((b) => a.reduce((t, v, j) => t + v * (b[j] as number), 0)));
  };
  const [k, l] = [gram(x), gram(y)];
  const dot = (a: Matrix, b: Matrix) =>
    a.reduce((t, row, i) => t + row.reduce((u, v, j) => u + v * (b[i]?.[j] as number), 0), 0);
  return dot(k, l) / Math.sqrt(dot(k, k) * dot(l, l));
}

/** Mean Jaccard overlap with sets and sorting. */
function overlapBySets(x: Matrix, y: Matrix, neighbors: number): number {
  const sets = (z: Matrix) =>
    z.map((a, i) => {
      const cosine = (b: readonly number[]) =>
        a.reduce((t, v, j) => t + v * (b[j] as number), 0) / Math.hypot(...a) / Math.hypot(...b);
      const others = z.map((b, j) => ({ j, near: cosine(b) })).filter(({ j }) => j !== i);
      return new Set(
        others
          .sort((p, q) => q.near - p.near)
          .slice(0, neighbors)
          .map(({ j }) => j),
      );
    });
  const [a, b] = [sets(x), sets(y)];
  const overlaps = a.map((set, i) => {
    const other = b[i] as Set<number>;
    const both = [...set].filter((j) => other.has(j)).length;
    return both / new Set([...set, ...other]).size;
  });
  return overlaps.reduce((t, v) => t + v, 0) / overlaps.length;
}

describe("linearCka", async () => {
  const x = await gaussian(60, 8, 1);
  const y = x.map((row, i) => [...row.slice(0, 3), Math.sin(i), Math.cos(3 * i)]);

  it("is the alignment of Gram matrices", async () => {
    const run = compile(linearCka);
    expect(item(await run(asTensor(x), asTensor(y)))).toBeCloseTo(ckaByGram(x, y), 5);
    expect(ckaByGram(x, y)).toBeGreaterThan(0.2);
    expect(ckaByGram(x, y)).toBeLessThan(0.9);
  });

  it("is 1 of a space with itself, and with its rotation, scaled and shifted", async () => {
    const turned = product(x, rotation(8)).map((row) => row.map((v, j) => 700 * v + 100 * j));
    expect(await value(linearCka(asTensor(x), asTensor(x)))).toBeCloseTo(1, 6);
    expect(await value(linearCka(asTensor(x), asTensor(turned)))).toBeCloseTo(1, 4);
    expect(await value(linearCka(asTensor(turned), asTensor(y)))).toBeCloseTo(ckaByGram(x, y), 4);
  });

  it("of independent Gaussian spaces is near features over tokens", async () => {
    // Of n tokens with d features each: E‖Yᵀ·X‖² = n·d², ‖Xᵀ·X‖² = n·d·(n + d), in leading order.
    for (const [n, d] of [
      [400, 10],
      [100, 40],
    ] as const) {
      const cka = await value(linearCka(asTensor(await gaussian(n, d, 3)), asTensor(await gaussian(n, d, 4))));
      expect(cka / (d / (n + d))).toBeGreaterThan(0.8);
      expect(cka / (d / (n + d))).toBeLessThan(1.2);
    }
  });

  it("stays finite for large and for tiny numbers", async () => {
    for (const factor of [1e8, 1e-8]) {
      const scaled = x.map((row) => row.map((v) => factor * v));
      expect(await value(linearCka(asTensor(scaled), asTensor(y)))).toBeCloseTo(ckaByGram(x, y), 4);
    }
  });

  it("names tokens that do not fit", () => {
    expect(() => linearCka(asTensor(x), asTensor(x.slice(1)))).toThrow(
      "linearCka: expected x [tokens, features] and y [tokens, features] with the same tokens, got [60, 8] and [59, 8]",
    );
  });
});

describe("localNeighborhoodSimilarity", async () => {
  const x = await gaussian(50, 6, 5);
  const y = x.map((row, i) => [...row.slice(0, 4), 2 * Math.sin(i), row[4] as number, Math.cos(5 * i)]);

  it("is the mean overlap of sets of neighbours", async () => {
    for (const neighbors of [1, 7, 49]) {
      const run = compile((a: Tensor, b: Tensor) => localNeighborhoodSimilarity(a, b, { neighbors }));
      expect(item(await run(asTensor(x), asTensor(y)))).toBeCloseTo(overlapBySets(x, y, neighbors), 5);
    }
    expect(overlapBySets(x, y, 49)).toBe(1);
    expect(overlapBySets(x, y, 7)).toBeLessThan(0.8);
  });

  it("is 1 of a space with itself, and with its rotation and scaling", async () => {
    const turned = product(x, rotation(6)).map((row) => row.map((v) => 9 * v));
    expect(await value(localNeighborhoodSimilarity(asTensor(x), asTensor(x)))).toBe(1);
    expect(await value(localNeighborhoodSimilarity(asTensor(x), asTensor(turned)))).toBeCloseTo(1, 5);
  });

  it("of independent spaces is what chance gives", async () => {
    const [n, k] = [300, 30];
    // The expected intersection of two random sets of k among n - 1 others is k²/(n - 1).
    const both = k ** 2 / (n - 1);
    const pair = [await gaussian(n, 40, 6), await gaussian(n, 40, 8)] as const;
    const found = await value(localNeighborhoodSimilarity(asTensor(pair[0]), asTensor(pair[1]), { neighbors: k }));
    expect(Math.abs(found - both / (2 * k - both))).toBeLessThan(0.02);
  });

  it("names a number of neighbours that there cannot be", () => {
    expect(() => localNeighborhoodSimilarity(asTensor(x), asTensor(y), { neighbors: 50 })).toThrow(
      "localNeighborhoodSimilarity: neighbors must be a whole number from 1 to 49, the other tokens, got 50",
    );
  });
});
