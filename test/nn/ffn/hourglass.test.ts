import { describe, expect, it } from "vitest";
import {
  add,
  compile,
  concat,
  evaluate,
  gelu,
  key,
  relu,
  square,
  sum,
  tensor,
  zerosLike,
} from "../../../src/array/index.ts";
import { ffn, type HourglassOptions, type HourglassParams, hourglassFfn, residual } from "../../../src/nn/index.ts";
import { distance, each, gradientError, type Matrix, matrix, parameterCount, product, silu } from "../reference.ts";

const [width, hidden, depth] = [6, 3, 3];
const x = matrix(5, width, 9);
const weights = Array.from({ length: depth }, (_, k) => ({
  gate: matrix(width, hidden, 10 * k + 1),
  up: matrix(width, hidden, 10 * k + 2),
  down: matrix(hidden, width, 10 * k + 3),
  scale: matrix(1, width, 10 * k + 4)[0] as number[],
}));
const plus = (a: Matrix, b: Matrix) => a.map((row, i) => row.map((value, j) => value + (b[i]?.[j] as number)));
const rms = (rows: Matrix, scale: readonly number[]) =>
  rows.map((row) => {
    const size = Math.sqrt(row.reduce((total, v) => total + v * v, 0) / row.length + 1e-5);
    return row.map((v, j) => (v / size) * (scale[j] as number));
  });
const times = (a: Matrix, b: Matrix) => a.map((row, i) => row.map((value, j) => value * (b[i]?.[j] as number)));

describe("hourglassFfn", () => {
  it("agrees with plain JavaScript: gated, with norms of its own", async () => {
    const params = weights.map(({ gate, up, down, scale }) => ({
      norm: { scale: tensor(scale) },
      ffn: { gate: { weight: tensor(gate) }, up: { weight: tensor(up) }, down: { weight: tensor(down) } },
    }));
    const y = await compile(residual(hourglassFfn({ width, hidden, depth })).apply)(params, tensor(x));
    const expected = weights.reduce<Matrix>((stream, { gate, up, down, scale }) => {
      const n = rms(stream, scale);
      return plus(stream, product(times(each(product(n, gate), silu), product(n, up)), down));
    }, x);
    expect(distance(y.data, expected.flat())).toBeLessThan(1e-5);
  });

  it("agrees with plain JavaScript: without gates and norms", async () => {
    const layer = hourglassFfn({ width, hidden, depth, gated: false, norm: "none" });
    const params = weights.map(({ up, down }) => ({
      ffn: { up: { weight: tensor(up) }, down: { weight: tensor(down) } },
    }));
    const y = await compile(residual(layer).apply)(params, tensor(x));
    const expected = weights.reduce<Matrix>(
      (stream, { up, down }) =>
        plus(
          stream,
          product(
            each(product(stream, up), (v) => Math.max(0, v)),
            down,
          ),
        ),
      x,
    );
    expect(distance(y.data, expected.flat())).toBeLessThan(1e-5);
  });

  it("adds exactly nothing while all weights towards the stream are zero", async () => {
    const layer = hourglassFfn({ width, hidden, depth });
    const params = (await evaluate(layer.init(key(1)))).map(({ ffn: { down, ...inner }, ...own }) => ({
      ...own,
      ffn: { ...inner, down: { weight: zerosLike(down.weight) } },
    }));
    const y = await evaluate(residual(layer).apply(params, tensor(x)));
    expect([...(y.data as Float32Array)]).toEqual([...Float32Array.from(x.flat())]);
  });

  it("is one wide network if its networks do not see each other, and another function if they do", async () => {
    const narrow = hourglassFfn({ width, hidden, depth: 1, gated: false, norm: "none" });
    const params = await evaluate(hourglassFfn({ width, hidden, depth, gated: false, norm: "none" }).init(key(2)));
    const parts = params.map((own) => narrow.apply([own], tensor(x)));
    const apart = await evaluate(parts.reduce((a, b) => add(a, b)));
    const joined = (name: "up" | "down", axis: number) => ({
      weight: concat(
        params.map((own) => own.ffn[name].weight),
        { axis },
      ),
    });
    const wide = ffn({ width, hidden: depth * hidden, activation: relu, bias: false });
    const one = await evaluate(wide.apply({ up: joined("up", 1), down: joined("down", 0) }, tensor(x)));
    expect(distance(apart.data, one.data)).toBeLessThan(1e-6);
    const stack = hourglassFfn({ width, hidden, depth, gated: false, norm: "none" });
    const inRow = await evaluate(stack.apply(params, tensor(x)));
    expect(distance(inRow.data, one.data)).toBeGreaterThan(1e-3);
  });

  it.each<[string, Partial<HourglassOptions>]>([
    ["gated", {}],
    ["plain, layer norm, biases", { gated: false, norm: "layer", bias: true }],
  ])("has the right gradient: %s", async (_, options) => {
    const layer = hourglassFfn({ width, hidden, depth: 2, activation: gelu, ...options });
    const at = tensor(Float64Array.from(x.flat()), { shape: [5, width] });
    expect(
      await gradientError((p: HourglassParams) => sum(square(layer.apply(p, at))), layer.init(key(3))),
    ).toBeLessThan(1e-6);
  });

  it.each([
    [768, 384, 3, true, 2_654_208 + 3 * 768],
    [768, 384, 3, false, 1_769_472 + 3 * 768],
    [10, 4, 2, true, 3 * 2 * 40 + 20],
  ])("has as many parameters as the formula gives: %d to %d, %d networks, gated %s", (w, h, k, gated, count) => {
    expect(parameterCount(hourglassFfn({ width: w, hidden: h, depth: k, gated }).init(key(0)))).toBe(count);
  });

  it("starts with an output that does not grow with its depth", async () => {
    const std = async (k: number) => {
      const layer = hourglassFfn({ width: 64, hidden: 32, depth: k });
      const y = await evaluate(layer.apply(layer.init(key(4)), tensor(matrix(64, 64, 5))));
      return Math.sqrt((y.data as Float32Array).reduce((total, v) => total + v * v, 0) / y.size);
    };
    expect((await std(16)) / (await std(1))).toBeCloseTo(1, 0);
  });

  it("says in one sentence what is wrong", () => {
    expect(() => hourglassFfn({ width, hidden, depth: 0 })).toThrow(
      "hourglassFfn: depth must be a whole number of at least 1, got 0",
    );
    const layer = hourglassFfn({ width, hidden, depth: 2 });
    expect(() => layer.apply(layer.init(key(0)).slice(1), tensor(x))).toThrow(
      "hourglassFfn: expected parameters of 2 networks, got 1",
    );
  });
});
