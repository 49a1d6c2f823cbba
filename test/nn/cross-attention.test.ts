import { describe, expect, it } from "vitest";
import { compile, evaluate, key, mul, square, sum, type Tensor, tensor } from "../../src/array/index.ts";
import { crossAttention, multiHeadAttention } from "../../src/nn/index.ts";
import { affine, distance, gradientError, type Matrix, numbers, parameterCount, softmaxRow } from "./reference.ts";

const block = (batch: number, time: number, seed: number) =>
  tensor(Float32Array.from(numbers(batch * time * 8, seed)), { shape: [batch, time, 8] });
const rowsOf = (x: Tensor, batch: number): number[][] => {
  const [, time, width] = x.shape as [number, number, number];
  return Array.from({ length: time }, (_, t) =>
    Array.from(x.data.slice((batch * time + t) * width, (batch * time + t + 1) * width), Number),
  );
};
const weightsOf = ({ weight, bias }: { weight: Tensor; bias: Tensor }) => ({
  w: Array.from({ length: 8 }, (_, i) => Array.from(weight.data.slice(i * 8, (i + 1) * 8), Number)),
  b: Array.from(bias.data, Number),
});

describe("crossAttention", () => {
  const layer = crossAttention({ width: 8, heads: 2 });
  const x = block(2, 3, 1);
  const vectors = block(2, 5, 2);
  // The second row has two positions of padding.
  const visible = tensor([
    [true, true, true, true, true],
    [true, true, true, false, false],
  ]);

  it("is softmax over the visible positions of the memory, head by head", async () => {
    const params = await evaluate(layer.init(key(0)));
    const y = await compile(layer.apply)(params, { x, memory: { vectors, visible } });
    const project = (name: "query" | "key" | "value" | "output", rows: Matrix) => {
      const { w, b } = weightsOf(params[name]);
      return affine(rows, w, b);
    };
    const expected = [0, 1].flatMap((batch) => {
      const memory = rowsOf(vectors, batch).slice(0, batch === 0 ? 5 : 3);
      const [q, k, v] = [project("query", rowsOf(x, batch)), project("key", memory), project("value", memory)];
      const mixed = q.map((query) =>
        [0, 1].flatMap((head) => {
          const own = (row: readonly number[]) => row.slice(4 * head, 4 * head + 4);
          const scores = k.map((other) => own(query).reduce((t, a, i) => t + (a * (own(other)[i] as number)) / 2, 0));
          const weights = softmaxRow(scores);
          return [0, 1, 2, 3].map((i) => weights.reduce((t, w, j) => t + w * (own(v[j] as number[])[i] as number), 0));
        }),
      );
      return project("output", mixed);
    });
    expect(y.shape).toEqual([2, 3, 8]);
    expect(distance(y.data, expected.flat())).toBeLessThan(1e-6);
  });

  it("gives position by position what it gives for all, from keys and values that are computed once", async () => {
    const params = await evaluate(layer.init(key(1)));
    const whole = await evaluate(layer.apply(params, { x, memory: { vectors, visible } }));
    const remembered = await evaluate(layer.remember(params, vectors));
    const last = tensor(
      [0, 1].flatMap((batch) => rowsOf(x, batch)[2] as number[]),
      { shape: [2, 1, 8], dtype: "float32" },
    );
    const one = await compile(layer.recall)(params, last, remembered, visible);
    expect(
      distance(
        one.data,
        [0, 1].flatMap((batch) => rowsOf(whole, batch)[2] as number[]),
      ),
    ).toBeLessThan(1e-6);
  });

  it("is self-attention if the memory is the sequence itself", async () => {
    const params = await evaluate(layer.init(key(2)));
    const self = multiHeadAttention({ width: 8, heads: 2 });
    for (const mask of [undefined, visible]) {
      const [a, b] = await evaluate([
        layer.apply(params, { x: vectors, memory: { vectors, ...(mask ? { visible: mask } : {}) } }),
        mask ? self.applyVisible(params, vectors, mask) : self.apply(params, vectors),
      ]);
      expect(distance((a as Tensor).data, (b as Tensor).data)).toBeLessThan(1e-6);
    }
  });

  it("has the right gradient", async () => {
    const factors = tensor(Float64Array.from(numbers(48, 8)), { shape: [2, 3, 8] });
    const loss = (p: { layer: ReturnType<typeof layer.init>; x: Tensor; vectors: Tensor }) =>
      sum(mul(square(layer.apply(p.layer, { x: p.x, memory: { vectors: p.vectors, visible } })), factors));
    expect(await gradientError(loss, { layer: layer.init(key(3)), x, vectors })).toBeLessThan(1e-7);
  });

  it("counts its parameters", () => {
    expect(parameterCount(crossAttention({ width: 128, heads: 4, bias: false }).init(key(0)))).toBe(4 * 128 ** 2);
  });

  it("names wrong options and inputs", async () => {
    expect(() => crossAttention({ width: 10, heads: 3 })).toThrow(
      "crossAttention: width 10 cannot be cut into 3 equal heads; give headWidth",
    );
    const params = layer.init(key(0));
    expect(() => layer.apply(params, { x: block(1, 3, 1), memory: { vectors } })).toThrow(
      "crossAttention: expected x [batch, time, width] with the 2 rows of the memory, got [1, 3, 8]",
    );
  });
});

describe("multiHeadAttention with padding", () => {
  it("gives for a padded row what it gives for the row alone", async () => {
    for (const options of [{}, { rotary: {} }, { causal: true }, { weights: "relu" }] as const) {
      const layer = multiHeadAttention({ width: 8, heads: 2, ...options });
      const params = await evaluate(layer.init(key(4)));
      const rows = block(1, 5, 5);
      const visible = tensor([[true, true, true, false, false]]);
      const padded = await evaluate(layer.applyVisible(params, rows, visible));
      const alone = await evaluate(
        layer.apply(params, tensor(Float32Array.from(rows.data as Float32Array).slice(0, 24), { shape: [1, 3, 8] })),
      );
      expect(distance(padded.data.slice(0, 24), alone.data)).toBeLessThan(1e-6);
    }
  });
});
