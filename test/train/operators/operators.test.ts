import { describe, expect, it } from "vitest";
import { evaluate, key, mul, normal, type Tensor, tensor } from "../../../src/array/index.ts";
import { pointwise } from "../../../src/nn/index.ts";
import {
  coarsen,
  type Fields,
  fieldDeviation,
  operatorError,
  pixelsOf,
  relativeError,
  ringSpectrum,
  rolloutErrors,
  scaleFields,
  someFields,
  successivePairs,
  trainOperator,
} from "../../../src/train/index.ts";
import { gradientError } from "../../nn/reference.ts";

const plane = (n: number, fn: (x: number, y: number) => number): Tensor =>
  tensor(
    Float64Array.from({ length: n * n }, (_, i) => fn((i % n) / n, Math.floor(i / n) / n)),
    { shape: [1, 1, n, n] },
  );
const fields = (shape: readonly number[]): Fields => {
  const length = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float32Array.from({ length }, (_, i) => i) };
};
const number = async (x: Tensor): Promise<number> => Number((await evaluate(x)).data[0]);
const k = 2 * Math.PI;

describe("relativeError", () => {
  it("weighs waves by their number in Sobolev norms", async () => {
    const truth = plane(16, (x) => Math.sin(k * x));
    const guess = plane(16, (x, y) => Math.sin(k * x) + 0.1 * Math.cos(k * (2 * x - 3 * y)));
    const weight = (squared: number, order: number) => (1 + k ** 2 * squared) ** order;
    for (const order of [0, 1, -1, 0.5])
      expect(await number(relativeError(guess, truth, { order }))).toBeCloseTo(
        0.1 * Math.sqrt(weight(13, order) / weight(1, order)),
        10,
      );
    const line = (fn: (x: number) => number) =>
      tensor(
        Float64Array.from({ length: 8 }, (_, i) => fn(i / 8)),
        { shape: [1, 1, 8] },
      );
    const error = relativeError(
      line((x) => Math.cos(k * x) + 1),
      line((x) => Math.cos(k * x)),
      { order: -1 },
    );
    expect(await number(error)).toBeCloseTo(Math.sqrt(2 / weight(1, -1)), 10);
  });
  it("has the gradients that finite differences give, and needs one shape", async () => {
    const point = { x: normal(key(1), [2, 1, 6, 6]), y: normal(key(2), [2, 1, 6, 6]) };
    expect(await gradientError(({ x, y }) => relativeError(x, y, { order: 1 }), point)).toBeLessThan(1e-6);
    expect(() =>
      relativeError(
        plane(4, () => 1),
        plane(8, () => 1),
      ),
    ).toThrow("two tensors of one shape");
  });
});

describe("fields", () => {
  it("are coarsened, cut, scaled and paired", () => {
    expect(Array.from(coarsen(fields([1, 1, 4, 4]), 2).data)).toEqual([0, 2, 8, 10]);
    expect(Array.from(coarsen(fields([1, 2, 4]), 2).data)).toEqual([0, 2, 4, 6]);
    expect(() => coarsen(fields([1, 1, 4, 4]), 3)).toThrow("3 does not divide a grid of 4 x 4");
    expect(Array.from(someFields(fields([3, 2]), 1, 3).data)).toEqual([2, 3, 4, 5]);
    const { inputs, outputs } = successivePairs(fields([2, 3, 1, 2]));
    expect(Array.from(inputs.data)).toEqual([0, 1, 2, 3, 6, 7, 8, 9]);
    expect(Array.from(outputs.data)).toEqual([2, 3, 4, 5, 8, 9, 10, 11]);
    expect(outputs.shape).toEqual([4, 1, 2]);
    expect(fieldDeviation(scaleFields(fields([4]), 2))).toBeCloseTo(Math.sqrt(5), 6);
    expect(Array.from(pixelsOf([-2, -1, 0, 3], -1, 1))).toEqual([0, 0, 128, 255]);
  });
  it("have their power at their wavenumber", () => {
    const spectrum = ringSpectrum(plane(16, (x, y) => Math.cos(k * (3 * x + 4 * y))).data as Float64Array, 16);
    expect(spectrum[4]).toEqual({ x: 5, y: expect.closeTo(0.5, 12) });
    expect(spectrum[3]?.y).toBeLessThan(1e-20);
  });
});

describe("rolloutErrors", () => {
  it("holds results of results against the truth", async () => {
    // States 1, 2, 4, 8 by a true factor of 2; the operator's is 1.5.
    const data = Float32Array.from([1, 2, 4, 8].flatMap((v) => [v, v]));
    const trajectories = { shape: [1, 4, 1, 2], data };
    const errors = await rolloutErrors({ params: {}, predict: (_, x) => mul(x, 1.5) }, trajectories);
    [0.75, 0.75 ** 2, 0.75 ** 3].forEach((part, i) => {
      expect(errors[i]).toBeCloseTo(1 - part, 6);
    });
  });
});

describe("trainOperator", () => {
  it("learns a pointwise operator", async () => {
    const inputs = { shape: [8, 1, 4], data: Float32Array.from({ length: 32 }, (_, i) => Math.sin(i * i)) };
    const pairs = { inputs, outputs: scaleFields(inputs, -3) };
    const arm = { layer: pointwise({ inputs: 1, outputs: 1 }) as never };
    const params = await trainOperator(arm, pairs, { steps: 300, batch: 4, rate: 0.1, seed: 0 });
    expect(await operatorError(arm, params, pairs)).toBeLessThan(0.01);
  });
});
