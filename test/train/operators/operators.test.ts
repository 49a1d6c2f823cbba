import { describe, expect, it } from "vitest";
import { evaluate, key, mean, mul, normal, square, type Tensor, tensor, zeros } from "../../../src/array/index.ts";
import { pointwise } from "../../../src/nn/index.ts";
import { latitudesOf } from "../../../src/spectral/index.ts";
import {
  coarsen,
  compareOperators,
  type Fields,
  fieldDeviation,
  freeRollout,
  operatorError,
  pixelsOf,
  relativeError,
  ringSpectrum,
  rolloutErrors,
  rolloutLoss,
  rowErrors,
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
  it("counts fields on the sphere by area, and harmonics by their degree in Sobolev norms", async () => {
    const [rows, columns] = [9, 24];
    for (const sphere of ["gauss-legendre", "equiangular", "offset"] as const) {
      const { colatitudes } = latitudesOf(sphere, rows);
      const field = (fn: (x: number, y: number, z: number) => number): Tensor =>
        tensor(
          Float64Array.from({ length: rows * columns }, (_, i) => {
            const theta = colatitudes[Math.floor(i / columns)] as number;
            const phi = (k * (i % columns)) / columns;
            return fn(Math.sin(theta) * Math.cos(phi), Math.sin(theta) * Math.sin(phi), Math.cos(theta));
          }),
          { shape: [1, 1, rows, columns] },
        );
      const truth = field((x) => x);
      // The mean of x² is 1/3 and that of x²y² is 1/15.
      const guess = field((x, y) => x + 0.1 * x * y);
      for (const order of [0, 1, -1])
        expect(await number(relativeError(guess, truth, { sphere, order }))).toBeCloseTo(
          0.1 * Math.sqrt((3 / 15) * (7 / 3) ** order),
          10,
        );
      expect(Math.abs((await number(relativeError(guess, truth))) - 0.1 / Math.sqrt(5))).toBeGreaterThan(1e-4);
    }
    const flat = tensor(Float64Array.of(1, 2), { shape: [1, 2] });
    expect(() => relativeError(flat, flat, { sphere: "offset" })).toThrow("[batch, channels, latitudes, longitudes]");
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

describe("rolloutLoss", () => {
  it("is the mean error after each step, and the usual one for a single step", async () => {
    const states = { shape: [1, 4, 1, 2], data: Float32Array.from([1, 2, 4, 8].flatMap((v) => [v, v])) };
    const loss = rolloutLoss((_: unknown, x: Tensor) => mul(x, 1.5));
    for (const [ahead, expected] of [
      [1, 0.25],
      [2, (0.25 + 1 - 0.75 ** 2) / 2],
    ] as const) {
      const { inputs, outputs } = successivePairs(states, { ahead });
      expect(outputs.shape).toEqual([4 - ahead, ahead, 2]);
      const [x, y] = [inputs, outputs].map(({ data, shape }) => tensor(data, { shape })) as [Tensor, Tensor];
      expect(await number(loss({}, x, y))).toBeCloseTo(expected, 6);
    }
    const point = { w: normal(key(1), [1]), x: normal(key(2), [2, 1, 3]), y: normal(key(3), [2, 3, 3]) };
    const scaled = rolloutLoss(({ w }: { w: Tensor }, x: Tensor) => mul(square(x), w));
    expect(await gradientError(({ w, x, y }) => scaled({ w }, x, y), point)).toBeLessThan(1e-5);
    expect(() => loss({}, zeros([1, 2, 2]), zeros([1, 3, 2]))).toThrow("3 channels are no whole states of 2");
    expect(() => successivePairs(states, { ahead: 4 })).toThrow("expected at least 5 times, got 4");
  });
});

describe("freeRollout", () => {
  it("measures each state, keeps those that are wanted, and stops where a state is no longer finite", async () => {
    const start = { shape: [1, 1, 2], data: Float32Array.of(1, 3) };
    const measure = (x: Tensor) => mean(x);
    const doubled = { params: {}, predict: (_: unknown, x: Tensor) => mul(x, 2) };
    const { measures, kept } = await freeRollout(doubled, start, { steps: 4, measure, keep: [2] });
    expect(measures).toEqual([2, 4, 8, 16, 32]);
    expect(kept).toEqual({ 2: Float32Array.of(4, 12) });
    const growing = { params: {}, predict: (_: unknown, x: Tensor) => mul(square(x), 1e15) };
    const short = await freeRollout(growing, start, { steps: 9, measure });
    expect(short.measures).toHaveLength(3);
    expect(short.measures[2]).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("rowErrors", () => {
  it("are relative errors of each row", async () => {
    const inputs = { shape: [2, 1, 2, 2], data: Float32Array.of(1, 1, 2, 2, 3, 3, 4, 4) };
    const outputs = { ...inputs, data: Float32Array.of(1, 1, 2, 3, 3, 3, 4, 5) };
    const rows = await rowErrors({ params: {}, predict: (_: unknown, x: Tensor) => x }, { inputs, outputs });
    expect(rows[0]).toBe(0);
    expect(rows[1]).toBeCloseTo(Math.sqrt(2 / 54), 6);
  });
});

describe("compareOperators", () => {
  it("gives errors by the areas of a sphere, and what a study measures further", async () => {
    const fieldsOf = (count: number) => ({
      shape: [count, 1, 4, 8],
      data: Float32Array.from({ length: count * 32 }, (_, i) => Math.sin(i * i + 1)),
    });
    const pairs = (count: number) => ({ inputs: fieldsOf(count), outputs: fieldsOf(count) });
    const context = { seeds: [0, 1], signal: new AbortController().signal, progress: () => {}, note: () => {} };
    // As if nothing were learned: the error is that of a factor of 2 on the northern half.
    const north = tensor(
      Float32Array.from({ length: 4 }, (_, i) => (i < 2 ? 2 : 1)),
      { shape: [4, 1] },
    );
    const arm = {
      layer: pointwise({ inputs: 1, outputs: 1 }) as never,
      predict: (_: unknown, x: Tensor) => mul(x, north),
    };
    const compared = await compareOperators(
      {
        ...context,
        remember: (_, fn) => fn() as never,
        overSeeds: (fn) => Promise.all(context.seeds.map((seed, i) => fn(seed, i))) as never,
      },
      {
        arms: { arm },
        data: { training: pairs(2), validation: pairs(1), tests: { all: pairs(1) }, sphere: "gauss-legendre" },
        budget: { steps: 1, batch: 1, rates: [0.1] },
        further: async ({ seed }) => ({ seed }),
      },
    );
    const outcomes = compared.arm?.outcomes ?? [];
    expect(outcomes.map(({ further }) => further.seed)).toEqual([0, 1]);
    const { weights } = latitudesOf("gauss-legendre", 4);
    const power = (rows: readonly number[]) =>
      rows.reduce(
        (total, row) =>
          total +
          (weights[row] as number) *
            fieldsOf(1)
              .data.subarray(row * 8, row * 8 + 8)
              .reduce((sum, v) => sum + v * v, 0),
        0,
      );
    expect(outcomes[0]?.errors.all).toBeCloseTo(Math.sqrt(power([0, 1]) / power([0, 1, 2, 3])), 5);
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
