import { describe, expect, it } from "vitest";
import { compile, evaluate, key, mul, square, sum, type Tensor, tensor, toNested } from "../../src/array/index.ts";
import { groupNorm, layerNorm, rmsNorm } from "../../src/nn/index.ts";
import { distance, gradientError, matrix, numbers, parameterCount } from "./reference.ts";

const normalized = (xs: readonly number[], eps: number): number[] => {
  const mean = xs.reduce((a, b) => a + b, 0) / xs.length;
  const variance = xs.reduce((a, b) => a + (b - mean) ** 2, 0) / xs.length;
  return xs.map((x) => (x - mean) / Math.sqrt(variance + eps));
};

const [rows, scale, bias] = [matrix(6, 8, 1), numbers(8, 2), numbers(8, 3)];
const params = { scale: tensor(scale), bias: tensor(bias) };
const weights = tensor(Float64Array.from(numbers(48, 4)), { shape: [6, 8] });
const double = (shape: number[]) => tensor(Float64Array.from(rows.flat()), { shape });

describe("layerNorm", () => {
  it("agrees with plain JavaScript", async () => {
    for (const eps of [1e-5, 0.5]) {
      const y = await compile(layerNorm({ width: 8, eps }).apply)(params, tensor(rows));
      const expected = rows.flatMap((row) =>
        normalized(row, eps).map((v, j) => v * (scale[j] as number) + (bias[j] as number)),
      );
      expect(distance(y.data, expected)).toBeLessThan(2e-6);
    }
  });

  it("starts as a plain normalization that does not see shift and scale", async () => {
    const layer = layerNorm({ width: 4 });
    const at = await evaluate(layer.init(key(0)));
    expect([toNested(at.scale), toNested(at.bias)]).toEqual([
      [1, 1, 1, 1],
      [0, 0, 0, 0],
    ]);
    const a = await evaluate(layer.apply(at, tensor([1, 2, 3, 4])));
    const b = await evaluate(layer.apply(at, tensor([1100, 1200, 1300, 1400])));
    expect(distance(a.data, b.data)).toBeLessThan(1e-4);
  });

  it("has the right gradient for parameters and input", async () => {
    const layer = layerNorm({ width: 8 });
    const loss = (p: { layer: typeof params; x: Tensor }) => sum(mul(square(layer.apply(p.layer, p.x)), weights));
    expect(await gradientError(loss, { layer: params, x: double([6, 8]) })).toBeLessThan(1e-7);
  });

  it("names a wrong input", () => {
    expect(() => layerNorm({ width: 8 }).apply(params, tensor([1, 2]))).toThrow(
      "layerNorm: expected x with a last axis of 8, got shape [2]",
    );
  });
});

describe("rmsNorm", () => {
  it("agrees with plain JavaScript", async () => {
    const y = await compile(rmsNorm({ width: 8 }).apply)({ scale: tensor(scale) }, tensor(rows));
    const expected = rows.flatMap((row) => {
      const root = Math.sqrt(row.reduce((a, b) => a + b * b, 0) / row.length + 1e-5);
      return row.map((v, j) => (v / root) * (scale[j] as number));
    });
    expect(distance(y.data, expected)).toBeLessThan(2e-6);
  });

  it("gives 3, 4 the root mean square 1", async () => {
    const y = await evaluate(rmsNorm({ width: 2, eps: 0 }).apply({ scale: tensor([1, 1]) }, tensor([3, 4])));
    expect(distance(y.data, [3 / Math.sqrt(12.5), 4 / Math.sqrt(12.5)])).toBeLessThan(1e-6);
  });

  it("has the right gradient", async () => {
    const layer = rmsNorm({ width: 8 });
    const loss = (p: { scale: Tensor; x: Tensor }) => sum(mul(square(layer.apply({ scale: p.scale }, p.x)), weights));
    expect(await gradientError(loss, { scale: params.scale, x: double([6, 8]) })).toBeLessThan(1e-7);
  });
});

describe("groupNorm", () => {
  const reference = (groups: number): number[] => {
    // Two examples of four channels with six positions.
    const flat = rows.flat();
    const size = 24 / groups;
    return Array.from({ length: 2 * groups }, (_, g) => normalized(flat.slice(g * size, (g + 1) * size), 1e-5))
      .flat()
      .map((v, i) => v * (scale[Math.floor(i / 6) % 4] as number) + (bias[Math.floor(i / 6) % 4] as number));
  };

  it.each([1, 2, 4])("agrees with plain JavaScript in %i groups", async (groups) => {
    const layer = groupNorm({ channels: 4, groups });
    const own = { scale: tensor(scale.slice(0, 4)), bias: tensor(bias.slice(0, 4)) };
    const x = tensor(Float32Array.from(rows.flat()), { shape: [2, 4, 2, 3] });
    const y = await compile(layer.apply)(own, x);
    expect(y.shape).toEqual([2, 4, 2, 3]);
    expect(distance(y.data, reference(groups))).toBeLessThan(2e-6);
    expect(parameterCount(layer.init(key(0)))).toBe(8);
  });

  it("has the right gradient for parameters and input", async () => {
    const layer = groupNorm({ channels: 4, groups: 2 });
    const factors = tensor(Float64Array.from(numbers(48, 4)), { shape: [2, 4, 6] });
    const loss = (p: { scale: Tensor; bias: Tensor; x: Tensor }) => sum(mul(square(layer.apply(p, p.x)), factors));
    const at = { scale: tensor(scale.slice(0, 4)), bias: tensor(bias.slice(0, 4)), x: double([2, 4, 6]) };
    expect(await gradientError(loss, at)).toBeLessThan(1e-7);
  });

  it("names wrong inputs and options", () => {
    expect(() => groupNorm({ channels: 4, groups: 3 })).toThrow(
      "groupNorm: 4 channels cannot be cut into 3 equal groups",
    );
    const layer = groupNorm({ channels: 4, groups: 2 });
    expect(() => layer.apply(layer.init(key(0)), tensor([[1, 2]]))).toThrow(
      "groupNorm: expected x of shape [batch, 4, ...], got [1, 2]",
    );
  });
});
