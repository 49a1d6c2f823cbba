import { describe, expect, it } from "vitest";
import { compile, evaluate, eye, grad, key, matmul, sum, tensor, toNested } from "../../src/array/index.ts";
import { parameterCount, randomProjection } from "../../src/nn/index.ts";
import { distance, matrix } from "./reference.ts";

describe("randomProjection", () => {
  const [inputs, outputs] = [60, 50];
  const layer = randomProjection({ inputs, outputs, seed: 3 });

  it("is a linear map without parameters, the same for the same seed", async () => {
    expect(parameterCount(layer.init(key(0)))).toBe(0);
    const weight = await evaluate(layer.apply({}, eye(inputs)));
    const x = matrix(4, inputs, 5);
    const y = await compile((input: ReturnType<typeof tensor>) => layer.apply({}, input))(tensor(x));
    const expected = x.map((row) =>
      Array.from({ length: outputs }, (_, j) =>
        row.reduce((total, v, i) => total + v * Number(weight.data[i * outputs + j]), 0),
      ),
    );
    expect(distance(y.data, expected.flat())).toBeLessThan(1e-5);
    const again = await evaluate(randomProjection({ inputs, outputs, seed: 3 }).apply({}, eye(inputs)));
    const other = await evaluate(randomProjection({ inputs, outputs, seed: 4 }).apply({}, eye(inputs)));
    expect(distance(weight.data, again.data)).toBe(0);
    expect(distance(weight.data, other.data)).toBeGreaterThan(0.1);
  });

  it("keeps the variance of what it maps", async () => {
    const weight = await evaluate(layer.apply({}, eye(inputs)));
    const square = (weight.data as Float32Array).reduce((total, v) => total + v * v, 0) / weight.size;
    expect(square * inputs).toBeCloseTo(1, 1);
  });

  it("passes gradients through to its input", async () => {
    const x = tensor(matrix(2, inputs, 5));
    const gradient = await compile(grad((input: typeof x) => sum(layer.apply({}, input))))(x);
    const rows = toNested(
      await evaluate(matmul(layer.apply({}, eye(inputs)), tensor(Array(outputs).fill([1])))),
    ) as number[][];
    expect(distance(gradient.data, [...rows.flat(), ...rows.flat()])).toBeLessThan(1e-5);
  });

  it("says in one sentence what is wrong", () => {
    expect(() => randomProjection({ inputs: 0, outputs: 2 })).toThrow(
      "randomProjection: inputs must be a whole number",
    );
    expect(() => layer.apply({}, tensor([[1, 2]]))).toThrow("randomProjection: expected x with a last axis of 60");
  });
});
