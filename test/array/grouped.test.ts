import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as f from "../../src/array/index.ts";

const counted = (counts: readonly number[]): f.Tensor =>
  f.tensor(BigInt64Array.from(counts, BigInt), { shape: [counts.length], dtype: "int64" });

/** The same product, group by group. */
function oneByOne(rows: f.Tensor, counts: readonly number[], weights: readonly f.Tensor[]): f.Tensor {
  let start = 0;
  return f.concat(
    counts.map((count, g) => {
      const part = f.slice(rows, { starts: [start], stops: [start + count] });
      start += count;
      return f.matmul(part, weights[g] as f.Tensor);
    }),
  );
}

const draw = (counts: readonly number[], k: number, n: number, seed: number) => {
  const total = counts.reduce((a, b) => a + b, 0);
  const source = f.key(seed);
  return f.evaluate({
    rows: f.normal(f.fold(source, "rows"), [total, k], { dtype: "float64" }),
    weights: counts.map((_, g) => f.normal(f.fold(source, g), [k, n], { dtype: "float64" })),
  });
};

const largest = async (a: readonly f.Tensor[], b: readonly f.Tensor[]): Promise<number> => {
  const differences = a.map((x, i) => f.sum(f.abs(f.sub(x, b[i] as f.Tensor))));
  return f.item(await f.evaluate(differences.reduce((x, y) => f.add(x, y))));
};

const groups = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 });
const extent = fc.integer({ min: 1, max: 4 });

describe("groupedMatmul", () => {
  it("multiplies each row by the matrix of its group", async () => {
    await fc.assert(
      fc.asyncProperty(groups, extent, extent, async (counts, k, n) => {
        const { rows, weights } = await draw(counts, k, n, 1);
        const y = f.groupedMatmul(rows, counted(counts), weights);
        expect(y.shape).toEqual([rows.shape[0], n]);
        expect(await largest([y], [oneByOne(rows, counts, weights)])).toBeLessThan(1e-12);
        const turned = weights.map((w) => f.transpose(w));
        const z = f.groupedMatmul(rows, counted(counts), turned, { transposeB: true });
        expect(await largest([z], [y])).toBeLessThan(1e-12);
      }),
      { numRuns: 12 },
    );
  });

  it("has the gradients and second gradients of the products one by one", async () => {
    const counts = [2, 0, 3];
    const { rows, weights } = await draw(counts, 3, 2, 2);
    type P = { rows: f.Tensor; weights: f.Tensor[] };
    const first = (product: (p: P) => f.Tensor) => f.grad((p: P) => f.sum(f.pow(product(p), 3)));
    const second = (product: (p: P) => f.Tensor) =>
      f.grad((p: P) => {
        const g = first(product)(p);
        return f.add(f.sum(f.square(g.rows)), f.sum(f.sin(f.concat(g.weights))));
      });
    for (const transposeB of [false, true]) {
      const own = (p: P) => {
        const ws = transposeB ? p.weights.map((w) => f.transpose(w)) : p.weights;
        return f.groupedMatmul(p.rows, counted(counts), ws, { transposeB });
      };
      const reference = (p: P) => oneByOne(p.rows, counts, p.weights);
      for (const order of [first, second]) {
        const [a, b] = [order(own)({ rows, weights }), order(reference)({ rows, weights })];
        expect(await largest([a.rows, ...a.weights], [b.rows, ...b.weights])).toBeLessThan(1e-9);
      }
    }
  });

  it("says what does not fit", () => {
    const rows = f.ones([3, 2]);
    expect(() => f.groupedMatmul(f.ones([3]), counted([3]), [f.ones([2, 1])])).toThrow(
      /rows \[rows, width\], got \[3\]/,
    );
    expect(() => f.groupedMatmul(rows, counted([3]), [])).toThrow(/at least one group/);
    expect(() => f.groupedMatmul(rows, f.tensor([3]), [f.ones([2, 1])])).toThrow(/int64\[1\], got float32\[1\]/);
    expect(() => f.groupedMatmul(rows, counted([1, 2]), [f.ones([2, 4]), f.ones([3, 4])])).toThrow(
      /expected weights float32\[2, 4\] for rows \[3, 2\], got float32\[3, 4\]/,
    );
  });

  it("fails when the counts do not add up to the rows", async () => {
    await expect(
      f.evaluate(f.groupedMatmul(f.ones([3, 2]), counted([1, 1]), [f.ones([2, 1]), f.ones([2, 1])])),
    ).rejects.toThrow();
  });
});
