/** Whole numbers written with a different base in each place: codes of a product grid as indices, and back. */
import { add, concat, div, expandDims, mod, mul, slice, squeeze, type Tensor } from "../../array/index.ts";

/** Throws unless every base is a whole number of at least 2 and the grid fits int32. */
export function checkRadices(operation: string, radices: readonly number[]): void {
  if (radices.length === 0 || radices.some((n) => !Number.isInteger(n) || n < 2)) {
    throw new RangeError(`${operation}: expected whole numbers of at least 2, got [${radices.join(", ")}]`);
  }
  if (gridSize(radices) > 2 ** 31 - 1)
    throw new RangeError(`${operation}: a grid of ${gridSize(radices)} codes does not fit int32 indices`);
}

/** Number of codes of the grid. */
export const gridSize = (radices: readonly number[]): number => radices.reduce((product, n) => product * n, 1);

/**
 * Index of a code: `Σ digit_i · radix_0 ⋯ radix_{i-1}`, the first digit varying fastest.
 * `digits: int32 [..., places]`, each from 0 to its radix - 1, give `int32 [...]`.
 */
export function digitsToIndices(digits: Tensor, radices: readonly number[]): Tensor {
  checkRadices("digitsToIndices", radices);
  let base = 1;
  const places = radices.map((radix, i) => {
    const place = mul(squeeze(slice(digits, { starts: [i], stops: [i + 1], axes: [-1] }), -1), base);
    base *= radix;
    return place;
  });
  return places.reduce((total, place) => add(total, place));
}

/** The digits of indices: the inverse of `digitsToIndices`. `indices: int32 [...]` give `int32 [..., places]`. */
export function indicesToDigits(indices: Tensor, radices: readonly number[]): Tensor {
  checkRadices("indicesToDigits", radices);
  let base = 1;
  const digits = radices.map((radix) => {
    const digit = mod(div(indices, base), radix);
    base *= radix;
    return expandDims(digit, indices.rank);
  });
  return concat(digits, { axis: -1 });
}
