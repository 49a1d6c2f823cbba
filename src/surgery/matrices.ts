/** Pieces of matrices with values, on the host. */
import { type Tensor, tensor } from "../array/index.ts";

/** Some columns of a matrix with values. */
export function columnsOf({ data, shape }: Tensor, columns: Int32Array): Tensor {
  const [rows, all] = shape as [number, number];
  const values = new Float32Array(rows * columns.length);
  for (let i = 0; i < rows; i++)
    columns.forEach((column, j) => {
      values[i * columns.length + j] = Number(data[i * all + column]);
    });
  return tensor(values, { shape: [rows, columns.length] });
}

/** Some rows of a matrix with values. */
export function rowsOf({ data, shape }: Tensor, rows: Int32Array): Tensor {
  const width = shape[1] as number;
  const values = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    values.set((data as Float32Array).subarray(row * width, (row + 1) * width), i * width);
  });
  return tensor(values, { shape: [rows.length, width] });
}

/** Rows and columns of the same numbers of a square matrix, row by row. */
export function submatrix(products: Float64Array, size: number, places: Int32Array): Float64Array {
  const result = new Float64Array(places.length ** 2);
  places.forEach((a, i) => {
    places.forEach((b, j) => {
      result[i * places.length + j] = products[a * size + b] as number;
    });
  });
  return result;
}

/** Matrices side by side. */
export function beside(a: Tensor, b: Tensor): Tensor {
  const [rows, left, right] = [a.shape[0] as number, a.shape[1] as number, b.shape[1] as number];
  const values = new Float32Array(rows * (left + right));
  for (let i = 0; i < rows; i++) {
    values.set((a.data as Float32Array).subarray(i * left, (i + 1) * left), i * (left + right));
    values.set((b.data as Float32Array).subarray(i * right, (i + 1) * right), i * (left + right) + left);
  }
  return tensor(values, { shape: [rows, left + right] });
}

/** One matrix below the other. */
export function below(a: Tensor, b: Tensor): Tensor {
  const values = new Float32Array(a.size + b.size);
  values.set(a.data as Float32Array);
  values.set(b.data as Float32Array, a.size);
  return tensor(values, { shape: [(a.shape[0] as number) + (b.shape[0] as number), a.shape[1] as number] });
}
