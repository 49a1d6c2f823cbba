import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Tensor, tensor } from "../../../src/array/index.ts";
import { embeddingIndex, recallAtK } from "../../../src/probe/index.ts";

const matrix = (rows: readonly (readonly number[])[]): Tensor =>
  tensor(Float32Array.from(rows.flat()), { shape: [rows.length, rows[0]?.length ?? 0] });

const cosine = (a: readonly number[], b: readonly number[]): number => {
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, v, i) => sum + v * (y[i] as number), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

describe("embeddingIndex", () => {
  it("finds what a loop over all vectors finds", async () => {
    const entry = fc.integer({ min: -9, max: 9 }).map((v) => v + 0.25);
    const vector = fc.array(entry, { minLength: 5, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(vector, { minLength: 4, maxLength: 30 }),
        fc.array(vector, { minLength: 1, maxLength: 4 }),
        async (vectors, queries) => {
          const index = await embeddingIndex(matrix(vectors));
          expect(index).toMatchObject({ count: vectors.length, width: 5, bytes: 20 * vectors.length });
          const found = await index.search(matrix(queries), 3);
          queries.forEach((query, q) => {
            const sorted = vectors.map((v) => cosine(query, v)).sort((a, b) => b - a);
            for (let i = 0; i < 3; i++) {
              const at = found.indices[3 * q + i] as number;
              // Of vectors as near as each other any may stand first; their cosines say the same.
              expect(found.cosines[3 * q + i]).toBeCloseTo(sorted[i] as number, 5);
              expect(cosine(query, vectors[at] as number[])).toBeCloseTo(sorted[i] as number, 5);
            }
          });
          const all = await index.cosines(matrix(queries), { first: 4 });
          expect(all).toHaveLength(4 * queries.length);
          expect(all[4 * queries.length - 1]).toBeCloseTo(
            cosine(queries.at(-1) as number[], vectors[3] as number[]),
            5,
          );
        },
      ),
      { numRuns: 20 },
    );
  });

  it("searches many queries piece by piece as it searches one", async () => {
    const numbers = (count: number, seed: number) =>
      Float32Array.from({ length: count }, (_, i) => Math.sin((i + seed) ** 2));
    const index = await embeddingIndex(tensor(numbers(9000 * 3, 1), { shape: [9000, 3] }));
    const queries = numbers(1000 * 3, 2);
    const found = await index.search(tensor(queries, { shape: [1000, 3] }), 2);
    for (const q of [0, 931, 932, 999]) {
      const alone = await index.search(tensor(queries.slice(3 * q, 3 * q + 3), { shape: [1, 3] }), 2);
      expect(Array.from(found.indices.subarray(2 * q, 2 * q + 2))).toEqual(Array.from(alone.indices));
    }
  });

  it("takes zeros for orthogonal to everything where they are allowed", async () => {
    const index = await embeddingIndex(
      matrix([
        [1, 2],
        [0, 0],
        [-1, -2],
      ]),
      { allowZeros: true },
    );
    const { indices, cosines } = await index.search(
      matrix([
        [2, 4],
        [0, 0],
      ]),
      3,
    );
    expect(Array.from(indices)).toEqual([0, 1, 2, 0, 1, 2]);
    [1, 0, -1, 0, 0, 0].forEach((value, i) => {
      expect(cosines[i]).toBeCloseTo(value, 6);
    });
  });

  it("names what has no cosine or does not fit", async () => {
    await expect(
      embeddingIndex(
        matrix([
          [1, 2],
          [0, 0],
        ]),
      ),
    ).rejects.toThrow("row 1 of the vectors is all zeros");
    await expect(embeddingIndex(matrix([[1, Number.NaN]]))).rejects.toThrow("row 0 of the vectors holds NaN");
    await expect(embeddingIndex(tensor([1, 2]))).rejects.toThrow(
      "expected vectors [count, width] of float32, got float32 [2]",
    );
    const index = await embeddingIndex(
      matrix([
        [1, 2],
        [3, 4],
      ]),
    );
    await expect(index.search(matrix([[1, 2, 3]]), 1)).rejects.toThrow("expected queries [queries, 2]");
    await expect(index.search(matrix([[0, 0]]), 1)).rejects.toThrow("row 0 of the queries is all zeros");
    await expect(index.search(matrix([[1, 2]]), 3)).rejects.toThrow("from 1 to the 2 vectors, got 3");
  });
});

describe("recallAtK", () => {
  const found = (neighbors: number, indices: readonly number[]) => ({
    neighbors,
    indices: Int32Array.from(indices),
    cosines: new Float32Array(indices.length),
  });
  it("counts what is found in any order", () => {
    expect(recallAtK(found(2, [3, 1, 5, 6]), found(2, [1, 3, 6, 7]))).toBe(0.75);
    expect(recallAtK(found(1, [2]), found(1, [4]))).toBe(0);
  });
  it("refuses searches that differ in number", () => {
    expect(() => recallAtK(found(2, [1, 2]), found(1, [1]))).toThrow("got 2 in 2 and 1 in 1");
  });
});
