/** Plain JavaScript in double precision, written for clarity: what layers are checked against. */
import {
  cast,
  compile,
  evaluate,
  flatten,
  key,
  mapTree,
  normal,
  type Tensor,
  type Tree,
  tensor,
  valueAndGrad,
} from "../../src/array/index.ts";

export type Matrix = readonly (readonly number[])[];

/** Deterministic numbers between -1 and 1, without any code under test. */
export function numbers(count: number, seed = 1): number[] {
  let state = seed >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export const matrix = (rows: number, columns: number, seed = 1): number[][] => {
  const flat = numbers(rows * columns, seed);
  return Array.from({ length: rows }, (_, i) => flat.slice(i * columns, (i + 1) * columns));
};

export const product = (a: Matrix, b: Matrix): number[][] =>
  a.map((row) => (b[0] as number[]).map((_, j) => row.reduce((total, x, k) => total + x * (b[k]?.[j] as number), 0)));

export const affine = (x: Matrix, weight: Matrix, bias: readonly number[]): number[][] =>
  product(x, weight).map((row) => row.map((y, j) => y + (bias[j] as number)));

export const each = (x: Matrix, fn: (value: number) => number): number[][] => x.map((row) => row.map(fn));

export function softmaxRow(row: readonly number[]): number[] {
  const top = Math.max(...row);
  const powers = row.map((x) => Math.exp(x - top));
  const total = powers.reduce((sum, p) => sum + p, 0);
  return powers.map((p) => p / total);
}

/** The error function by its Taylor series, good to 1e-13 for |x| < 4. */
export function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 100; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

export const gelu = (x: number): number => (x * (1 + erf(x / Math.SQRT2))) / 2;
export const silu = (x: number): number => x / (1 + Math.exp(-x));

/** The largest difference between two lists of numbers; NaN counts as infinite. */
export function distance(a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(Number(a[i]) - Number(b[i]));
    worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
  }
  return worst;
}

/** Number of elements of all tensors of a tree. */
export const parameterCount = (tree: Tree): number => flatten(tree).leaves.reduce((total, { size }) => total + size, 0);

/** The tree in double precision. */
export const inDouble = <T extends Tree>(tree: T): T => mapTree(tree, (x) => cast(x, "float64"));

/**
 * Relative error of the gradient of a scalar function along a random direction, against a central difference, all in
 * double precision.
 */
export async function gradientError<T extends Tree>(loss: (at: T) => Tensor, point: T): Promise<number> {
  const at = await evaluate(inDouble(point));
  const { leaves, rebuild } = flatten(at);
  const direction = flatten(
    await evaluate(rebuild(leaves.map((x, i) => normal(key(i + 100), x.shape, { dtype: "float64" })))),
  ).leaves;
  const step = 1e-5;
  const moved = (sign: number): T => rebuild(leaves.map((x, i) => shift(x, direction[i] as Tensor, sign * step)));
  const value = compile(loss);
  const [[, gradient], above, below] = [
    await compile(valueAndGrad(loss))(at),
    await value(moved(1)),
    await value(moved(-1)),
  ];
  const expected = (Number(above.data[0]) - Number(below.data[0])) / (2 * step);
  const got = flatten(gradient as Tree).leaves.reduce((total, g, i) => total + dot(g, direction[i] as Tensor), 0);
  return Math.abs(got - expected) / Math.max(1e-3, Math.abs(expected));
}

const shift = (x: Tensor, direction: Tensor, step: number): Tensor =>
  tensor(
    Float64Array.from(x.data as Float64Array, (value, i) => value + step * Number(direction.data[i])),
    { shape: x.shape },
  );

const dot = (a: Tensor, b: Tensor): number =>
  (a.data as Float64Array).reduce((total, x, i) => total + x * Number(b.data[i]), 0);
