/** The Walsh-Hadamard transform of lengths that are powers of two: in graphs as products with small matrices, and on the host. */
import { shared, table } from "../array/dft.ts";
import { matmul, mul, reshape, type Tensor } from "../array/index.ts";
import { normalizeAxis, sizeOf } from "../array/shape.ts";
import { parity } from "./gf2.ts";

export interface WalshHadamardOptions {
  /** The axis to transform; the last by default. */
  readonly axis?: number;
  /**
   * `none` (the default): plain sums, so that the transform of the transform is the length times its argument.
   * `orthonormal`: over the root of the length, which makes it its own inverse. `inverse`: over the length.
   */
  readonly scale?: "none" | "orthonormal" | "inverse";
}

/** Bits that one product with a dense matrix transforms: larger matrices do more work than another pass costs. */
const STAGE_BITS = 6;

function bitsOf(operation: string, length: number): number {
  const bits = Math.log2(length);
  if (length < 1 || !Number.isInteger(bits))
    throw new RangeError(`${operation}: expected a length that is a power of two, got ${length}`);
  return bits;
}

/** `(-1)^<row, column>`, `[size, size]`, times a factor. */
const hadamard = (size: number, factor: number, dtype: Tensor["dtype"]): Tensor =>
  shared(`hadamard ${size} ${factor} ${dtype}`, () => {
    const value = (i: number) => (parity(Math.floor(i / size) & (i % size)) === 1 ? -factor : factor);
    const made = table([size, size], dtype, value);
    return { re: made, im: made };
  }).re;

/**
 * Walsh-Hadamard transform along an axis in the natural (Hadamard) order: `X_k = scale·Σ_m (-1)^<k,m> x_m`, where `<k,m>`
 * counts the bits that both indices have. The axis has a power of two elements. It is symmetric, so its gradient is itself.
 */
export function walshHadamard(x: Tensor, { axis = -1, scale = "none" }: WalshHadamardOptions = {}): Tensor {
  const at = normalizeAxis("walshHadamard", axis, x.rank);
  const length = x.shape[at] as number;
  const bits = bitsOf("walshHadamard", length);
  const factors = { none: 1, orthonormal: 1 / Math.sqrt(length), inverse: 1 / length };
  const factor = factors[scale];
  if (factor === undefined)
    throw new RangeError(`walshHadamard: scale is none, orthonormal or inverse, got ${JSON.stringify(scale)}`);
  if (bits === 0) return mul(x, factor);
  // The matrix is the Kronecker product of that of each part of the bits, the highest first.
  const count = Math.ceil(bits / STAGE_BITS);
  const sizes = Array.from(
    { length: count },
    (_, i) => 2 ** (Math.floor(((i + 1) * bits) / count) - Math.floor((i * bits) / count)),
  );
  const outer = sizeOf(x.shape.slice(0, at));
  const inner = sizeOf(x.shape.slice(at + 1));
  let y = x;
  let [before, after] = [outer, length * inner];
  for (const [i, size] of sizes.entries()) {
    after /= size;
    const matrix = hadamard(size, i === 0 ? factor : 1, x.dtype);
    y = after === 1 ? matmul(reshape(y, [before, size]), matrix) : matmul(matrix, reshape(y, [before, size, after]));
    before *= size;
  }
  return reshape(y, x.shape);
}

/** Elements that stay in the nearest cache while all their stages are done. */
const CACHED = 2 ** 13;

/**
 * Walsh-Hadamard transform of an array on the host, in place: `X_k = Σ_m (-1)^<k,m> x_m` without a factor. Rows of `length`
 * elements, by default the whole array, are transformed each by itself. Takes `n·log2(n)` additions.
 */
export function fwht(x: Float64Array, length: number = x.length): Float64Array {
  bitsOf("fwht", length);
  if (x.length % length !== 0) throw new RangeError(`fwht: ${x.length} elements are no rows of ${length}`);
  const near = Math.min(length, CACHED);
  for (let start = 0; start < x.length; start += near) butterflies(x, start, near, 1);
  for (let start = 0; start < x.length; start += length) butterflies(x, start, length, near);
  return x;
}

/** The stages of distances `from` to `length/2`, two at a time. */
function butterflies(x: Float64Array, start: number, length: number, from: number): void {
  let distance = from;
  for (; 4 * distance <= length; distance *= 4) {
    for (let block = start; block < start + length; block += 4 * distance) {
      for (let i = block; i < block + distance; i++) {
        const [p, q, r] = [i + distance, i + 2 * distance, i + 3 * distance];
        const a = x[i] as number;
        const b = x[p] as number;
        const c = x[q] as number;
        const d = x[r] as number;
        x[i] = a + b + (c + d);
        x[p] = a - b + (c - d);
        x[q] = a + b - (c + d);
        x[r] = a - b - (c - d);
      }
    }
  }
  if (2 * distance > length) return;
  for (let i = start; i < start + distance; i++) {
    const a = x[i] as number;
    const b = x[i + distance] as number;
    x[i] = a + b;
    x[i + distance] = a - b;
  }
}
