import { afterAll, expect, it } from "vitest";
import { compile, type DType, releaseSessions, type Tensor, tensor, transpose } from "../../src/array/index.ts";

afterAll(releaseSessions);

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The elements of a permuted array, place by place. */
function permuted(data: readonly number[], shape: readonly number[], permutation: readonly number[]): number[] {
  const strides = shape.map((_, axis) => size(shape.slice(axis + 1)));
  const to = permutation.map((axis) => shape[axis] as number);
  return Array.from({ length: data.length }, (_, place) => {
    const from = permutation.reduce((at, axis, i) => {
      const along = Math.floor(place / size(to.slice(i + 1))) % (to[i] as number);
      return at + along * (strides[axis] as number);
    }, 0);
    return data[from] as number;
  });
}

// Rows of 16 to 64 bytes are gathered, shorter and longer ones transposed.
it.each<[readonly number[], readonly number[], DType]>([
  [[3, 5, 2, 4], [0, 2, 1, 3], "float32"],
  [[3, 5, 2, 16], [0, 2, 1, 3], "float32"],
  [[3, 5, 2, 17], [0, 2, 1, 3], "float32"],
  [[3, 5, 2, 3], [0, 2, 1, 3], "float32"],
  [[4, 3, 2, 5, 4], [2, 0, 1, 3, 4], "float32"],
  [[4, 3, 2, 2, 4], [1, 2, 0, 3, 4], "float32"],
  [[7, 6, 8], [1, 0, 2], "float64"],
  [[7, 6, 8], [1, 0, 2], "int32"],
  [[7, 6, 4], [1, 0, 2], "int64"],
  [[7, 6, 32], [1, 0, 2], "uint8"],
  [[2, 0, 8], [1, 0, 2], "float32"],
  [[129, 128, 4], [1, 0, 2], "float32"],
])("a permutation of %j by %j moves each element of %s to its place", async (shape, permutation, dtype) => {
  const data = Array.from({ length: size(shape) }, (_, i) => i % 251);
  const y = await compile((x: Tensor) => transpose(x, permutation))(tensor(data, { shape, dtype }));
  expect(y.shape).toEqual(permutation.map((axis) => shape[axis]));
  expect(Array.from(y.data as ArrayLike<number | bigint>, Number)).toEqual(permuted(data, shape, permutation));
});
