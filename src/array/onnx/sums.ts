/** Sums down the columns of rows, such as the gradients of biases, where the runtime's own operator is slow. */
import { type Shape, sizeOf } from "../shape.ts";
import type { OnnxBuilder } from "./builder.ts";

/** A tensor seen as rows, of which all are added. */
export interface Rows {
  readonly rows: number;
  readonly columns: number;
}

/** Rows and columns, if a sum over these axes adds up rows: no axis that stays lies before one that goes. */
export function rowsOf(shape: Shape, axes: readonly number[]): Rows | undefined {
  const long = shape.map((n, axis) => ({ n, goes: axes.includes(axis) })).filter(({ n }) => n !== 1);
  const firstKept = long.findIndex(({ goes }) => !goes);
  if (firstKept <= 0 || long.slice(firstKept).some(({ goes }) => goes)) return undefined;
  const [gone, kept] = [long.slice(0, firstKept), long.slice(firstKept)];
  return { rows: sizeOf(gone.map(({ n }) => n)), columns: sizeOf(kept.map(({ n }) => n)) };
}

/** As many elements are added by one product; more are first added in parts, side by side. */
const SMALL = 2 ** 15;

/** The runtime adds this many parts side by side; with more threads than that it goes back to its slow way. */
const MOST_PARTS = 32;

/** In shorter parts there is nothing to gain. */
const SHORTEST_PART = 8;

/**
 * The sum of rows, `[rows, columns]` to `[columns]`, in float32. Between some 16 and 512 rows ReduceSum goes down each
 * column by itself, an element at a time, which takes up to fifteen times as long as a product with a row of ones;
 * and it has one thread for what more rows could share, if the rows are not in parts.
 */
export function sumRows(graph: OnnxBuilder, x: string, { rows, columns }: Rows): string {
  const parts = rows * columns > SMALL ? partsOf(rows) : 1;
  const flat = (shape: Shape) => graph.node("Reshape", [x, graph.int64s(shape)]);
  const sums =
    parts === 1
      ? flat([rows, columns])
      : graph.node("ReduceSum", [flat([parts, rows / parts, columns]), graph.int64s([1])], { keepdims: 0 });
  const count = parts === 1 ? rows : parts;
  const ones = graph.constant({ shape: [count], dtype: "float32" }, new Float32Array(count).fill(1));
  return graph.node("MatMul", [ones, sums]);
}

/** The most equal parts that rows can be divided into, of a useful length; 1 if there are none. */
function partsOf(rows: number): number {
  for (let parts = MOST_PARTS; parts > 1; parts--) {
    if (rows % parts === 0 && rows / parts >= SHORTEST_PART) return parts;
  }
  return 1;
}
