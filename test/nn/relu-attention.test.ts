import { describe, expect, it } from "vitest";
import { compile, evaluate, grad, key, normal, sum, type Tensor, tensor, toNested } from "../../src/array/index.ts";
import { attend, entropyMargin, multiHeadAttention, rowSumPenalty } from "../../src/nn/index.ts";

type Rows = number[][];
const draw = async (seed: number, shape: number[], std = 1): Promise<Tensor> =>
  evaluate(normal(key(seed), shape, { std }));
const rows = (x: Tensor): Rows => (toNested(x) as number[][][])[0] as Rows;

/** Weights by their definition in float64, for one head. */
function reference(
  q: Rows,
  k: Rows,
  v: Rows,
  divisor: (seen: number) => number,
  sees: (t: number, s: number) => boolean,
): Rows {
  return q.map((query, t) => {
    const visible = k.map((_, s) => s).filter((s) => sees(t, s));
    const out = (v[0] as number[]).map(() => 0);
    for (const s of visible) {
      const score =
        query.reduce((total, value, i) => total + value * (k[s]?.[i] as number), 0) / Math.sqrt(query.length);
      out.forEach((_, i) => {
        (out[i] as number) += (Math.max(0, score) / divisor(visible.length)) * (v[s]?.[i] as number);
      });
    }
    return out;
  });
}
const close = (a: Rows, b: Rows): void => {
  for (const [t, row] of a.entries())
    for (const [i, value] of row.entries()) expect(value).toBeCloseTo(b[t]?.[i] as number, 5);
};
const divisors = { relu: (n: number) => Math.sqrt(n / 2), reluMean: (n: number) => n, reluSum: () => 1 } as const;

describe("attend with ReLU", async () => {
  const [q, k, v] = [await draw(1, [1, 4, 6]), await draw(2, [1, 7, 6]), await draw(3, [1, 7, 5])];
  for (const [weights, divisor] of Object.entries(divisors) as [keyof typeof divisors, (n: number) => number][]) {
    it(`${weights} is its definition, causal, masked, and both`, async () => {
      const mask = tensor([1, 0, 1, 1, 0, 1, 1].map(Boolean) as unknown as number[], { shape: [7] });
      const causal = (t: number, s: number) => s <= t + 3;
      const masked = (_: number, s: number) => s !== 1 && s !== 4;
      const run = async (options: object) => rows(await evaluate(attend(q, k, v, { weights, ...options })));
      close(
        await run({}),
        reference(rows(q), rows(k), rows(v), divisor, () => true),
      );
      close(await run({ causal: true }), reference(rows(q), rows(k), rows(v), divisor, causal));
      close(await run({ mask }), reference(rows(q), rows(k), rows(v), divisor, masked));
      const both = (t: number, s: number) => causal(t, s) && masked(t, s);
      close(await run({ causal: true, mask }), reference(rows(q), rows(k), rows(v), divisor, both));
    });
  }

  it("gives nothing, and a finite gradient, where no score is above zero", async () => {
    const against = tensor(
      Float32Array.from({ length: 12 }, () => 1),
      { shape: [1, 2, 6] },
    );
    const away = tensor(
      Float32Array.from({ length: 18 }, () => -1),
      { shape: [1, 3, 6] },
    );
    const values = await draw(4, [1, 3, 6]);
    const total = (x: Tensor) => sum(attend(x, away, values, { weights: "relu" }));
    expect([...(await evaluate(attend(against, away, values, { weights: "relu" }))).data].every((y) => y === 0)).toBe(
      true,
    );
    const slope = await compile(grad(total))(against);
    expect([...slope.data].every((g) => Number.isFinite(g))).toBe(true);
  });

  it("keeps unit variance at any length, where the plain sum grows with it", async () => {
    const variance = async (weights: "relu" | "reluSum", keys: number): Promise<number> => {
      const [a, b, c] = [await draw(5, [1, 64, 64]), await draw(6, [1, keys, 64]), await draw(7, [1, keys, 64])];
      const y = (await evaluate(attend(a, b, c, { weights }))).data as Float32Array;
      return y.reduce((total, value) => total + value * value, 0) / y.length;
    };
    for (const keys of [256, 2048]) {
      expect(await variance("relu", keys)).toBeCloseTo(1, 0);
      expect((await variance("reluSum", keys)) / (keys / 2)).toBeCloseTo(1, 0);
    }
  });
});

describe("multiHeadAttention with ReLU", () => {
  it("does not see later positions, to the bit, and extends to what the whole sequence gives", async () => {
    const layer = multiHeadAttention({ width: 8, heads: 2, causal: true, weights: "relu" });
    const params = await evaluate(layer.init(key(8)));
    const x = await draw(9, [1, 6, 8]);
    const run = compile(layer.apply);
    const changed = tensor(
      Float32Array.from(x.data as Float32Array, (value, i) => (i >= 32 ? value + 1 : value)),
      { shape: [1, 6, 8] },
    );
    const [a, b] = [rows(await run(params, x)), rows(await run(params, changed))];
    expect(b.slice(0, 4)).toEqual(a.slice(0, 4));
    expect(b[4]).not.toEqual(a[4]);
    const [y] = await compile(layer.extend)(
      params,
      x,
      await evaluate(layer.cache({ batch: 1, length: 9 })),
      tensor(Int32Array.of(0)),
    );
    close(rows(y), a);
  });
});

describe("penalties", () => {
  const weights = tensor([0.5, 1.5, 0, 0.2, 0.2, 0.1, 0, 0, 0], { shape: [3, 3] });
  const value = async (x: Tensor): Promise<number> => Number((await evaluate(x)).data[0]);
  it("are their definitions, and finite for a query without weights", async () => {
    const expected = (Math.log(2) + Math.log(2) + Math.abs(Math.log(1e-9))) / 3;
    expect(await value(rowSumPenalty(weights))).toBeCloseTo(expected, 4);
    const entropy = (shares: number[]): number =>
      -shares.reduce((total, p) => total + (p > 0 ? p * Math.log(p) : 0), 0);
    const margins = [entropy([0.25, 0.75]), entropy([0.4, 0.4, 0.2]), 0].map((h) => Math.max(0, h - 0.6));
    expect(await value(entropyMargin(weights, 0.6))).toBeCloseTo(margins.reduce((a, b) => a + b) / 3, 5);
  });

  it("have the gradients that finite differences give", async () => {
    const at = [0.5, 1.5, 0.3, 0.2, 0.25, 0.1];
    const functions = [rowSumPenalty, (w: Tensor) => entropyMargin(w, 0.4)];
    for (const fn of functions) {
      const of = async (list: number[]) => value(fn(tensor(Float64Array.from(list), { shape: [2, 3] })));
      const slope = await compile(grad(fn))(tensor(Float64Array.from(at), { shape: [2, 3] }));
      for (const i of at.keys()) {
        const [up, down] = [1e-6, -1e-6].map((step) => at.map((a, j) => (i === j ? a + step : a))) as [
          number[],
          number[],
        ];
        expect(Number(slope.data[i])).toBeCloseTo(((await of(up)) - (await of(down))) / 2e-6, 4);
      }
    }
  });
});
