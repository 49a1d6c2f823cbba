import { describe, expect, it } from "vitest";
import { compile, evaluate, eye, gelu, key, relu, square, sum, tensor, zeros } from "../../../src/array/index.ts";
import { deepFfn, ffn, gatedFfn, oneLayerFfn, threeLayerFfn } from "../../../src/nn/index.ts";
import * as reference from "../reference.ts";

const { affine, distance, each, gradientError, matrix, numbers, parameterCount, product } = reference;
const x = matrix(5, 3, 9);
const layer = (rows: number, columns: number, seed: number) => ({
  weight: matrix(rows, columns, seed),
  bias: numbers(columns, seed + 50),
});
const tensors = ({ weight, bias }: ReturnType<typeof layer>) => ({ weight: tensor(weight), bias: tensor(bias) });
const apply = ({ weight, bias }: ReturnType<typeof layer>, rows: number[][]) => affine(rows, weight, bias);

describe("ffn", () => {
  const [up, down] = [layer(3, 7, 1), layer(7, 3, 2)];

  it("agrees with plain JavaScript, with exact GELU by default", async () => {
    const block = ffn({ width: 3, hidden: 7 });
    const y = await compile(block.apply)({ up: tensors(up), down: tensors(down) }, tensor(x));
    expect(distance(y.data, apply(down, each(apply(up, x), reference.gelu)).flat())).toBeLessThan(1e-6);
  });

  it("takes another activation and another output width", async () => {
    const block = ffn({ width: 3, hidden: 7, outputs: 2, activation: relu });
    const narrow = layer(7, 2, 3);
    const y = await compile(block.apply)({ up: tensors(up), down: tensors(narrow) }, tensor(x));
    expect(y.shape).toEqual([5, 2]);
    expect(
      distance(
        y.data,
        apply(
          narrow,
          each(apply(up, x), (h) => Math.max(0, h)),
        ).flat(),
      ),
    ).toBeLessThan(1e-6);
  });

  it("has the right gradient", async () => {
    const block = ffn({ width: 3, hidden: 7 });
    const at = tensor(Float64Array.from(x.flat()), { shape: [5, 3] });
    const params = { up: tensors(up), down: tensors(down) };
    expect(await gradientError((p: typeof params) => sum(square(block.apply(p, at))), params)).toBeLessThan(1e-7);
  });
});

describe("threeLayerFfn", () => {
  it("agrees with plain JavaScript", async () => {
    const [up, middle, down] = [layer(3, 7, 1), layer(7, 7, 4), layer(7, 3, 2)];
    const block = threeLayerFfn({ width: 3, hidden: 7 });
    const y = await compile(block.apply)({ up: tensors(up), middle: tensors(middle), down: tensors(down) }, tensor(x));
    const hidden = each(apply(middle, each(apply(up, x), reference.gelu)), reference.gelu);
    expect(distance(y.data, apply(down, hidden).flat())).toBeLessThan(2e-6);
  });

  it("is the two-layer block exactly, if its middle is the identity and the activation ReLU", async () => {
    const two = ffn({ width: 3, hidden: 7, activation: relu });
    const three = threeLayerFfn({ width: 3, hidden: 7, activation: relu });
    const params = await evaluate(two.init(key(4)));
    const middle = { weight: eye(7), bias: zeros([7]) };
    const a = await evaluate(two.apply(params, tensor(x)));
    const b = await evaluate(three.apply({ ...params, middle }, tensor(x)));
    expect(distance(a.data, b.data)).toBeLessThan(1e-7);
  });
});

describe("deepFfn", () => {
  it("agrees with plain JavaScript at four layers", async () => {
    const [up, middle, middle2, down] = [layer(3, 5, 1), layer(5, 5, 4), layer(5, 5, 6), layer(5, 2, 2)];
    const block = deepFfn({ layers: 4, width: 3, hidden: 5, outputs: 2 });
    const params = { up: tensors(up), middle: tensors(middle), middle2: tensors(middle2), down: tensors(down) };
    const y = await compile(block.apply)(params, tensor(x));
    const hidden = [up, middle, middle2].reduce<number[][]>((h, l) => each(apply(l, h), reference.gelu), x);
    expect(distance(y.data, apply(down, hidden).flat())).toBeLessThan(1e-5);
  });

  it("is ffn at two layers and threeLayerFfn at three, from the same key too", async () => {
    const blocks = [
      [deepFfn({ layers: 2, width: 3, hidden: 5 }), ffn({ width: 3, hidden: 5 })],
      [deepFfn({ layers: 3, width: 3, hidden: 5 }), threeLayerFfn({ width: 3, hidden: 5 })],
    ] as const;
    for (const [deep, named] of blocks) {
      const a = await evaluate(deep.apply(deep.init(key(3)), tensor(x)));
      const b = await evaluate(named.apply(named.init(key(3)) as never, tensor(x)));
      expect(distance(a.data, b.data)).toBe(0);
    }
  });

  it.each([1, 0, 2.5])("rejects %d layers", (layers) => {
    expect(() => deepFfn({ layers, width: 3, hidden: 5 })).toThrow(
      `deepFfn: layers must be a whole number of at least 2, got ${layers}`,
    );
  });
});

describe("oneLayerFfn", () => {
  it("agrees with plain JavaScript", async () => {
    const down = layer(3, 3, 1);
    const y = await compile(oneLayerFfn({ width: 3 }).apply)({ down: tensors(down) }, tensor(x));
    expect(distance(y.data, each(apply(down, x), reference.gelu).flat())).toBeLessThan(1e-6);
  });
});

describe("gatedFfn", () => {
  it("agrees with plain JavaScript, with SiLU and without biases by default", async () => {
    const [gate, up, down] = [matrix(3, 7, 1), matrix(3, 7, 2), matrix(7, 3, 3)];
    const block = gatedFfn({ width: 3, hidden: 7 });
    const params = { gate: { weight: tensor(gate) }, up: { weight: tensor(up) }, down: { weight: tensor(down) } };
    const y = await compile(block.apply)(params, tensor(x));
    const [g, u] = [each(product(x, gate), reference.silu), product(x, up)];
    const hidden = g.map((row, i) => row.map((value, j) => value * (u[i]?.[j] as number)));
    expect(distance(y.data, product(hidden, down).flat())).toBeLessThan(1e-6);
  });

  it("is GEGLU with GELU", async () => {
    const block = gatedFfn({ width: 1, hidden: 1, activation: gelu });
    const one = { weight: tensor([[1]]) };
    const y = await evaluate(block.apply({ gate: one, up: one, down: one }, tensor([[1.5]])));
    expect(distance(y.data, [1.5 * reference.gelu(1.5)])).toBeLessThan(1e-6);
  });

  it("has the right gradient", async () => {
    const block = gatedFfn({ width: 3, hidden: 4, bias: true });
    const at = tensor(Float64Array.from(x.flat()), { shape: [5, 3] });
    expect(
      await gradientError((p: ReturnType<typeof block.init>) => sum(square(block.apply(p, at))), block.init(key(2))),
    ).toBeLessThan(1e-7);
  });
});

describe("parameter counts at width d, hidden 4d", () => {
  const [width, hidden] = [128, 512];
  // arXiv:2505.06633 counts 8d² and 24d²; biases add 5d and 9d.
  it.each([
    ["ffn", ffn({ width, hidden, bias: false }), 8 * width ** 2],
    ["ffn with biases", ffn({ width, hidden }), 8 * width ** 2 + 5 * width],
    ["threeLayerFfn", threeLayerFfn({ width, hidden, bias: false }), 24 * width ** 2],
    ["threeLayerFfn with biases", threeLayerFfn({ width, hidden }), 24 * width ** 2 + 9 * width],
    ["oneLayerFfn", oneLayerFfn({ width, bias: false }), width ** 2],
    ["oneLayerFfn with biases", oneLayerFfn({ width }), width ** 2 + width],
    ["deepFfn of four layers", deepFfn({ layers: 4, width, hidden, bias: false }), 40 * width ** 2],
    ["gatedFfn", gatedFfn({ width, hidden }), 12 * width ** 2],
    ["gatedFfn with biases", gatedFfn({ width, hidden, bias: true }), 12 * width ** 2 + 9 * width],
  ])("%s", (_, block, count) => {
    expect(parameterCount(block.init(key(0)))).toBe(count);
  });
});
