import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
  add,
  type ConvOptions,
  cast,
  conv,
  convTranspose,
  type DType,
  evaluate,
  grad,
  jvp,
  mul,
  releaseSessions,
  reshape,
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
const offset = (shape: readonly number[], index: readonly number[]): number =>
  index.reduce((total, k, axis) => total * at(shape, axis) + k, 0);
const inner = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((total, v, i) => total + v * at(b, i), 0);

interface Geometry {
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly groups: number;
}

interface Case {
  readonly x: Tensor;
  readonly w: Tensor;
  readonly geometry: Geometry;
}

const optionsOf = ({ stride, dilation, before, after, groups }: Geometry) =>
  ({ stride, dilation, padding: before.map((low, i) => [low, at(after, i)] as const), groups }) satisfies ConvOptions;

/** Every product of a convolution, as flat places in x, w and y. */
function products(
  x: readonly number[],
  w: readonly number[],
  y: readonly number[],
  g: Geometry,
): [number, number, number][] {
  const list: [number, number, number][] = [];
  const outputsOfGroup = at(w, 0) / g.groups;
  for (const [b, o, ...position] of indices(y) as [number, number, ...number[]][]) {
    for (const [c, ...tap] of indices(w.slice(1)) as [number, ...number[]][]) {
      const from = position.map((p, i) => p * at(g.stride, i) + at(tap, i) * at(g.dilation, i) - at(g.before, i));
      if (from.some((k, i) => k < 0 || k >= at(x, i + 2))) continue;
      const channel = Math.floor(o / outputsOfGroup) * at(w, 1) + c;
      list.push([offset(x, [b, channel, ...from]), offset(w, [o, c, ...tap]), offset(y, [b, o, ...position])]);
    }
  }
  return list;
}

/** Shape and elements of the convolution by its definition. */
function direct({ x, w, geometry: g }: Case): { shape: number[]; data: number[] } {
  const reach = w.shape.slice(2).map((k, i) => (k - 1) * at(g.dilation, i) + 1);
  const positions = x.shape
    .slice(2)
    .map((n, i) => Math.floor((n + at(g.before, i) + at(g.after, i) - at(reach, i)) / at(g.stride, i)) + 1);
  const shape = [at(x.shape, 0), at(w.shape, 0), ...positions];
  const data = Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0);
  const [xs, ws] = [values(x), values(w)];
  for (const [i, j, k] of products(x.shape, w.shape, shape, g)) data[k] = at(data, k) + at(xs, i) * at(ws, j);
  return { shape, data };
}

const axisOf = fc.record({
  kernel: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.integer({ min: 1, max: 3 }),
  before: fc.nat(4),
  after: fc.nat(4),
  more: fc.nat(4),
});

/** Few channels and many, with groups and without: the lowerings differ. */
const channelsOf = fc.oneof(
  fc.record({
    groups: fc.integer({ min: 1, max: 3 }),
    inputs: fc.integer({ min: 1, max: 3 }),
    outputs: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ groups: fc.constant(1), inputs: fc.integer({ min: 4, max: 6 }), outputs: fc.constant(2) }),
  fc.record({ groups: fc.constant(5), inputs: fc.constant(1), outputs: fc.constant(1) }),
);

const casesOf = (batch: fc.Arbitrary<number>): fc.Arbitrary<Case> =>
  fc
    .record({
      axes: fc.array(axisOf, { minLength: 1, maxLength: 3 }),
      channels: channelsOf,
      batch,
      seed: fc.nat(1000),
    })
    .map(({ axes, channels: { groups, inputs, outputs }, batch, seed }) => {
      const extents = axes.map((a) => Math.max(1, (a.kernel - 1) * a.dilation + 1 - a.before - a.after) + a.more);
      return {
        x: drawn(seed, [batch, groups * inputs, ...extents], "float64"),
        w: drawn(seed + 1, [groups * outputs, inputs, ...axes.map((a) => a.kernel)], "float64"),
        geometry: {
          stride: axes.map((a) => a.stride),
          dilation: axes.map((a) => a.dilation),
          before: axes.map((a) => a.before),
          after: axes.map((a) => a.after),
          groups,
        },
      };
    });

/** At stride 1, from 32 channels on, the gradient of the input is a convolution. */
const wide: Case[] = [
  [1, 1, 1],
  [2, 0, 1],
  [1, 3, 0],
].map(([dilation, before, after], i) => ({
  x: drawn(i, [2, 32, 5, 6], "float64"),
  w: drawn(i + 9, [3, 32, 3, 2], "float64"),
  geometry: {
    stride: [1, 1],
    dilation: [dilation as number, 1],
    before: [before as number, 0],
    after: [after as number, 2],
    groups: 1,
  },
}));

/** Channels in whole blocks, with few enough weights: where the processor has them, blocks are convolved. */
const blocks: Case[] = [
  { stride: [1, 1], dilation: [1, 1], before: [1, 1], after: [1, 1] },
  { stride: [2, 1], dilation: [1, 2], before: [0, 1], after: [2, 0] },
  { stride: [1, 3], dilation: [2, 1], before: [2, 0], after: [1, 0] },
].map((geometry, i) => ({
  x: drawn(i, [2, 16, 9, 10], "float64"),
  w: drawn(i + 9, [32, 16, 3, 2], "float64"),
  geometry: { ...geometry, groups: 1 },
}));

function expectClose(actual: readonly number[], expected: readonly number[], tolerance: number, what: string): void {
  expect(actual.length, what).toBe(expected.length);
  const scale = expected.reduce((m, v) => Math.max(m, Math.abs(v)), 1);
  actual.forEach((v, i) => {
    if (!(Math.abs(v - at(expected, i)) <= tolerance * scale))
      expect.fail(`${what}: element ${i} is ${v}, expected ${at(expected, i)}`);
  });
}

const show = ({ x, w, geometry }: Case): string => `x [${x.shape}], w [${w.shape}], ${JSON.stringify(geometry)}`;

describe("convolution", () => {
  it.each<[DType, number]>([
    ["float64", 1e-13],
    ["float32", 1e-5],
  ])("and its gradients agree with the definition for any geometry in %s", async (dtype, tolerance) => {
    const cases = [...fc.sample(casesOf(fc.integer({ min: 1, max: 3 })), { numRuns: 40, seed: 7 }), ...wide, ...blocks];
    const expected = cases.map(direct);
    const dys = expected.map(({ shape }, i) => drawn(i + 100, shape, "float64"));
    const results = await evaluate(
      cases.map(({ x, w, geometry }, i) => {
        const [a, b, dy] = [x, w, at(dys, i)].map((v) => cast(v, dtype)) as [Tensor, Tensor, Tensor];
        const [y, pull] = vjp((u: Tensor, v: Tensor) => conv(u, v, optionsOf(geometry)), a, b);
        return [y, ...pull(dy)] as const;
      }),
    );
    cases.forEach((one, i) => {
      const { x, w, geometry } = one;
      const { shape, data } = at(expected, i);
      const [y, dx, dw] = at(results, i);
      expect(y.shape).toEqual(shape);
      expectClose(values(y), data, tolerance, show(one));
      const [expectedDx, expectedDw] = [Array<number>(x.size).fill(0), Array<number>(w.size).fill(0)];
      const [xs, ws, weights] = [values(x), values(w), values(at(dys, i))];
      for (const [a, b, c] of products(x.shape, w.shape, shape, geometry)) {
        expectedDx[a] = at(expectedDx, a) + at(ws, b) * at(weights, c);
        expectedDw[b] = at(expectedDw, b) + at(xs, a) * at(weights, c);
      }
      expectClose(values(dx), expectedDx, tolerance, `gradient of the input, ${show(one)}`);
      expectClose(values(dw), expectedDw, tolerance, `gradient of the weights, ${show(one)}`);
    });
  });

  it.each<DType>(["float32", "float64"])("adds a bias to each channel in %s", async (dtype) => {
    const bias = drawn(3, [32], dtype);
    const pairs = blocks.map(({ x, w, geometry }) => {
      const [a, b] = [cast(x, dtype), cast(w, dtype)];
      const plain = add(conv(a, b, optionsOf(geometry)), reshape(bias, [32, 1, 1]));
      return [conv(a, b, { ...optionsOf(geometry), bias }), plain] as const;
    });
    for (const [y, expected] of await evaluate(pairs)) expectClose(values(y), values(expected), 1e-6, "bias");
    const { x, w } = at(blocks, 0);
    expect(() => conv(x, w, { bias: zeros([3]) })).toThrow(
      "conv: bias needs shape [32] in float64, got [3] in float32",
    );
  });

  it.each([
    { x: [2, 6, 24, 20], outputs: 3, kernel: 3, how: "at once" },
    { x: [4, 112, 80, 80], outputs: 2, kernel: 3, how: "a row of the kernel after the other" },
    { x: [1, 5, 400, 400], outputs: 2, kernel: 3, how: "tap by tap, as there are too many places" },
  ])("has the gradient of its weights for many positions: $how", async ({ x: shape, outputs, kernel }) => {
    const x = drawn(1, shape, "float32");
    const [w, v] = [2, 3].map((seed) => drawn(seed, [outputs, at(shape, 1), kernel, kernel], "float32"));
    const dy = drawn(4, [at(shape, 0), outputs, at(shape, 2), at(shape, 3)], "float32");
    const product = (u: Tensor) => conv(x, u, { padding: 1 });
    const [, pull] = vjp(product, w as Tensor);
    // It is linear in the weights, so <dy, x * v> = <gradient, v> for any v.
    const [left, right, size] = await evaluate([
      sum(mul(cast(dy, "float64"), cast(product(v as Tensor), "float64"))),
      sum(mul(cast(pull(dy)[0], "float64"), cast(v as Tensor, "float64"))),
      sum(square(cast(pull(dy)[0], "float64"))),
    ] as const);
    expect(at(values(size), 0)).toBeGreaterThan(1);
    expect(Math.abs(at(values(left), 0) - at(values(right), 0))).toBeLessThan(1e-5 * Math.sqrt(at(values(size), 0)));
  });

  it("has second gradients that central differences give", async () => {
    const cases = fc.sample(casesOf(fc.constant(2)), { numRuns: 12, seed: 11 });
    const jobs = cases.flatMap(({ x, w, geometry }, i) => {
      const loss = (u: Tensor, v: Tensor) => sum(square(square(conv(u, v, optionsOf(geometry)))));
      const slopes = [
        (u: Tensor, v: Tensor) => sum(mul(grad(loss)(u, v), drawn(i + 50, x.shape, "float64"))),
        (u: Tensor, v: Tensor) =>
          sum(mul(grad((b: Tensor, a: Tensor) => loss(a, b))(v, u), drawn(i + 60, w.shape, "float64"))),
      ];
      const directions = [drawn(i + 70, x.shape, "float64"), drawn(i + 80, w.shape, "float64")] as const;
      const shifted = (z: Tensor, d: Tensor, step: number) =>
        tensor(
          Float64Array.from(values(z), (v, k) => v + step * at(values(d), k)),
          { shape: z.shape, dtype: "float64" },
        );
      const moved = (step: number) => [shifted(x, directions[0], step), shifted(w, directions[1], step)] as const;
      return slopes.map((slope) => {
        const [, pull] = vjp(slope, x, w);
        const [dx, dw] = pull(tensor(1, { dtype: "float64" }));
        return {
          pulled: [mul(dx, directions[0]), mul(dw, directions[1])],
          pushed: jvp(slope, [x, w], [...directions])[1],
          ahead: slope(...moved(1e-6)),
          behind: slope(...moved(-1e-6)),
        };
      });
    });
    for (const { pulled, pushed, ahead, behind } of await evaluate(jobs)) {
      const total = pulled.flatMap(values).reduce((a, b) => a + b, 0);
      const [p, a, b] = [pushed, ahead, behind].map((y) => at(values(y), 0)) as [number, number, number];
      const numeric = (a - b) / 2e-6;
      const scale = Math.max(1, Math.abs(numeric), Math.abs(a));
      expect(Math.abs(total - numeric)).toBeLessThan(1e-6 * scale);
      expect(Math.abs(total - p)).toBeLessThan(1e-10 * scale);
    }
  });

  it("transposed is the map back, with every size that outputPadding can ask for", async () => {
    const cases = fc.sample(casesOf(fc.integer({ min: 1, max: 2 })), { numRuns: 40, seed: 13 });
    // The extents of x are among those from which the forward convolution gives y: outputPadding tells which.
    const jobs = cases.map((one, i) => {
      const { shape } = direct(one);
      const { stride, dilation, before, after } = one.geometry;
      const outputPadding = one.x.shape.slice(2).map((n, k) => {
        const reach = (at(one.w.shape, k + 2) - 1) * at(dilation, k) + 1;
        return n - ((at(shape, k + 2) - 1) * at(stride, k) + reach - at(before, k) - at(after, k));
      });
      const y = drawn(i + 20, shape, "float64");
      return { one, y, back: convTranspose(y, one.w, { ...optionsOf(one.geometry), outputPadding }) };
    });
    const results = await evaluate(jobs);
    for (const { one, y, back } of results) {
      expect(back.shape).toEqual(one.x.shape);
      const { data } = direct(one);
      const [left, right] = [inner(data, values(y)), inner(values(one.x), values(back))];
      expect(Math.abs(left - right), show(one)).toBeLessThan(1e-10 * Math.max(1, Math.abs(left)));
    }
  });

  it("transposed enlarges by its stride", async () => {
    const y = convTranspose(tensor([[[1, 2]]]), tensor([[[1, 10, 100]]]), { stride: 2 });
    expect(toNested(await evaluate(y))).toEqual([[[1, 10, 102, 20, 200]]]);
    const cut = convTranspose(tensor([[[1, 2]]]), tensor([[[1, 10, 100]]]), {
      stride: 2,
      padding: 1,
      outputPadding: 1,
    });
    expect(toNested(await evaluate(cut))).toEqual([[[10, 102, 20, 200]]]);
  });

  it("keeps the extent with same padding at stride 1, and divides it rounding up at others", () => {
    for (const kernel of [1, 2, 3, 4, 5]) {
      for (const stride of [1, 2, 3]) {
        const y = conv(zeros([1, 1, 7, 10]), zeros([1, 1, kernel, 3]), { stride, padding: "same", dilation: [2, 1] });
        expect(y.shape).toEqual([1, 1, Math.ceil(7 / stride), Math.ceil(10 / stride)]);
      }
    }
  });

  it.each<DType>(["float32", "float64"])("takes batches of nothing in %s", async (dtype) => {
    const [x, w] = [zeros([0, 2, 5], dtype), drawn(1, [3, 2, 3], dtype)];
    const [y, pull] = vjp((u: Tensor, v: Tensor) => conv(u, v), x, w);
    const [out, dx, dw] = await evaluate([y, ...pull(zeros([0, 3, 3], dtype))] as const);
    expect(out.shape).toEqual([0, 3, 3]);
    expect(dx.shape).toEqual([0, 2, 5]);
    expect(values(dw)).toEqual(Array(18).fill(0));
  });

  it("says what does not fit", () => {
    const x = zeros([1, 6, 8]);
    expect(() => conv(x, zeros([4, 6, 3]), { groups: 2 })).toThrow(
      "conv: x has 6 channels in 2 groups, so w needs shape [outputs, 3, ...kernel], got [4, 6, 3]",
    );
    expect(() => conv(x, zeros([4, 6, 3]), { groups: 4 })).toThrow(
      "conv: 6 channels cannot be cut into 4 equal groups",
    );
    expect(() => conv(x, zeros([4, 2, 3]), { groups: 3 })).toThrow("conv: 4 outputs cannot be cut into 3 equal groups");
    expect(() => conv(x, zeros([4, 6, 9]))).toThrow(
      "conv: a kernel [9] with its dilation does not fit into x [1, 6, 8] with its padding",
    );
    expect(() => conv(x, zeros([4, 6, 3, 3]))).toThrow(
      "conv: expected x [batch, channels, ...spatial] and a kernel of the same rank, got [1, 6, 8] and [4, 6, 3, 3]",
    );
    expect(() => conv(x, zeros([4, 6, 3], "float64"))).toThrow(
      "conv: operands are float32 and float64; cast one of them",
    );
    expect(() => conv(x, zeros([4, 6, 3]), { stride: 0 })).toThrow(
      "conv: stride needs whole numbers of at least 1, one or 1, got 0",
    );
    expect(() =>
      conv(x, zeros([4, 6, 3]), {
        padding: [
          [1, 1],
          [1, 1],
        ],
      }),
    ).toThrow("conv: padding needs whole numbers of at least 0, a pair for each of 1 axes, got [[1,1],[1,1]]");
    expect(() => conv(x, zeros([4, 6, 3]), { groups: 0 })).toThrow(
      "conv: groups is a whole number of at least 1, got 0",
    );
    expect(() => conv(zeros([1, 6, 8], "int32"), zeros([4, 6, 3], "int32"))).toThrow("conv: expected a float tensor");
    expect(() => convTranspose(x, zeros([4, 6, 3]))).toThrow(
      "convTranspose: x has 6 channels and w is [4, 6, 3]; w needs as many in its first axis",
    );
    expect(() => convTranspose(x, zeros([6, 4, 3]), { stride: 2, outputPadding: 2 })).toThrow(
      "convTranspose: outputPadding is a whole number from 0 to stride - 1, got 2",
    );
    expect(() => convTranspose(zeros([1, 6, 1]), zeros([6, 4, 3]), { padding: 2 })).toThrow(
      "convTranspose: the padding leaves nothing of extents [-1]",
    );
  });
});
