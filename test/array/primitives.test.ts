/** Every primitive against the oracle, over generated shapes and types. A primitive without a row fails the suite. */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import * as f from "../../src/array/index.ts";
import { primitiveNames } from "../../src/array/primitive.ts";
import { type Case, checkCases, drawn, numbers } from "./check.ts";
import { rules } from "./oracle.ts";

type Tensor = f.Tensor;
type DType = f.DType;

interface Row {
  /** Cases of an element type, made from a seed and a generated shape. */
  readonly make: (seed: number, shape: number[], dtype: DType) => Case;
  readonly order: 0 | 1 | 2;
  readonly dtypes?: readonly DType[];
  /** Fixed shapes beside the generated ones. */
  readonly shapes?: readonly number[][];
  /** Generated shapes; up to three axes of up to four elements by default, zero-size ones included. */
  readonly arbitrary?: fc.Arbitrary<number[]>;
  readonly tolerance?: number;
  readonly tolerance64?: number;
  /** It is made of sines, cosines or their inverses. */
  readonly trigonometric?: true;
}

const anyShape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
const solidShape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });
const FLOATS: readonly DType[] = ["float32", "float64"];
const NUMBERS: readonly DType[] = ["float32", "float64", "int32", "int64"];

/** A row for a function of one tensor whose elements lie in a range. */
const unary = (
  fn: (x: Tensor) => Tensor,
  { low = -2, high = 2, order = 2, ...rest }: Partial<Row> & { low?: number; high?: number } = {},
): Row => ({
  make: (seed, shape, dtype) => ({
    apply: fn,
    inputs: [drawn(seed, shape, dtype, (u) => low + ((u + 1) / 2) * (high - low))],
  }),
  order,
  dtypes: FLOATS,
  ...rest,
});

/** The same shape with some axes of extent 1 and some missing on the left, as broadcasting allows. */
function narrowed(seed: number, shape: readonly number[]): number[] {
  const next = numbers(seed + 1000);
  const kept = shape.map((n) => (next() > 0.2 ? n : 1));
  return next() > 0.4 ? kept.slice(1) : kept;
}

const away = (u: number): number => Math.sign(u) * (0.3 + 1.5 * Math.abs(u));

/** A row for a function of two tensors that broadcast; elements are kept away from 0. */
const binary = (
  fn: (x: Tensor, y: Tensor) => Tensor,
  { order = 2, element = away, dtypes = NUMBERS, ...rest }: Partial<Row> & { element?: (u: number) => number } = {},
): Row => ({
  make: (seed, shape, dtype) => {
    const value = f.isFloat(dtype) ? element : (u: number) => Math.round(5 * u) || 1;
    const [a, b] = seed % 2 ? [shape, narrowed(seed, shape)] : [narrowed(seed, shape), shape];
    return { apply: fn, inputs: [drawn(seed, a, dtype, value), drawn(seed + 1, b, dtype, value)] };
  },
  order,
  dtypes,
  ...rest,
});

/** A row for a function of one tensor of any numbers. */
const plain = (fn: (x: Tensor, seed: number) => Tensor | readonly Tensor[], rest: Partial<Row> = {}): Row => ({
  make: (seed, shape, dtype) => ({
    apply: (x) => fn(x, seed),
    inputs: [drawn(seed, shape, dtype, f.isFloat(dtype) ? away : (u) => Math.round(4 * u))],
  }),
  order: 2,
  dtypes: NUMBERS,
  ...rest,
});

const bools = (fn: (x: Tensor, y: Tensor) => Tensor): Row => ({
  make: (seed, shape) => ({
    apply: fn,
    inputs: [
      drawn(seed, shape, "bool", (u) => Number(u > 0)),
      drawn(seed + 1, narrowed(seed, shape), "bool", (u) => Number(u > 0)),
    ],
  }),
  order: 0,
  dtypes: ["bool"],
});

const comparison = (fn: (x: Tensor, y: Tensor) => Tensor): Row =>
  binary(fn, { order: 0, element: (u) => Math.round(3 * u), dtypes: [...NUMBERS, "uint8"] });

/** Distinct elements at least 0.2 apart in random order, so that no step of a difference changes their order. */
const distinct = (seed: number, shape: readonly number[], dtype: DType): Tensor => {
  const count = shape.reduce((a, b) => a * b, 1);
  const next = numbers(seed);
  const order = Array.from({ length: count }, (_, i) => [next(), i] as const).sort((a, b) => a[0] - b[0]);
  return f.tensor(
    Float64Array.from(order, ([, i]) => (f.isFloat(dtype) ? 0.2 * i - 1 : i)),
    { shape, dtype },
  );
};

/** An axis of a shape, negative for odd seeds. */
const axisOf = (seed: number, x: Tensor): number => {
  const axis = seed % Math.max(1, x.rank);
  return seed % 3 === 0 ? axis - x.rank : axis;
};

const axesOf = (seed: number, x: Tensor) =>
  seed % 4 === 0 || x.rank === 0 ? {} : { axis: seed % 4 === 1 && x.rank > 1 ? [0, -1] : axisOf(seed, x) };
const reduceOptions = (seed: number, x: Tensor) => ({ ...axesOf(seed, x), keepDims: seed % 2 === 0 });

const reduction = (fn: (x: Tensor, o: f.ReduceOptions) => Tensor, rest: Partial<Row> = {}): Row =>
  plain((x, seed) => fn(x, reduceOptions(seed, x)), rest);

const extreme = (fn: (x: Tensor, o: f.ReduceOptions) => Tensor): Row => ({
  make: (seed, shape, dtype) => ({
    apply: (x) => fn(x, reduceOptions(seed, x)),
    inputs: [distinct(seed, shape, dtype)],
  }),
  order: 2,
  dtypes: NUMBERS,
  arbitrary: solidShape,
});

const indicesFor = (seed: number, shape: readonly number[], extent: number): Tensor =>
  drawn(seed + 5, shape, seed % 2 ? "int32" : "int64", (u) =>
    Math.min(extent - 1, Math.floor(((u + 1) / 2) * 2 * extent) - extent),
  );

const scatterAxis = (seed: number, shape: readonly number[]): number => seed % shape.length;

const convRow = (run: (x: Tensor, w: Tensor, o: f.ConvOptions) => Tensor): Row => ({
  make: (seed, _, dtype) => {
    const rank = 1 + (seed % 3);
    const depthwise = seed % 5 === 4;
    const groups = depthwise ? 4 : 1 + (seed % 2);
    const stride = Array.from({ length: rank }, (__, i) => 1 + ((seed + i) % 3));
    const dilation = Array.from({ length: rank }, (__, i) => 1 + (((seed >> 1) + i) % 2));
    const padding =
      seed % 4 === 0 ? ("same" as const) : Array.from({ length: rank }, (__, i) => [i % 2, (seed + i) % 2] as const);
    // 32 channels at stride 1 take another lowering of the input's gradient.
    const wide = seed % 7 === 6;
    const options = wide ? { padding: 1 } : { stride, dilation, padding, groups };
    const channels = wide ? 32 : 4;
    const kernel = Array.from({ length: rank }, (__, i) => (seed % 6 === 5 ? 1 : 2 + ((seed + i) % 2)));
    const extents = Array.from({ length: rank }, (__, i) => 5 + ((seed + i) % 2));
    const shape = [wide ? 1 : 2, channels, ...(wide ? extents.map(() => 4) : extents)];
    const outputs = depthwise ? 4 : 2 * groups;
    return {
      apply: (x, w) => run(x, w, options),
      inputs: [
        drawn(seed, shape, dtype),
        drawn(
          seed + 1,
          [wide ? 2 : outputs, channels / (wide ? 1 : groups), ...(wide ? kernel.map(() => 3) : kernel)],
          dtype,
        ),
      ],
    };
  },
  order: 2,
  dtypes: FLOATS,
  arbitrary: fc.constant([]),
  tolerance: 3e-5,
});

/** Forward-only loops have their own tests; here the primitive alone is checked. */
const table: Readonly<Record<string, Row>> = {
  add: binary(f.add),
  sub: binary(f.sub),
  mul: binary(f.mul),
  div: binary(f.div),
  pow: {
    make: (seed, shape, dtype) => ({
      apply: f.power,
      inputs: [drawn(seed, shape, dtype, (u) => 1.2 + u), drawn(seed + 1, narrowed(seed, shape), dtype, (u) => 2 * u)],
    }),
    order: 2,
    dtypes: FLOATS,
    // Powers through logarithms lose a few digits.
    tolerance: 2e-5,
  },
  mod: binary(f.mod, { element: (u) => (u > 0 ? 0.35 + u : u - 0.35), order: 1, dtypes: ["int32", "int64"] }),
  maximum: binary(f.maximum, { element: (u) => 2 * u, dtypes: NUMBERS }),
  minimum: binary(f.minimum, { element: (u) => 2 * u, dtypes: NUMBERS }),
  neg: plain((x) => f.neg(x)),
  abs: plain((x) => f.abs(x)),
  sign: plain((x) => f.sign(x), { order: 1 }),
  floor: unary(f.floor, { order: 1 }),
  ceil: unary(f.ceil, { order: 1 }),
  round: unary(f.round, { order: 1 }),
  exp: unary(f.exp),
  log: unary(f.log, { low: 0.3, high: 3 }),
  log1p: unary(f.log1p, { low: -0.5, high: 3 }),
  expm1: unary(f.expm1),
  sqrt: unary(f.sqrt, { low: 0.3, high: 3 }),
  reciprocal: unary(f.reciprocal, { low: 0.4, high: 3 }),
  sin: { ...unary(f.sin, { low: -4, high: 4 }), trigonometric: true },
  cos: { ...unary(f.cos, { low: -4, high: 4 }), trigonometric: true },
  tan: { ...unary(f.tan, { low: -1, high: 1 }), trigonometric: true },
  asin: { ...unary(f.asin, { low: -0.8, high: 0.8 }), trigonometric: true },
  acos: { ...unary(f.acos, { low: -0.8, high: 0.8 }), trigonometric: true },
  atan: { ...unary(f.atan, { low: -4, high: 4 }), trigonometric: true },
  sinh: unary(f.sinh),
  cosh: unary(f.cosh),
  asinh: unary(f.asinh, { low: -4, high: 4 }),
  acosh: unary(f.acosh, { low: 1.5, high: 4 }),
  atanh: unary(f.atanh, { low: -0.8, high: 0.8 }),
  tanh: unary(f.tanh),
  sigmoid: unary(f.sigmoid, { low: -5, high: 5 }),
  softplus: unary(f.softplus, { low: -5, high: 5 }),
  relu: plain((x) => f.relu(x), { dtypes: FLOATS }),
  erf: unary(f.erf, { low: -3.5, high: 3.5 }),
  gelu: {
    make: (seed, shape, dtype) => ({
      apply: (x) => f.gelu(x, { approximate: seed % 2 ? "tanh" : "none" }),
      inputs: [drawn(seed, shape, dtype, (u) => 3 * u)],
    }),
    order: 2,
    dtypes: FLOATS,
  },
  equal: comparison(f.equal),
  less: comparison(f.less),
  lessEqual: comparison(f.lessEqual),
  and: bools(f.and),
  or: bools(f.or),
  xor: bools(f.xor),
  not: bools((x) => f.not(x)),
  isNaN: unary((x) => f.isNaN(f.where(f.less(x, 0), Number.NaN, x)), { order: 0 }),
  where: {
    make: (seed, shape, dtype) => ({
      apply: f.where,
      inputs: [
        drawn(seed, narrowed(seed, shape), "bool", (u) => Number(u > 0)),
        drawn(seed + 1, shape, dtype, f.isFloat(dtype) ? away : (u) => Math.round(9 * u)),
        drawn(seed + 2, narrowed(seed + 3, shape), dtype, f.isFloat(dtype) ? away : (u) => Math.round(9 * u)),
      ],
    }),
    order: 2,
    dtypes: NUMBERS,
  },
  cast: plain((x) => (["int32", "float64", "float32", "bool", "int64"] as const).map((to) => f.cast(x, to)), {
    order: 1,
  }),
  reshape: plain((x, seed) => f.reshape(x, seed % 2 ? [x.size] : [1, ...x.shape].reverse())),
  transpose: plain((x, seed) => f.transpose(x, seed % 2 ? undefined : x.shape.map((_, i) => (i + seed) % x.rank)), {
    // Rotations of four and five axes exchange blocks of them, which has a lowering of its own.
    shapes: [
      [2, 3, 1, 2],
      [3, 2, 2, 2],
      [2, 3, 2, 4],
      [1, 2, 3, 2],
      [2, 2, 3, 1, 2],
    ],
  }),
  broadcastTo: plain((x, seed) => f.broadcastTo(f.expandDims(x, 0), [1 + (seed % 3), ...x.shape])),
  slice: plain((x, seed) => {
    const each = <T>(pick: (n: number, i: number) => T) => x.shape.map(pick);
    return f.slice(x, {
      // Backwards from the last element or the one before it.
      starts: each((_, i) => ((seed + i) % 3 === 0 ? -1 - ((seed >> 2) % 2) : (seed + i) % 2)),
      stops: each((n, i) => ((seed + i) % 3 === 0 ? Number.NEGATIVE_INFINITY : (seed + i) % 4 === 1 ? -1 : n)),
      steps: each((_, i) => ((seed + i) % 3 === 0 ? -1 - ((seed >> 1) % 2) : 1 + ((seed + i) % 2))),
    });
  }),
  pad: plain((x, seed) =>
    f.pad(x, { before: x.shape.map((_, i) => (seed + i) % 3), after: x.shape.map((_, i) => i % 2), value: seed % 2 }),
  ),
  concat: plain((x, seed) => f.concat([x, f.mul(x, 2), x], { axis: axisOf(seed, x) }), { arbitrary: solidShape }),
  split: plain(
    (x, seed) => {
      const axis = axisOf(seed, x);
      const n = x.shape.at(axis) as number;
      return f.split(x, { axis, sizes: [Math.floor(n / 2), 0, Math.ceil(n / 2)] }).slice(seed % 2);
    },
    { arbitrary: solidShape },
  ),
  sum: reduction(f.sum),
  max: extreme(f.max),
  min: extreme(f.min),
  prod: reduction(f.prod, { arbitrary: solidShape, tolerance: 3e-5 }),
  argMax: {
    ...extreme((x, o) =>
      f.argMax(x, {
        axis: (o.axis as number | undefined) === undefined || Array.isArray(o.axis) ? 0 : (o.axis as number),
        keepDims: o.keepDims as boolean,
      }),
    ),
    order: 0,
  },
  argMin: {
    ...extreme((x, o) =>
      f.argMin(x, {
        axis: (o.axis as number | undefined) === undefined || Array.isArray(o.axis) ? -1 : (o.axis as number),
        keepDims: o.keepDims as boolean,
      }),
    ),
    order: 0,
  },
  cumulativeSum: plain(
    (x, seed) => f.cumulativeSum(x, { axis: axisOf(seed, x), reverse: seed % 2 === 0, exclusive: seed % 3 === 0 }),
    { arbitrary: solidShape },
  ),
  take: {
    make: (seed, shape, dtype) => {
      const axis = scatterAxis(seed, shape);
      return {
        apply: (x, i) => f.take(x, i, { axis: seed % 2 ? axis : axis - shape.length }),
        inputs: [
          drawn(seed, shape, dtype, (u) => Math.round(9 * u)),
          indicesFor(seed, seed % 3 === 0 ? [] : [2, seed % 3], shape[axis] as number),
        ],
      };
    },
    order: 2,
    dtypes: NUMBERS,
    arbitrary: solidShape,
  },
  scatterAdd: {
    make: (seed, shape, dtype) => {
      const axis = scatterAxis(seed, shape);
      const picks = seed % 3 === 0 ? [] : [2, seed % 3];
      const updates = [...shape.slice(0, axis), ...picks, ...shape.slice(axis + 1)];
      return {
        apply: (x, i, u) => f.scatterAdd(x, i, u, { axis }),
        inputs: [
          drawn(seed, shape, dtype, (u) => Math.round(9 * u)),
          indicesFor(seed, picks, shape[axis] as number),
          drawn(seed + 3, updates, dtype, (u) => Math.round(9 * u)),
        ],
      };
    },
    order: 2,
    dtypes: NUMBERS,
    arbitrary: solidShape,
  },
  takeAlong: {
    make: (seed, shape, dtype) => {
      const axis = scatterAxis(seed, shape);
      return {
        apply: (x, i) => f.takeAlong(x, i, { axis }),
        inputs: [
          drawn(seed, shape, dtype, (u) => Math.round(9 * u)),
          indicesFor(seed, shape.with(axis, 3), shape[axis] as number),
        ],
      };
    },
    order: 2,
    dtypes: NUMBERS,
    arbitrary: solidShape,
  },
  scatterAddAlong: {
    make: (seed, shape, dtype) => {
      const axis = scatterAxis(seed, shape);
      const picks = shape.with(axis, 3);
      return {
        apply: (x, i, u) => f.scatterAddAlong(x, i, u, { axis }),
        inputs: [
          drawn(seed, shape, dtype, (u) => Math.round(9 * u)),
          indicesFor(seed, picks, shape[axis] as number),
          drawn(seed + 3, picks, dtype, (u) => Math.round(9 * u)),
        ],
      };
    },
    order: 2,
    dtypes: NUMBERS,
    arbitrary: solidShape,
  },
  topK: {
    make: (seed, shape, dtype) => ({
      apply: (x) => {
        const axis = axisOf(seed, x);
        const { values, indices } = f.topK(x, seed % ((x.shape.at(axis) as number) + 1), {
          axis,
          largest: seed % 2 === 0,
        });
        return [values, indices];
      },
      inputs: [distinct(seed, shape, dtype)],
    }),
    order: 2,
    dtypes: NUMBERS,
    arbitrary: solidShape,
  },
  matmul: {
    make: (seed, shape, dtype) => {
      const [m, k, n] = [1 + (seed % 3), shape[0] ?? 2, 1 + (seed % 4)];
      const batch = shape.slice(1);
      const [transposeA, transposeB] = [seed % 2 === 0, seed % 3 === 0];
      const a = [...(seed % 5 === 0 ? batch.map(() => 1) : batch), ...(transposeA ? [k, m] : [m, k])];
      const b = [...(seed % 4 === 0 ? [] : batch), ...(transposeB ? [n, k] : [k, n])];
      const value = (u: number) => (f.isFloat(dtype) ? 2 * u : Math.round(4 * u));
      return {
        apply: (x, y) => f.matmul(x, y, { transposeA, transposeB }),
        inputs: [drawn(seed, a, dtype, value), drawn(seed + 1, b, dtype, value)],
      };
    },
    order: 2,
    dtypes: NUMBERS,
    shapes: [[0], [0, 2], [3, 0]],
  },
  softmax: plain((x, seed) => f.softmax(x, { axis: axisOf(seed, x) }), { dtypes: FLOATS, arbitrary: solidShape }),
  maskedSoftmax: {
    make: (seed, shape, dtype) => ({
      apply: (x, mask) => f.softmax(x, { axis: axisOf(seed, x), mask }),
      inputs: [
        drawn(seed, shape, dtype),
        // Of three elements one is hidden, so that some rows have none left.
        drawn(seed + 1, narrowed(seed, shape), "bool", (u) => Number(u > -1 / 3)),
      ],
    }),
    order: 2,
    dtypes: FLOATS,
    arbitrary: solidShape,
  },
  logSoftmax: plain((x, seed) => f.logSoftmax(x, { axis: axisOf(seed, x) }), { dtypes: FLOATS, arbitrary: solidShape }),
  layerNormalize: {
    make: (seed, shape, dtype) => ({
      apply: (x, s, b) => f.layerNormalize(x, s, b, { eps: 0.1 }),
      inputs: [
        drawn(seed, shape, dtype),
        drawn(seed + 1, shape.slice(-1), dtype),
        drawn(seed + 2, shape.slice(-1), dtype),
      ],
    }),
    order: 2,
    dtypes: FLOATS,
    arbitrary: solidShape,
    tolerance: 3e-5,
  },
  complexMul: {
    make: (seed, shape, dtype) => {
      // Rows of either length: those for the runtime's own operator and shorter ones.
      const factors = [shape.at(-1) as number, seed % 2 === 0 ? 2 : 17];
      return {
        apply: (x, re, im) => f.complexMul(x, { re, im }),
        inputs: [
          drawn(seed, [...shape, 2 * (factors[1] as number)], dtype),
          drawn(seed + 1, factors, dtype),
          drawn(seed + 2, factors, dtype),
        ],
      };
    },
    order: 2,
    dtypes: FLOATS,
    arbitrary: solidShape,
  },
  conv: convRow((x, w, o) => f.conv(x, w, o)),
  convWithBias: convRow((x, w, o) => {
    const axis = w.shape.flatMap((_, i) => (i === 0 ? [] : [i]));
    return f.conv(x, w, { ...o, bias: f.sum(w, { axis }) });
  }),
  convInputGradient: convRow((x, w, o) => f.grad((v: Tensor) => f.sum(f.square(f.conv(v, w, o))))(x)),
  convWeightGradient: convRow((x, w, o) => f.grad((v: Tensor) => f.sum(f.square(f.conv(x, v, o))))(w)),
  groupedMatmul: {
    make: (seed, _, dtype) => ({
      apply: (rows, counts, ...weights) => f.groupedMatmul(rows, counts, weights, seed % 2 ? { transposeB: true } : {}),
      inputs: [
        drawn(seed, [5, 3], dtype),
        f.tensor([2, 0, 3], { dtype: "int64" }),
        ...[0, 1, 2].map((g) => drawn(seed + g, seed % 2 ? [2, 3] : [3, 2], dtype)),
      ],
    }),
    order: 2,
    dtypes: FLOATS,
    arbitrary: fc.constant([]),
  },
  quantizedMatmul: {
    make: (seed, _, dtype) => {
      const bits = seed % 2 ? 8 : 4;
      // A block that is full, one that is not, and several.
      const inputs = [16, 11, 40][seed % 3] as number;
      const { scales, ...codes } = f.quantizeMatrix(drawn(seed + 1, [inputs, 5], dtype), { bits, block: 16 });
      return {
        apply: (x, stored, scale) =>
          f.quantizedMatmul(x, bits === 8 ? { int8: stored, scales: scale } : { int4: stored, scales: scale }),
        // As arguments that are not frozen, so that products are exact.
        inputs: [
          drawn(seed, [1 + (seed % 4), inputs], dtype),
          ...[...Object.values(codes), scales].map((t) => f.tensor(t.data, { shape: t.shape, dtype: t.dtype })),
        ],
      };
    },
    order: 0,
    dtypes: ["float32"],
    arbitrary: fc.constant([]),
  },
  expertSum: {
    make: (seed, _, dtype) => {
      const activation = f.expertActivations[seed % f.expertActivations.length] as f.ExpertActivation;
      const [rows, width, units, experts, inner] = [1 + (seed % 4), 5, 3, 4, activation === "swiglu" ? 6 : 3];
      const bias = seed % 2 ? [drawn(seed + 3, [experts, inner], dtype)] : [];
      return {
        apply: (x, chosen, up, down, ...rest) =>
          // Of what is computed in the graph, which the runtime may write over.
          f.expertSum(f.sub(x, 1), chosen, { up, down, ...(rest[0] ? { bias: rest[0] } : {}) }, { activation }),
        inputs: [
          drawn(seed, [rows, width], dtype),
          f.tensor(
            Int32Array.from({ length: 2 * rows }, (_, i) => ((i >> 1) + seed + 2 * (i % 2)) % experts),
            { shape: [rows, 2] },
          ),
          drawn(seed + 1, [experts, inner, width], dtype),
          drawn(seed + 2, [experts, width, units], dtype),
          ...bias,
        ],
      };
    },
    order: 0,
    dtypes: ["float32"],
    arbitrary: fc.constant([]),
  },
  groupedOuter: {
    make: (seed, _, dtype) => ({
      apply: (rows, counts, ...weights) =>
        f.grad((w: Tensor) => f.sum(f.square(f.groupedMatmul(rows, counts, [w, ...weights.slice(1)]))))(
          weights[0] as Tensor,
        ),
      inputs: [
        drawn(seed, [5, 3], dtype),
        f.tensor([2, 0, 3], { dtype: "int64" }),
        ...[0, 1, 2].map((g) => drawn(seed + g, [3, 2], dtype)),
      ],
    }),
    order: 1,
    dtypes: FLOATS,
    arbitrary: fc.constant([]),
  },
  randomBits: {
    make: (seed, shape) => ({ apply: (k) => f.randomBits(k, shape), inputs: [f.key(seed * 7919 - 3)] }),
    order: 0,
    dtypes: ["int32"],
  },
  top24Bits: {
    make: (seed, shape) => ({ apply: (k) => f.uniform(k, shape), inputs: [f.key(seed)] }),
    order: 0,
    dtypes: ["int32"],
  },
  identity: plain((x) => f.vjp((v: Tensor) => f.mul(v, v), x)[0]),
  stopGradient: plain((x) => f.mul(x, f.stopGradient(f.mul(x, 0))), { order: 1, dtypes: FLOATS }),
  attachGradient: plain(
    (x) =>
      f.customGradient(
        (v: Tensor) => f.mul(v, 3),
        (dy) => [f.mul(dy, 3)],
      )(x),
    { dtypes: FLOATS },
  ),
  cond: {
    make: (seed, shape, dtype) => ({
      apply: (c, x) =>
        f.cond(
          c,
          () => f.mul(x, f.exp(x)),
          () => f.sub(f.square(x), 1),
        ),
      inputs: [f.tensor(seed % 2 === 0), drawn(seed, shape, dtype)],
    }),
    order: 2,
    dtypes: FLOATS,
  },
  scan: {
    make: (seed, shape, dtype) => ({
      apply: (x, w) => {
        const [carry, ys] = f.scan(
          (c: Tensor, v: Tensor) => {
            const next = f.tanh(f.add(f.mul(c, w), v));
            return [next, f.mul(next, v)] as const;
          },
          f.mul(f.at(x, 0), 0.5),
          x,
          { reverse: seed % 2 === 0 },
        );
        return [carry, ys];
      },
      inputs: [drawn(seed, [3, ...shape], dtype), drawn(seed + 1, shape, dtype)],
    }),
    order: 2,
    dtypes: FLOATS,
  },
  whileLoop: {
    make: (seed, shape, dtype) => ({
      apply: (x, w) => {
        const [, y] = f.whileLoop(
          ([n]) => f.less(n, seed % 4),
          ([n, v]) => [f.add(n, 1), f.sin(f.add(f.mul(v, w), 0.5))] as [Tensor, Tensor],
          [f.tensor(0, { dtype: "int32" }), x] as [Tensor, Tensor],
          { maxSteps: 3 },
        );
        return y;
      },
      inputs: [drawn(seed, shape, dtype), drawn(seed + 1, shape, dtype)],
    }),
    order: 2,
    dtypes: FLOATS,
    trigonometric: true,
  },
};

afterEach(f.releaseSessions);

describe("primitives", () => {
  it("have a row in this table and a rule in the oracle, every one", () => {
    const inner = ["constant", "input"];
    expect(Object.keys(table).sort()).toEqual([...primitiveNames].filter((name) => !inner.includes(name)).sort());
    expect([...primitiveNames].filter((name) => !inner.includes(name) && !rules[name])).toEqual([]);
  });

  for (const [
    name,
    { make, order, dtypes = FLOATS, shapes = [], arbitrary = anyShape, tolerance, tolerance64, trigonometric },
  ] of Object.entries(table)) {
    it.each(dtypes)(`${name} agrees with the oracle in %s`, async (dtype) => {
      const solid = arbitrary !== anyShape;
      const fixed = [...(solid ? [[1], [2, 3]] : [[], [0], [2, 0, 3], [1, 3]]), ...shapes];
      const generated = fc.sample(arbitrary, { numRuns: 5, seed: 17 });
      const cases = [...fixed, ...generated].map((shape, seed) => make(seed, shape, dtype));
      await checkCases(name, cases, {
        order,
        ...(tolerance ? { tolerance } : {}),
        ...(tolerance64 ? { tolerance64 } : {}),
        ...(trigonometric ? { trigonometric } : {}),
      });
    });
  }
});
