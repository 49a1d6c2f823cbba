/** Orthonormal transforms as products with a matrix: any length, and only the coefficients that are asked for. */
import { matmul, swapAxes, type Tensor, tensor } from "../array/index.ts";

export interface AxisOptions {
  /** The axis to transform; the last by default. */
  readonly axis?: number;
}

/** The entry of row `k` at point `t` of an orthonormal basis of `n` points. */
type Basis = (k: number, t: number, n: number) => number;

/** The first rows of the basis: `[count, n]`. */
function rows(basis: Basis, count: number, n: number, dtype: Tensor["dtype"]): Tensor {
  const data = Float64Array.from({ length: count * n }, (_, i) => basis(Math.floor(i / n), i % n, n));
  return tensor(data, { shape: [count, n], dtype });
}

function checkCount(operation: string, name: string, value: number, most: number): void {
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw new RangeError(`${operation}: ${name} must be a whole number from 1 to ${most}, got ${value}`);
}

/** `matrix·x` along an axis. */
function along(x: Tensor, axis: number, matrix: Tensor): Tensor {
  const at = axis < 0 ? axis + x.rank : axis;
  if (at === x.rank - 1) return matmul(x, matrix, { transposeB: true });
  if (at === x.rank - 2) return matmul(matrix, x);
  return swapAxes(matmul(swapAxes(x, at, -1), matrix, { transposeB: true }), at, -1);
}

const extentOf = (operation: string, x: Tensor, axis: number): number => {
  const n = x.shape.at(axis);
  if (n === undefined || n < 1)
    throw new RangeError(`${operation}: axis ${axis} of shape [${x.shape.join(", ")}] is empty`);
  return n;
};

/** What a transform is called in errors, and what its numbers are. */
interface Names {
  readonly operation: string;
  readonly coefficients: string;
}

/** The first `count` coefficients of x in the basis, or all of them. */
export function coefficientsIn(basis: Basis, x: Tensor, axis: number, count: number | undefined, names: Names): Tensor {
  const n = extentOf(names.operation, x, axis);
  const kept = count ?? n;
  checkCount(names.operation, names.coefficients, kept, n);
  return along(x, axis, rows(basis, kept, n, x.dtype));
}

/** `length` values from their first coefficients in the basis; those that are missing are zeros, which cost nothing. */
export function valuesFrom(basis: Basis, z: Tensor, axis: number, length: number | undefined, names: Names): Tensor {
  const kept = extentOf(names.operation, z, axis);
  const n = length ?? kept;
  checkCount(names.operation, "length", n, Number.MAX_SAFE_INTEGER);
  checkCount(names.operation, `${names.coefficients} for a length of ${n}`, kept, n);
  return along(z, axis, swapAxes(rows(basis, kept, n, z.dtype), 0, 1));
}
