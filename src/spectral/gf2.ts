/**
 * Vectors and matrices over the field of two elements. A vector of up to 30 bits is a whole number, its bit `q` standing for
 * component `q`; a matrix is the list of its columns.
 */

/** Most components of a vector. */
export const MOST_BITS = 30;

/** 1 if an odd number of bits is set, else 0. */
export function parity(x: number): 0 | 1 {
  let y = x ^ (x >>> 16);
  y ^= y >>> 8;
  y ^= y >>> 4;
  // The parities of all 16 numbers of four bits, in one number.
  return ((0x6996 >>> (y & 15)) & 1) as 0 | 1;
}

/** The inner product of two vectors. */
export const dot = (a: number, b: number): 0 | 1 => parity(a & b);

/** The matrix times a vector: the sum of the columns whose bits are set. */
export function multiply(columns: readonly number[], x: number): number {
  let sum = 0;
  for (let i = 0; i < columns.length; i++) if ((x >>> i) & 1) sum ^= columns[i] as number;
  return sum;
}

/** The transposed matrix times a vector: its inner products with the columns. */
export function multiplyTransposed(columns: readonly number[], x: number): number {
  let result = 0;
  for (let i = 0; i < columns.length; i++) result |= dot(columns[i] as number, x) << i;
  return result;
}

/** The matrix times every vector, in the order of the vectors as numbers. */
export function span(columns: readonly number[]): Uint32Array {
  const all = new Uint32Array(2 ** columns.length);
  columns.forEach((column, i) => {
    for (let x = 0; x < 1 << i; x++) all[x + (1 << i)] = (all[x] as number) ^ column;
  });
  return all;
}

/** The number of independent columns. */
export function rank(columns: readonly number[]): number {
  const basis: number[] = [];
  for (const column of columns) {
    // Elements of the basis have different highest bits, so the smaller of x and x + b is the one without that of b.
    const rest = basis.reduce((x, b) => Math.min(x, (x ^ b) >>> 0), column >>> 0);
    if (rest !== 0) basis.push(rest);
  }
  return basis.length;
}
