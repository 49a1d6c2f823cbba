import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
  averagePool,
  evaluate,
  grad,
  jvp,
  maxPool,
  mul,
  type PoolOptions,
  releaseSessions,
  relu,
  round,
  square,
  sum,
  type Tensor,
  tensor,
  toNested,
  vjp,
  zeros,
} from "../../src/array/index.ts";
import { drawn } from "./check.ts";
import { indices } from "./oracle.ts";

afterAll(releaseSessions);

const at = <T>(list: readonly T[], i: number): T => list[i] as T;
const values = (x: Tensor): number[] => Array.from(x.data as Float64Array);

interface Geometry {
  readonly window: readonly number[];
  readonly stride: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** The elements of each window, by the definition; `null` where a window sees padding. */
function windowsOf(
  x: Tensor,
  { window, stride, before, after }: Geometry,
): { shape: number[]; seen: (number | null)[][] } {
  const extents = x.shape.slice(2);
  const positions = extents.map(
    (n, i) => Math.floor((n + at(before, i) + at(after, i) - at(window, i)) / at(stride, i)) + 1,
  );
  const shape = [...x.shape.slice(0, 2), ...positions];
  const data = values(x);
  const seen = indices(shape).map(([b, c, ...start]) =>
    indices(window).map((place) => {
      const from = place.map((k, i) => at(start, i) * at(stride, i) + k - at(before, i));
      if (from.some((k, i) => k < 0 || k >= at(extents, i))) return null;
      return at(
        data,
        [b as number, c as number, ...from].reduce((offset, k, axis) => offset * at(x.shape, axis) + k, 0),
      );
    }),
  );
  return { shape, seen };
}

const max = (seen: (number | null)[]): number => Math.max(...seen.filter((v) => v !== null));
const mean = (seen: (number | null)[]): number => seen.reduce<number>((total, v) => total + (v ?? 0), 0) / seen.length;

function expectClose(actual: Tensor, shape: readonly number[], expected: readonly number[]): void {
  expect(actual.shape).toEqual(shape);
  values(actual).forEach((v, i) => {
    expect(Math.abs(v - at(expected, i)), `element ${i}`).toBeLessThan(1e-12);
  });
}

const cases = fc
  .integer({ min: 1, max: 3 })
  .chain((rank) =>
    fc.record({
      outer: fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 3 })),
      axes: fc.array(
        fc
          .record({ window: fc.integer({ min: 1, max: 4 }), stride: fc.integer({ min: 1, max: 4 }), more: fc.nat(6) })
          .chain((axis) =>
            fc.record({
              axis: fc.constant(axis),
              before: fc.nat(axis.window - 1),
              after: fc.nat(axis.window - 1),
            }),
          ),
        { minLength: rank, maxLength: rank },
      ),
      seed: fc.nat(1000),
    }),
  )
  .map(({ outer, axes, seed }) => {
    const geometry: Geometry = {
      window: axes.map(({ axis }) => axis.window),
      stride: axes.map(({ axis }) => axis.stride),
      before: axes.map(({ before }) => before),
      after: axes.map(({ after }) => after),
    };
    const extents = axes.map(({ axis, before, after }) => Math.max(1, axis.window - before - after) + axis.more);
    return { x: drawn(seed, [...outer, ...extents], "float64"), geometry };
  });

const optionsOf = ({ window, stride, before, after }: Geometry): PoolOptions => ({
  window,
  stride,
  padding: before.map((low, i) => [low, at(after, i)] as const),
});

describe("pooling", () => {
  it("agrees with the definition for any window, stride, padding and number of axes", async () => {
    const sampled = fc.sample(cases, { numRuns: 60, seed: 3 });
    const results = await evaluate(
      sampled.map(({ x, geometry }) => [maxPool(x, optionsOf(geometry)), averagePool(x, optionsOf(geometry))] as const),
    );
    sampled.forEach(({ x, geometry }, i) => {
      const { shape, seen } = windowsOf(x, geometry);
      const [largest, average] = at(results, i);
      expectClose(largest, shape, seen.map(max));
      expectClose(average, shape, seen.map(mean));
    });
  });

  it("has the gradient that central differences give, once and twice", async () => {
    const sampled = fc.sample(
      cases.filter(({ x }) => x.size > 0),
      { numRuns: 15, seed: 4 },
    );
    for (const pool of [maxPool, averagePool]) {
      const jobs = sampled.map(({ x, geometry }, i) => {
        const loss = (v: Tensor) => sum(square(square(pool(v, optionsOf(geometry)))));
        const slope = (v: Tensor) => sum(mul(grad(loss)(v), drawn(i + 50, x.shape, "float64")));
        const direction = drawn(i, x.shape, "float64");
        const shifted = (step: number) =>
          tensor(
            Float64Array.from(x.data as Float64Array, (v, k) => v + step * Number(direction.data[k])),
            { shape: x.shape, dtype: "float64" },
          );
        return [loss, slope].map((fn) => ({
          pulled: sum(mul(grad(fn)(x), direction)),
          pushed: jvp(fn, [x], [direction])[1],
          ahead: fn(shifted(1e-6)),
          behind: fn(shifted(-1e-6)),
        }));
      });
      for (const { pulled, pushed, ahead, behind } of (await evaluate(jobs)).flat()) {
        const [a, b, c, d] = [pulled, pushed, ahead, behind].map((x) => Number(x.data[0])) as [
          number,
          number,
          number,
          number,
        ];
        const numeric = (c - d) / 2e-6;
        expect(Math.abs(a - numeric)).toBeLessThan(1e-6 * Math.max(1, Math.abs(numeric), Math.abs(c)));
        expect(Math.abs(a - b)).toBeLessThan(1e-9 * Math.max(1, Math.abs(a)));
      }
    }
  });

  it("gives the gradient of equal largest elements to the first along the last axis, then the first before it", async () => {
    const x = tensor([
      [
        [
          [1, 5],
          [5, 5],
        ],
      ],
      [
        [
          [2, 2],
          [2, 2],
        ],
      ],
      [
        [
          [0, 7],
          [0, 7],
        ],
      ],
    ]);
    const [, pull] = vjp((v: Tensor) => maxPool(v, { window: 2 }), x);
    const [dx] = await evaluate(pull(tensor([[[[1]]], [[[10]]], [[[100]]]])));
    expect(toNested(dx)).toEqual([
      [
        [
          [0, 0],
          [1, 0],
        ],
      ],
      [
        [
          [10, 0],
          [0, 0],
        ],
      ],
      [
        [
          [0, 100],
          [0, 0],
        ],
      ],
    ]);
  });

  it("has the values and gradients of relu before it, also where elements are equal", async () => {
    // Whole numbers, so that many windows hold equal ones, and many nothing above 0.
    const x = await evaluate(round(mul(drawn(8, [3, 2, 9, 10], "float32"), 3)));
    const options = { window: 3, stride: 2, padding: 1 };
    const before = (v: Tensor) => maxPool(mul(relu(v), 1), options);
    const [first, pullFirst] = vjp((v: Tensor) => maxPool(relu(v), options), x);
    const [second, pullSecond] = vjp(before, x);
    const dy = drawn(9, first.shape, "float32");
    const [a, b, c, d] = await evaluate([first, second, ...pullFirst(dy), ...pullSecond(dy)] as const);
    // Adding 0 leaves one kind of zero.
    const numbers = (y: Tensor) => values(y).map((v) => v + 0);
    expect(numbers(a)).toEqual(numbers(b));
    expect(numbers(c as Tensor)).toEqual(numbers(d as Tensor));
  });

  it("lets NaN win, never padding, and leaves what no window reaches without gradient", async () => {
    const x = tensor([[[-3, Number.NaN, -1, -2, 9]]]);
    const [largest, padded, slope] = await evaluate([
      maxPool(x, { window: 2 }),
      maxPool(tensor([[[-3, -4]]]), { window: 2, padding: 1 }),
      grad((v: Tensor) => sum(maxPool(v, { window: 2 })))(tensor([[[1, 2, 4, 3, 9]]])),
    ] as const);
    expect(toNested(largest)).toEqual([[[Number.NaN, -1]]]);
    expect(toNested(padded)).toEqual([[[-3, -4]]]);
    expect(toNested(slope)).toEqual([[[0, 1, 1, 0, 0]]]);
  });

  it("keeps the extent with same padding at stride 1, and takes batches of nothing", async () => {
    const [same, empty] = await evaluate([
      averagePool(tensor([[[3, 6, 9, 12]]]), { window: 3, stride: 1, padding: "same" }),
      maxPool(zeros([0, 2, 4, 4]), { window: 2 }),
    ] as const);
    expect(toNested(same)).toEqual([[[3, 6, 9, 7]]]);
    expect(empty.shape).toEqual([0, 2, 2, 2]);
  });

  it("says what does not fit", () => {
    const x = zeros([1, 1, 4, 4]);
    expect(() => maxPool(x, { window: 5 })).toThrow(
      "maxPool: a window [5, 5] does not fit into x [1, 1, 4, 4] with its padding",
    );
    expect(() => averagePool(x, { window: [2, 2, 2] })).toThrow(
      "averagePool: window needs whole numbers of at least 1, one or 2, got [2,2,2]",
    );
    expect(() => maxPool(x, { window: 2, stride: 0 })).toThrow("maxPool: stride needs whole numbers of at least 1");
    expect(() => maxPool(x, { window: 2, padding: 2 })).toThrow(
      "maxPool: padding must be less than the window [2, 2], got [2, 2] before and [2, 2] after",
    );
    expect(() => maxPool(zeros([4, 4]), { window: 2 })).toThrow(
      "maxPool: expected x [batch, channels, ...spatial], got [4, 4]",
    );
    expect(() => averagePool(zeros([1, 1, 4], "int32"), { window: 2 })).toThrow("averagePool: expected a float tensor");
  });
});
