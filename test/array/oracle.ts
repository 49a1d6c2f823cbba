/**
 * A plain interpreter of graphs, written for clarity: every value is float64 (whole numbers are exact up to 2^53), and
 * every operation is a loop over indices. It shares nothing with the ONNX lowering, so agreement means something.
 */

import { getElement, isFloat } from "../../src/array/dtype.ts";
import { nodesOf } from "../../src/array/graph.ts";
import { constantData, type Graph, type Node, type Tensor, type TensorType } from "../../src/array/tensor.ts";

export interface Value {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

type Index = readonly number[];
type Params = Readonly<Record<string, unknown>>;

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Every index of a shape, in row-major order. */
export function indices(shape: readonly number[]): number[][] {
  let list: number[][] = [[]];
  for (const n of shape) list = list.flatMap((index) => Array.from({ length: n }, (_, i) => [...index, i]));
  return list;
}

const offset = (shape: readonly number[], index: Index): number =>
  index.reduce((at, i, axis) => at * (shape[axis] as number) + i, 0);

/** The element at an index that may have more axes and larger extents, as broadcasting reads it. */
const read = (x: Value, index: Index): number =>
  x.data[
    offset(
      x.shape,
      index.slice(index.length - x.shape.length).map((i, axis) => (x.shape[axis] === 1 ? 0 : i)),
    )
  ] as number;

const make = (shape: readonly number[], element: (index: number[]) => number): Value => ({
  shape,
  data: Float64Array.from(indices(shape), element),
});

const at = <T>(list: readonly T[], i: number): T => list[i] as T;

// --- functions of numbers ---

/** erf by its continued fraction for large arguments and its alternating series for small ones. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 2.5) {
    let [term, sum] = [a, a];
    for (let n = 1; n < 90; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let k = 80; k > 0; k--) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

const roundToEven = (x: number): number => {
  const nearest = Math.round(x);
  return Math.abs(x % 1) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
};

const unary: Record<string, (x: number) => number> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundToEven,
  exp: Math.exp,
  log: Math.log,
  log1p: Math.log1p,
  expm1: Math.expm1,
  sqrt: Math.sqrt,
  reciprocal: (x) => 1 / x,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  softplus: (x) => (x > 30 ? x : Math.log1p(Math.exp(x))),
  relu: (x) => (x > 0 ? x : 0 * x),
  erf,
  not: (x) => (x === 0 ? 1 : 0),
  isNaN: (x) => (Number.isNaN(x) ? 1 : 0),
  identity: (x) => x,
  stopGradient: (x) => x,
};

const truth = (value: boolean): number => (value ? 1 : 0);

const binary: Record<string, (x: number, y: number, isInteger: boolean) => number> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y, isInteger) => (isInteger ? Math.trunc(x / y) : x / y),
  pow: (x, y) => x ** y,
  mod: (x, y) => x - y * Math.floor(x / y),
  maximum: (x, y) => Math.max(x, y),
  minimum: (x, y) => Math.min(x, y),
  equal: (x, y) => truth(x === y),
  less: (x, y) => truth(x < y),
  lessEqual: (x, y) => truth(x <= y),
  and: (x, y) => truth(x !== 0 && y !== 0),
  or: (x, y) => truth(x !== 0 || y !== 0),
  xor: (x, y) => truth((x !== 0) !== (y !== 0)),
};

// --- reductions ---

function reduce(
  x: Value,
  { axes, keepDims }: { axes: number[]; keepDims: boolean },
  start: number,
  join: (a: number, b: number) => number,
): Value {
  const kept = x.shape.map((n, i) => (axes.includes(i) ? 1 : n));
  const data = new Float64Array(size(kept)).fill(start);
  indices(x.shape).forEach((index, i) => {
    const to = offset(
      kept,
      index.map((k, axis) => (axes.includes(axis) ? 0 : k)),
    );
    data[to] = join(data[to] as number, x.data[i] as number);
  });
  return { shape: keepDims ? kept : x.shape.filter((_, i) => !axes.includes(i)), data };
}

/** The elements along an axis, for each place beside it. */
function rows(x: Value, axis: number): { index: number[]; row: number[] }[] {
  return indices(x.shape.map((n, i) => (i === axis ? Math.min(1, n) : n))).map((index) => ({
    index,
    row: Array.from({ length: x.shape[axis] as number }, (_, k) => read(x, index.with(axis, k))),
  }));
}

/** Replaces each row along an axis by another of the same (or a new common) length. */
function mapRows(x: Value, axis: number, fn: (row: number[]) => number[], length = x.shape[axis] as number): Value {
  const shape = x.shape.with(axis, length);
  const data = new Float64Array(size(shape));
  for (const { index, row } of rows(x, axis)) {
    fn(row).forEach((value, k) => {
      data[offset(shape, index.with(axis, k))] = value;
    });
  }
  return { shape, data };
}

const softmax = (row: number[]): number[] => {
  const top = Math.max(...row);
  const powers = row.map((v) => Math.exp(v - top));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((v) => v / total);
};

// --- convolution ---

const convolved = (x: Value, w: Value, p: ConvParams, shape: readonly number[]): Value =>
  accumulate(shape, (add) =>
    eachProduct(x.shape, w.shape, shape, p, (xi, wi, yi) => add(yi, read(x, xi) * read(w, wi))),
  );

interface ConvParams {
  stride: number[];
  dilation: number[];
  before: number[];
  after: number[];
  groups: number;
  shape: number[];
}

/** Calls `visit` for every product that a convolution adds up. */
function eachProduct(
  x: readonly number[],
  w: readonly number[],
  y: readonly number[],
  p: ConvParams,
  visit: (x: Index, w: Index, y: Index) => void,
): void {
  const perGroup = (w[0] as number) / p.groups;
  for (const yi of indices(y)) {
    for (const wi of indices(w.slice(1))) {
      const [b, o, ...position] = yi as [number, number, ...number[]];
      const [c, ...tap] = wi as [number, ...number[]];
      const place = position.map((n, i) => n * at(p.stride, i) + at(tap, i) * at(p.dilation, i) - at(p.before, i));
      if (place.some((n, i) => n < 0 || n >= (x[i + 2] as number))) continue;
      const channel = Math.floor(o / perGroup) * (w[1] as number) + c;
      visit([b, channel, ...place], [o, ...wi], yi);
    }
  }
}

function accumulate(shape: readonly number[], run: (add: (index: Index, value: number) => void) => void): Value {
  const data = new Float64Array(size(shape));
  run((index, value) => {
    data[offset(shape, index)] = (data[offset(shape, index)] as number) + value;
  });
  return { shape, data };
}

// --- 32-bit words ---

const mix = (word: number): number => {
  let x = word | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
};

/** Whole-number results keep to 32 bits where the type has no more. */
const wrapTo = (type: TensorType, value: number): number =>
  type.dtype === "int32" ? Number(BigInt.asIntN(32, BigInt(value))) : value;

type Rule = (inputs: readonly Value[], node: Node<Params>) => Value[];

const one =
  (fn: (inputs: readonly Value[], params: never, node: Node<Params>) => Value): Rule =>
  (inputs, node) => [fn(inputs, node.params as never, node)];

const wholeIndex = (value: number, n: number): number => (value < 0 ? value + n : value);

/** Evaluates a body of control flow. */
const call = (body: Graph, inputs: readonly Value[]): Value[] => interpret(body, inputs);

const stack = (values: readonly Value[], shape: readonly number[]): Value => ({
  shape: [values.length, ...shape],
  data: Float64Array.from(values.flatMap((v) => Array.from(v.data))),
});

const slab = (x: Value, i: number): Value => {
  const shape = x.shape.slice(1);
  return { shape, data: x.data.slice(i * size(shape), (i + 1) * size(shape)) };
};

/** Rows [start, stop) of a matrix for each group. */
function groupsOf(rowsOf: Value, counts: Value): Value[] {
  let start = 0;
  return Array.from(counts.data, (n) => {
    const width = rowsOf.shape[1] as number;
    const part = { shape: [n, width], data: rowsOf.data.slice(start * width, (start + n) * width) };
    start += n;
    return part;
  });
}

function matmul(
  a: Value,
  b: Value,
  { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean },
  shape: readonly number[],
): Value {
  const inner = a.shape.at(transposeA ? -2 : -1) as number;
  return make(shape, (index) => {
    const [i, j] = index.slice(-2) as [number, number];
    const batch = index.slice(0, -2);
    let sum = 0;
    for (let k = 0; k < inner; k++)
      sum +=
        read(a, [...batch, ...(transposeA ? [k, i] : [i, k])]) * read(b, [...batch, ...(transposeB ? [j, k] : [k, j])]);
    return sum;
  });
}

/** One rule for each primitive. */
export const rules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(
    Object.entries(unary).map(([name, fn]) => [
      name,
      one(([x]) => ({ shape: (x as Value).shape, data: (x as Value).data.map(fn) })),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(binary).map(([name, fn]) => [
      name,
      one(([x, y], _, node) => {
        const type = node.outputs[0] as Tensor;
        const isInteger = !isFloat((node.inputs[0] as Tensor).dtype);
        return make(type.shape, (index) =>
          wrapTo(type, fn(read(x as Value, index), read(y as Value, index), isInteger)),
        );
      }),
    ]),
  ),
  gelu: one(([x], { approximate }: { approximate: string }) => ({
    shape: (x as Value).shape,
    data: (x as Value).data.map((v) =>
      approximate === "none"
        ? 0.5 * v * (1 + erf(v / Math.SQRT2))
        : 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
    ),
  })),
  where: one(([c, x, y], _, node) =>
    make(at(node.outputs, 0).shape, (index) =>
      read(c as Value, index) ? read(x as Value, index) : read(y as Value, index),
    ),
  ),
  cast: one(([x], { dtype }: { dtype: string }) => ({
    shape: (x as Value).shape,
    data: (x as Value).data.map((v) =>
      dtype === "bool" ? truth(v !== 0) : dtype.startsWith("float") ? v : Math.trunc(v),
    ),
  })),
  reshape: one(([x], { shape }: { shape: number[] }) => ({ shape, data: (x as Value).data })),
  transpose: one(([x], { permutation }: { permutation: number[] }, node) =>
    make(at(node.outputs, 0).shape, (index) =>
      read(
        x as Value,
        permutation.map((_, axis) => index[permutation.indexOf(axis)] as number),
      ),
    ),
  ),
  broadcastTo: one(([x], { shape }: { shape: number[] }) => make(shape, (index) => read(x as Value, index))),
  slice: one(([x], { starts, steps }: { starts: number[]; steps: number[] }, node) =>
    make(at(node.outputs, 0).shape, (index) =>
      read(
        x as Value,
        index.map((i, axis) => at(starts, axis) + i * at(steps, axis)),
      ),
    ),
  ),
  pad: one(([x], { before, value }: { before: number[]; value: number }, node) =>
    make(at(node.outputs, 0).shape, (index) => {
      const from = index.map((i, axis) => i - at(before, axis));
      return from.every((i, axis) => i >= 0 && i < ((x as Value).shape[axis] as number))
        ? read(x as Value, from)
        : value;
    }),
  ),
  concat: one((xs, { axis }: { axis: number }, node) =>
    make(at(node.outputs, 0).shape, (index) => {
      let k = index[axis] as number;
      const part = xs.find((x) => {
        const here = k < (x.shape[axis] as number);
        if (!here) k -= x.shape[axis] as number;
        return here;
      });
      return read(part as Value, index.with(axis, k));
    }),
  ),
  split: ([x], { params, outputs }) => {
    const { axis, sizes } = params as { axis: number; sizes: number[] };
    return outputs.map((y, part) => {
      const start = sizes.slice(0, part).reduce((a, b) => a + b, 0);
      return make(y.shape, (index) => read(x as Value, index.with(axis, start + (index[axis] as number))));
    });
  },
  sum: one(([x], params: never, node) => {
    const y = reduce(x as Value, params, 0, (a, b) => a + b);
    return { shape: y.shape, data: y.data.map((v) => wrapTo(at(node.outputs, 0), v)) };
  }),
  prod: one(([x], params: never, node) => {
    const y = reduce(x as Value, params, 1, (a, b) => a * b);
    return { shape: y.shape, data: y.data.map((v) => wrapTo(at(node.outputs, 0), v)) };
  }),
  max: one(([x], params: never) => reduce(x as Value, params, Number.NEGATIVE_INFINITY, Math.max)),
  min: one(([x], params: never) => reduce(x as Value, params, Number.POSITIVE_INFINITY, Math.min)),
  argMax: one(([x], params: never, node) => arg(x as Value, params, at(node.outputs, 0).shape, (a, b) => a > b)),
  argMin: one(([x], params: never, node) => arg(x as Value, params, at(node.outputs, 0).shape, (a, b) => a < b)),
  cumulativeSum: one(([x], { axis, reverse, exclusive }: { axis: number; reverse: boolean; exclusive: boolean }) =>
    mapRows(x as Value, axis, (row) =>
      row.map((_, t) =>
        row.reduce((total, v, s) => ((reverse ? s > t : s < t) || (s === t && !exclusive) ? total + v : total), 0),
      ),
    ),
  ),
  take: one(([x, index], { axis }: { axis: number }, node) => {
    const [data, picks] = [x as Value, index as Value];
    const k = picks.shape.length;
    return make(at(node.outputs, 0).shape, (to) => {
      const from = wholeIndex(read(picks, to.slice(axis, axis + k)), data.shape[axis] as number);
      return read(data, [...to.slice(0, axis), from, ...to.slice(axis + k)]);
    });
  }),
  scatterAdd: one(([x, index, updates], { axis }: { axis: number }) => {
    const [data, picks, added] = [x as Value, index as Value, updates as Value];
    const k = picks.shape.length;
    return accumulate(data.shape, (add) => {
      for (const i of indices(data.shape)) add(i, read(data, i));
      for (const i of indices(added.shape)) {
        const to = wholeIndex(read(picks, i.slice(axis, axis + k)), data.shape[axis] as number);
        add([...i.slice(0, axis), to, ...i.slice(axis + k)], read(added, i));
      }
    });
  }),
  takeAlong: one(([x, index], { axis }: { axis: number }) => {
    const [data, picks] = [x as Value, index as Value];
    return make(picks.shape, (i) => read(data, i.with(axis, wholeIndex(read(picks, i), data.shape[axis] as number))));
  }),
  scatterAddAlong: one(([x, index, updates], { axis }: { axis: number }) => {
    const [data, picks, added] = [x as Value, index as Value, updates as Value];
    return accumulate(data.shape, (add) => {
      for (const i of indices(data.shape)) add(i, read(data, i));
      for (const i of indices(picks.shape))
        add(i.with(axis, wholeIndex(read(picks, i), data.shape[axis] as number)), read(added, i));
    });
  }),
  topK: ([x], { params }) => {
    const { k, axis, largest } = params as { k: number; axis: number; largest: boolean };
    const order = (row: number[]) =>
      row
        .map((_, i) => i)
        .sort((a, b) => (largest ? at(row, b) - at(row, a) : at(row, a) - at(row, b)) || a - b)
        .slice(0, k);
    return [
      mapRows(x as Value, axis, (row) => order(row).map((i) => at(row, i)), k),
      mapRows(x as Value, axis, order, k),
    ];
  },
  matmul: one(([a, b], params: never, node) => matmul(a as Value, b as Value, params, at(node.outputs, 0).shape)),
  softmax: one(([x], { axis }: { axis: number }) => mapRows(x as Value, axis, softmax)),
  maskedSoftmax: one(([x, mask], { axis }: { axis: number }) => {
    const { shape } = x as Value;
    const scores = make(shape, (index) =>
      read(mask as Value, index) ? read(x as Value, index) : Number.NEGATIVE_INFINITY,
    );
    return mapRows(scores, axis, (row) => (row.every((v) => v < -1e300) ? row.map(() => 0) : softmax(row)));
  }),
  logSoftmax: one(([x], { axis }: { axis: number }) =>
    mapRows(x as Value, axis, (row) => {
      const top = Math.max(...row);
      const log = top + Math.log(row.reduce((total, v) => total + Math.exp(v - top), 0));
      return row.map((v) => v - log);
    }),
  ),
  layerNormalize: ([x, scale, bias], { params }) => {
    const { eps } = params as { eps: number };
    const last = (x as Value).shape.length - 1;
    const width = (x as Value).shape[last] as number;
    const mean = (row: number[]) => row.reduce((a, b) => a + b, 0) / width;
    const inverse = (row: number[]) => 1 / Math.sqrt(row.reduce((t, v) => t + (v - mean(row)) ** 2, 0) / width + eps);
    const affine = (row: number[]) =>
      row.map(
        (v, i) => (v - mean(row)) * inverse(row) * at([...(scale as Value).data], i) + at([...(bias as Value).data], i),
      );
    return [
      mapRows(x as Value, last, affine),
      mapRows(x as Value, last, (row) => [mean(row)], 1),
      mapRows(x as Value, last, (row) => [inverse(row)], 1),
    ];
  },
  complexMul: one(([x, re, im]) => {
    const { shape } = x as Value;
    const width = (shape.at(-1) as number) / 2;
    return make(shape, (index) => {
      const [column, outer] = [index.at(-1) as number, index.slice(0, -1)];
      const place = [index.at(-2) as number, column % width];
      const [a, b] = [
        read(x as Value, [...outer, column % width]),
        read(x as Value, [...outer, (column % width) + width]),
      ];
      const [c, s] = [read(re as Value, place), read(im as Value, place)];
      return column < width ? a * c - b * s : b * c + a * s;
    });
  }),
  conv: one(([x, w], p: ConvParams, node) => convolved(x as Value, w as Value, p, at(node.outputs, 0).shape)),
  convWithBias: one(([x, w, bias], p: ConvParams, node) => {
    const y = convolved(x as Value, w as Value, p, at(node.outputs, 0).shape);
    return make(y.shape, (index) => read(y, index) + read(bias as Value, [at(index, 1)]));
  }),
  convInputGradient: one(([dy, w], p: ConvParams) => {
    const [a, b] = [dy as Value, w as Value];
    return accumulate(p.shape, (add) =>
      eachProduct(p.shape, b.shape, a.shape, p, (xi, wi, yi) => add(xi, read(a, yi) * read(b, wi))),
    );
  }),
  convWeightGradient: one(([x, dy], p: ConvParams) => {
    const [a, b] = [x as Value, dy as Value];
    return accumulate(p.shape, (add) =>
      eachProduct(a.shape, p.shape, b.shape, p, (xi, wi, yi) => add(wi, read(a, xi) * read(b, yi))),
    );
  }),
  groupedMatmul: ([x, counts, ...weights], { params, outputs }) => {
    const { transposed } = params as { transposed: boolean };
    const columns = at(outputs, 0).shape[1] as number;
    const parts = groupsOf(x as Value, counts as Value).map((part, g) =>
      matmul(part, at(weights, g), { transposeA: false, transposeB: transposed }, [part.shape[0] as number, columns]),
    );
    return [{ shape: at(outputs, 0).shape, data: Float64Array.from(parts.flatMap((part) => Array.from(part.data))) }];
  },
  expertSum: ([x, chosen, up, down, bias], { params, outputs }) => {
    const { activation } = params as { activation: "relu" | "silu" | "geluTanh" | "identity" | "swiglu" };
    const [rows, width] = at(outputs, 0).shape as [number, number];
    const [count, units] = [chosen?.shape[1] as number, down?.shape[2] as number];
    const element = (of: Value | undefined, ...index: number[]): number =>
      of ? (of.data[index.reduce((place, i, axis) => place * (of.shape[axis] as number) + i, 0)] as number) : 0;
    const data = new Float64Array(rows * width);
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < count; c++)
        for (let u = 0; u < units; u++) {
          const e = element(chosen, r, c);
          const dot = (k: number): number => {
            let total = element(bias, e, k);
            for (let i = 0; i < width; i++) total += element(x, r, i) * element(up, e, k, i);
            return total;
          };
          const silu = (z: number): number => z / (1 + Math.exp(-z));
          const hidden = {
            relu: () => Math.max(0, dot(u)),
            silu: () => silu(dot(u)),
            geluTanh: () => (dot(u) / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (dot(u) + 0.044715 * dot(u) ** 3))),
            identity: () => dot(u),
            swiglu: () => silu(dot(2 * u)) * dot(2 * u + 1),
          }[activation]();
          for (let i = 0; i < width; i++) (data[r * width + i] as number) += hidden * element(down, e, i, u);
        }
    return [{ shape: [rows, width], data }];
  },
  quantizedMatmul: ([x, codes, scales], { params }) => {
    const { inputs, block, bits } = params as { inputs: number; block: number; bits: number };
    const [rows, outputs, blocks] = [x?.shape[0] as number, codes?.shape[0] as number, codes?.shape[1] as number];
    const perByte = 8 / bits;
    const weight = (i: number, o: number): number => {
      const place = o * blocks * block + i;
      const byte = codes?.data[Math.floor(place / perByte)] as number;
      const code = Math.floor(byte / 2 ** (bits * (place % perByte))) % 2 ** bits;
      return (scales?.data[o * blocks + Math.floor(i / block)] as number) * (code - 2 ** (bits - 1));
    };
    const data = new Float64Array(rows * outputs);
    for (let r = 0; r < rows; r++)
      for (let o = 0; o < outputs; o++)
        for (let i = 0; i < inputs; i++)
          (data[r * outputs + o] as number) += (x?.data[r * inputs + i] as number) * weight(i, o);
    return [{ shape: [rows, outputs], data }];
  },
  groupedOuter: ([a, b, counts], { outputs }) => {
    const [left, right] = [groupsOf(a as Value, counts as Value), groupsOf(b as Value, counts as Value)];
    return outputs.map((y, g) => matmul(at(left, g), at(right, g), { transposeA: true, transposeB: false }, y.shape));
  },
  randomBits: one(([key], { shape }: { shape: number[] }) => {
    const [k0, k1] = (key as Value).data as unknown as [number, number];
    return { shape, data: Float64Array.from({ length: size(shape) }, (_, i) => mix((mix((i ^ k0) | 0) + k1) | 0)) };
  }),
  top24Bits: one(([x]) => ({ shape: (x as Value).shape, data: (x as Value).data.map((v) => (v | 0) >>> 8) })),
  attachGradient: (inputs, { params }) => inputs.slice(0, (params as { count: number }).count),
  cond: ([predicate, ...operands], { bodies }) => call(at(bodies, (predicate as Value).data[0] ? 0 : 1), operands),
  scan: (inputs, { params, bodies, outputs }) => {
    const { carries, sequences, length, reverse } = params as {
      carries: number;
      sequences: number;
      length: number;
      reverse: boolean;
    };
    const body = at(bodies, 0);
    const perStep = body.outputs.length - carries;
    const stacks: Value[][] = Array.from({ length: perStep + carries }, () => []);
    let carried = inputs.slice(0, carries);
    for (let n = 0; n < length; n++) {
      const t = reverse ? length - 1 - n : n;
      const results = call(body, [
        ...carried,
        ...inputs.slice(carries, carries + sequences).map((x) => slab(x, t)),
        ...inputs.slice(carries + sequences),
      ]);
      results.slice(carries).forEach((y, i) => {
        at(stacks, i)[t] = y;
      });
      carried.forEach((c, i) => {
        at(stacks, perStep + i)[t] = c;
      });
      carried = results.slice(0, carries);
    }
    return [...carried, ...stacks.map((list, i) => stack(list, at(outputs, carries + i).shape.slice(1)))];
  },
  whileLoop: (inputs, { params, bodies, outputs }) => {
    const { carries, maxSteps } = params as { carries: number; maxSteps: number | null };
    const [test, body] = bodies as readonly [Graph, Graph];
    const captured = inputs.slice(carries);
    let carried = inputs.slice(0, carries);
    const history: Value[][] = carried.map(() => []);
    let count = 0;
    while ((maxSteps === null || count < maxSteps) && at(call(test, [...carried, ...captured]), 0).data[0]) {
      carried.forEach((c, i) => {
        at(history, i).push(c);
      });
      carried = call(body, [...carried, ...captured]);
      count++;
    }
    const padded =
      maxSteps === null
        ? []
        : history.map((list, i) => {
            const { shape } = at(outputs, carries + 1 + i);
            const data = new Float64Array(size(shape));
            list.forEach((v, t) => {
              data.set(v.data, t * size(shape.slice(1)));
            });
            return { shape, data };
          });
    return [...carried, { shape: [], data: Float64Array.of(count) }, ...padded];
  },
};

function arg(
  x: Value,
  { axis, keepDims }: { axis: number; keepDims: boolean },
  shape: readonly number[],
  wins: (a: number, b: number) => boolean,
): Value {
  const y = mapRows(x, axis, (row) => [row.reduce((best, v, i) => (wins(v, at(row, best)) ? i : best), 0)], 1);
  return { shape: keepDims ? y.shape : shape, data: y.data };
}

/** The outputs of a graph for these inputs. */
export function interpret(graph: Graph, inputs: readonly Value[]): Value[] {
  const known = new Map<Tensor, Value>();
  graph.inputs.forEach((x, i) => {
    known.set(x, at(inputs, i));
  });
  for (const node of nodesOf(graph.outputs) as unknown as Node<Params>[]) {
    if (node.rules.name === "input") continue;
    if (node.rules.name === "constant") {
      known.set(at(node.outputs, 0), valueOf(at(node.outputs, 0)));
      continue;
    }
    const rule = rules[node.rules.name];
    if (!rule) throw new Error(`the oracle has no rule for "${node.rules.name}"`);
    const results = rule(
      node.inputs.map((x) => known.get(x) as Value),
      node,
    );
    node.outputs.forEach((y, i) => {
      const value = at(results, i);
      if (size(value.shape) !== value.data.length || value.shape.join() !== y.shape.join()) {
        throw new Error(
          `${node.rules.name}: the oracle computes shape [${value.shape}], the shape rule says [${y.shape}]`,
        );
      }
      known.set(y, value);
    });
  }
  return graph.outputs.map((x) => known.get(x) as Value);
}

/** A concrete tensor as a value of the oracle. */
export function valueOf(x: Tensor): Value {
  const data = constantData(x);
  if (!data) throw new Error(`${x} is symbolic`);
  return { shape: x.shape, data: Float64Array.from({ length: data.length }, (_, i) => getElement(x.dtype, data, i)) };
}
