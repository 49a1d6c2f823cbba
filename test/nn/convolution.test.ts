import { describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  key,
  maxPool,
  mul,
  relu,
  reshape,
  square,
  sum,
  type Tensor,
  tensor,
  toNested,
} from "../../src/array/index.ts";
import { convolution, linear, sequential, transposedConvolution } from "../../src/nn/index.ts";
import { distance, gradientError, numbers, parameterCount } from "./reference.ts";

/** One-dimensional convolution by its formula, zeros outside. */
function reference(
  x: number[][],
  w: number[][][],
  bias: number[],
  { stride = 1, dilation = 1, padding = 0, groups = 1 },
): number[][] {
  const [length, taps] = [(x[0] as number[]).length, (w as [[number[]]])[0][0].length];
  const positions = Math.floor((length + 2 * padding - (taps - 1) * dilation - 1) / stride) + 1;
  return w.map((kernel, o) =>
    Array.from({ length: positions }, (_, p) =>
      kernel.reduce((total, row, i) => {
        const channel = Math.floor(o / (w.length / groups)) * kernel.length + i;
        return row.reduce((t, v, k) => t + v * (x[channel]?.[p * stride + k * dilation - padding] ?? 0), total);
      }, bias[o] as number),
    ),
  );
}

const blocks = (count: number, rows: number, columns: number, seed: number): number[][][] => {
  const flat = numbers(count * rows * columns, seed);
  return Array.from({ length: count }, (_, b) =>
    Array.from({ length: rows }, (_, r) => flat.slice((b * rows + r) * columns, (b * rows + r + 1) * columns)),
  );
};

describe("convolution", () => {
  it.each([
    {},
    { stride: 2 },
    { dilation: 2, padding: 2 },
    { groups: 2, padding: 1 },
    { groups: 4, stride: 3, padding: 1 },
  ])("agrees with its formula on sequences: %o", async (options) => {
    const x = blocks(2, 4, 9, 1);
    const w = blocks(8, 4 / (options.groups ?? 1), 3, 2);
    const bias = numbers(8, 3);
    const layer = convolution({ inputs: 4, outputs: 8, kernel: [3], ...options });
    const y = await compile(layer.apply)({ weight: tensor(w), bias: tensor(bias) }, tensor(x));
    expect(distance(y.data, x.flatMap((example) => reference(example, w, bias, options)).flat())).toBeLessThan(1e-5);
  });

  it("finds edges of an image by hand", async () => {
    const layer = convolution({ inputs: 1, outputs: 1, kernel: [2, 2] });
    const params = {
      weight: tensor([
        [
          [
            [1, -1],
            [1, -1],
          ],
        ],
      ]),
      bias: tensor([0.5]),
    };
    const image = tensor([
      [
        [
          [0, 0, 1],
          [0, 0, 1],
          [0, 2, 2],
        ],
      ],
    ]);
    expect(toNested(await evaluate(layer.apply(params, image)))).toEqual([
      [
        [
          [0.5, -1.5],
          [-1.5, -0.5],
        ],
      ],
    ]);
  });

  it("has the right gradient for kernel, bias and input", async () => {
    const layer = convolution({ inputs: 2, outputs: 3, kernel: [3, 2], stride: [2, 1], padding: 1 });
    const weights = tensor(Float64Array.from(numbers(3 * 3 * 5 * 2, 4)), { shape: [2, 3, 3, 5] });
    const x = tensor(Float32Array.from(numbers(2 * 2 * 5 * 4, 5)), { shape: [2, 2, 5, 4] });
    const loss = (p: { layer: ReturnType<typeof layer.init>; x: Tensor }) =>
      sum(mul(square(layer.apply(p.layer, p.x)), weights));
    expect(await gradientError(loss, { layer: layer.init(key(1)), x })).toBeLessThan(1e-7);
  });

  it("counts its parameters and draws them within the bound of its fan-in", async () => {
    expect(parameterCount(convolution({ inputs: 16, outputs: 32, kernel: [3, 3] }).init(key(0)))).toBe(
      32 * 16 * 9 + 32,
    );
    expect(
      parameterCount(convolution({ inputs: 16, outputs: 32, kernel: [3, 3], groups: 16, bias: false }).init(key(0))),
    ).toBe(32 * 9);
    expect(parameterCount(convolution({ inputs: 2, outputs: 3, kernel: [5, 5, 5] }).init(key(0)))).toBe(
      3 * 2 * 125 + 3,
    );
    const { weight } = await evaluate(convolution({ inputs: 4, outputs: 64, kernel: [5, 5] }).init(key(1)));
    const largest = Math.max(...[...weight.data].map((v) => Math.abs(Number(v))));
    expect(largest).toBeLessThanOrEqual(0.1);
    expect(largest).toBeGreaterThan(0.099);
  });

  it("builds a network for images from layers and plain functions", async () => {
    const net = sequential(
      convolution({ inputs: 1, outputs: 4, kernel: [3, 3], padding: "same" }),
      relu,
      (x) => maxPool(x, { window: 2 }),
      convolution({ inputs: 4, outputs: 8, kernel: [3, 3], stride: 2 }),
      (x) => reshape(x, [x.shape[0] as number, -1]),
      linear({ inputs: 72, outputs: 10 }),
    );
    const y = await evaluate(
      net.apply(net.init(key(2)), tensor(new Float32Array(2 * 256).fill(1), { shape: [2, 1, 16, 16] })),
    );
    expect(y.shape).toEqual([2, 10]);
  });

  it("names wrong options and inputs", () => {
    expect(() => convolution({ inputs: 4, outputs: 6, kernel: [3], groups: 4 })).toThrow(
      "convolution: groups must divide the 4 inputs and 6 outputs, got 4",
    );
    expect(() => convolution({ inputs: 4, outputs: 0, kernel: [3] })).toThrow(
      "convolution: outputs must be a whole number of at least 1, got 0",
    );
    expect(() => convolution({ inputs: 4, outputs: 4, kernel: [3, 0] })).toThrow(
      "convolution: kernel[1] must be a whole number of at least 1, got 0",
    );
    const layer = convolution({ inputs: 4, outputs: 4, kernel: [3] });
    expect(() => layer.apply(layer.init(key(0)), tensor([[[1, 2, 3]]]))).toThrow(/^conv: x has 1 channels/);
  });
});

describe("transposedConvolution", () => {
  it("spreads each input over the kernel by hand", async () => {
    const layer = transposedConvolution({ inputs: 1, outputs: 1, kernel: [3], stride: 2 });
    const params = { weight: tensor([[[1, 2, 3]]]), bias: tensor([10]) };
    expect(toNested(await evaluate(layer.apply(params, tensor([[[1, 0, 5]]]))))).toEqual([
      [[11, 12, 13, 10, 15, 20, 25]],
    ]);
  });

  it("is the transpose of convolution: ⟨conv(x), y⟩ = ⟨x, transposed(y)⟩", async () => {
    const shape = { kernel: [3, 3], stride: 2, padding: 1, groups: 2, bias: false } as const;
    const down = convolution({ inputs: 4, outputs: 6, ...shape });
    const up = transposedConvolution({ inputs: 6, outputs: 4, outputPadding: 1, ...shape });
    const params = await evaluate(down.init(key(3)));
    const x = tensor(Float32Array.from(numbers(4 * 64, 1)), { shape: [1, 4, 8, 8] });
    const y = tensor(Float32Array.from(numbers(6 * 16, 2)), { shape: [1, 6, 4, 4] });
    const [a, b] = await evaluate([sum(mul(down.apply(params, x), y)), sum(mul(x, up.apply(params, y)))]);
    expect(up.init(key(0)).weight.shape).toEqual(params.weight.shape);
    expect(distance((a as Tensor).data, (b as Tensor).data)).toBeLessThan(1e-4);
  });

  it("has the right gradient", async () => {
    const layer = transposedConvolution({
      inputs: 2,
      outputs: 3,
      kernel: [3],
      stride: 2,
      padding: 1,
      outputPadding: 1,
    });
    const x = tensor(Float32Array.from(numbers(20, 5)), { shape: [2, 2, 5] });
    const weights = tensor(Float64Array.from(numbers(60, 6)), { shape: [2, 3, 10] });
    const loss = (p: { layer: ReturnType<typeof layer.init>; x: Tensor }) =>
      sum(mul(square(layer.apply(p.layer, p.x)), weights));
    expect(await gradientError(loss, { layer: layer.init(key(4)), x })).toBeLessThan(1e-7);
  });
});
