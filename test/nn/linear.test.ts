import { describe, expect, it } from "vitest";
import { compile, evaluate, key, square, sum, type Tensor, tensor, toNested } from "../../src/array/index.ts";
import { fanInUniform, glorotUniform, heNormal, lecunNormal, linear, normalOf, zerosOf } from "../../src/nn/index.ts";
import { affine, distance, gradientError, matrix, numbers } from "./reference.ts";

describe("linear", () => {
  const layer = linear({ inputs: 3, outputs: 2 });

  it("computes x·W + b", async () => {
    const params = {
      weight: tensor([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
      bias: tensor([100, 200]),
    };
    expect(
      toNested(
        await evaluate(
          layer.apply(
            params,
            tensor([
              [1, 0, 0],
              [1, 1, 1],
            ]),
          ),
        ),
      ),
    ).toEqual([
      [101, 202],
      [109, 212],
    ]);
  });

  it("agrees with plain JavaScript on any number of leading axes", async () => {
    const [x, weight, bias] = [matrix(6, 3, 2), matrix(3, 2, 3), numbers(2, 4)];
    const expected = affine(x, weight, bias).flat();
    const run = compile(layer.apply);
    for (const shape of [
      [6, 3],
      [2, 3, 3],
      [1, 3, 2, 3],
    ]) {
      const y = await run(
        { weight: tensor(weight), bias: tensor(bias) },
        tensor(Float32Array.from(x.flat()), { shape }),
      );
      expect(y.shape).toEqual([...shape.slice(0, -1), 2]);
      expect(distance(y.data, expected)).toBeLessThan(1e-6);
    }
    expect(
      (await run({ weight: tensor(weight), bias: tensor(bias) }, tensor(new Float32Array(0), { shape: [0, 3] }))).shape,
    ).toEqual([0, 2]);
  });

  it("draws its weights from the key, within the bound of its initializer", async () => {
    const wide = linear({ inputs: 100, outputs: 50 });
    const params = await evaluate(wide.init(key(1)));
    expect(params.weight.shape).toEqual([100, 50]);
    expect(params.bias.shape).toEqual([50]);
    for (const { data } of [params.weight, params.bias]) {
      expect(Math.max(...[...data].map(Number).map(Math.abs))).toBeLessThanOrEqual(0.1);
      expect(Math.max(...[...data].map(Number).map(Math.abs))).toBeGreaterThan(0.09);
    }
    expect([...(await evaluate(wide.init(key(1)))).weight.data]).toEqual([...params.weight.data]);
    expect([...(await evaluate(wide.init(key(2)))).weight.data]).not.toEqual([...params.weight.data]);
  });

  it("has the right gradient", async () => {
    const params = { weight: tensor(matrix(3, 2, 5)), bias: tensor([0.5, -0.25]) };
    const x = tensor(Float64Array.from(matrix(4, 3, 6).flat()), { shape: [4, 3] });
    expect(await gradientError((p: typeof params) => sum(square(layer.apply(p, x))), params)).toBeLessThan(1e-8);
  });

  it("names a wrong input and wrong options", () => {
    const params = layer.init(key(0));
    expect(() => layer.apply(params, tensor([[1, 2]]))).toThrow(
      "linear: expected x with a last axis of 3, got shape [1, 2]",
    );
    expect(() => layer.apply(params, tensor(1))).toThrow("linear: expected x with a last axis of 3, got shape []");
    expect(() => linear({ inputs: 0, outputs: 2 })).toThrow(
      "linear: inputs must be a whole number of at least 1, got 0",
    );
    expect(() => linear({ inputs: 1, outputs: 1.5 })).toThrow(
      "linear: outputs must be a whole number of at least 1, got 1.5",
    );
  });
});

describe("initializers", () => {
  const fans = { fanIn: 64, fanOut: 16 };
  const spread = async (draw: (k: Tensor) => Tensor) => {
    const data = [...(await evaluate(draw(key(3)))).data].map(Number);
    const mean = data.reduce((a, b) => a + b) / data.length;
    return {
      mean,
      std: Math.sqrt(data.reduce((a, b) => a + (b - mean) ** 2, 0) / data.length),
      largest: Math.max(...data.map(Math.abs)),
    };
  };

  // 40,000 draws: the standard error of the deviation is 0.35 % of it, that of the mean 0.5 %.
  it.each([
    ["fanInUniform", fanInUniform, 1 / 8 / Math.sqrt(3)],
    ["lecunNormal", lecunNormal, 1 / 8],
    ["heNormal", heNormal, Math.SQRT2 / 8],
    ["glorotUniform", glorotUniform, Math.sqrt(6 / 80 / 3)],
    ["normalOf", normalOf(0.02), 0.02],
  ] as const)("%s has its standard deviation", async (_, init, expected) => {
    const { mean, std, largest } = await spread((k) => init(k, [200, 200], fans));
    expect(Math.abs(std / expected - 1)).toBeLessThan(0.02);
    expect(Math.abs(mean / expected)).toBeLessThan(0.025);
    expect(largest).toBeLessThan(expected * 6);
  });

  it("zerosOf gives zeros", async () => {
    expect((await spread((k) => zerosOf(k, [3], fans))).largest).toBe(0);
  });
});
