import { describe, expect, it } from "vitest";
import { compile, fold, grad, key, ones, sum, type Tensor, tensor } from "../../src/array/index.ts";
import { dropout } from "../../src/nn/index.ts";

const count = 40_000;
const train = (rate: number) =>
  compile((x: Tensor, k: Tensor) => dropout(rate).apply({}, x, { training: true, key: k }));
const x = tensor(Float32Array.from({ length: count }, (_, i) => i + 1));

describe("dropout", () => {
  it("gives its input itself in inference and at rate 0", () => {
    expect(dropout(0.5).apply({}, x)).toBe(x);
    expect(dropout(0.5).apply({}, x, { training: false })).toBe(x);
    expect(dropout(0).apply({}, x, { training: true })).toBe(x);
  });

  it.each([0.1, 0.5, 0.9])("drops a share of %d and scales the rest, so that the mean stays", async (rate) => {
    const y = await train(rate)(x, key(1));
    const kept = [...y.data].map(Number).filter((value) => value !== 0);
    // Four standard errors of a binomial share.
    expect(Math.abs(kept.length / count - (1 - rate))).toBeLessThan(4 * Math.sqrt((rate * (1 - rate)) / count));
    [...y.data].forEach((value, i) => {
      if (value !== 0) expect(Math.abs(Number(value) / ((i + 1) / (1 - rate)) - 1)).toBeLessThan(1e-6);
    });
  });

  it("draws by key", async () => {
    const run = train(0.5);
    const [a, again, b] = [await run(x, key(1)), await run(x, key(1)), await run(x, fold(key(1), 0))];
    expect([...again.data]).toEqual([...a.data]);
    const shared = [...a.data].filter((value, i) => (value !== 0) === (b.data[i] !== 0)).length;
    expect(Math.abs(shared / count - 0.5)).toBeLessThan(0.02);
  });

  it("passes gradients through what it kept", async () => {
    const run = compile((v: Tensor, k: Tensor) => {
      const layer = (u: Tensor) => dropout(0.25).apply({}, u, { training: true, key: k });
      return [layer(v), grad((u: Tensor) => sum(layer(u)))(v)];
    });
    const [y, dx] = (await run(ones([1000]), key(2))) as [Tensor, Tensor];
    expect([...dx.data]).toEqual([...y.data]);
  });

  it("names what is missing or wrong", () => {
    expect(() => dropout(0.5).apply({}, x, { training: true })).toThrow(
      "dropout: training needs a key; pass { training: true, key }",
    );
    for (const rate of [1, -0.1, Number.NaN])
      expect(() => dropout(rate)).toThrow("dropout: the rate must be at least 0 and below 1");
  });
});
