/** Cosine transforms. */
import { matmul, swapAxes, type Tensor, tensor } from "../array/index.ts";

export interface DctOptions {
  /** The axis to transform; the last by default. */
  readonly axis?: number;
}

/** Row k is the k-th cosine at the points of a grid: `[frequencies, n]`, orthonormal rows. */
function cosines(frequencies: number, n: number, dtype: Tensor["dtype"]): Tensor {
  const data = Float64Array.from({ length: frequencies * n }, (_, i) => {
    const [k, t] = [Math.floor(i / n), i % n];
    // The angle is reduced in whole numbers, which keeps it exact.
    return Math.sqrt((k === 0 ? 1 : 2) / n) * Math.cos((Math.PI * ((k * (2 * t + 1)) % (4 * n))) / (2 * n));
  });
  return tensor(dtype === "float64" ? data : Float32Array.from(data), { shape: [frequencies, n], dtype });
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

/**
 * Orthonormal cosine transform (DCT-II): `X_k = c_k·Σ_t x_t cos(π·k·(2t + 1)/2n)`, `c_0 = √(1/n)`, else `√(2/n)`: sums of
 * squares are kept. It takes x for one half of an even periodic function. Only the lowest `frequencies` are computed; all
 * n by default. A product with a matrix: any length, at a cost of n times the frequencies.
 * Source: Ahmed et al. 1974, "Discrete cosine transform".
 */
export function dct(
  x: Tensor,
  { axis = -1, frequencies }: DctOptions & { readonly frequencies?: number } = {},
): Tensor {
  const n = extentOf("dct", x, axis);
  const kept = frequencies ?? n;
  checkCount("dct", "frequencies", kept, n);
  return along(x, axis, cosines(kept, n, x.dtype));
}

/**
 * Inverse of `dct`: `length` values (by default as many as there are frequencies) from the lowest frequencies; those that
 * are missing are zeros, which cost nothing.
 */
export function idct(z: Tensor, { axis = -1, length }: DctOptions & { readonly length?: number } = {}): Tensor {
  const kept = extentOf("idct", z, axis);
  const n = length ?? kept;
  checkCount("idct", "length", n, Number.MAX_SAFE_INTEGER);
  checkCount("idct", `frequencies for a length of ${n}`, kept, n);
  return along(z, axis, swapAxes(cosines(kept, n, z.dtype), 0, 1));
}
