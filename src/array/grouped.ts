/** Products of rows with the matrix of their group: the arithmetic of layers in which each row visits one expert. */
import { zerosLike } from "./layout.ts";
import { checkFloat } from "./operands.ts";
import { multiPrimitive } from "./primitive.ts";
import { showShape } from "./shape.ts";
import type { Tensor, TensorType } from "./tensor.ts";

type GroupedPrimitive<P> = (inputs: readonly Tensor[], params: P) => readonly Tensor[];

/** Throws unless `rows` is a matrix of floats and `counts` has one int64 for each of the groups. */
function checkRows(operation: string, rows: TensorType, counts: TensorType, groups: number): void {
  checkFloat(operation, rows.dtype);
  if (rows.shape.length !== 2)
    throw new RangeError(`${operation}: expected rows [rows, width], got ${showShape(rows.shape)}`);
  if (groups === 0) throw new RangeError(`${operation}: expected at least one group`);
  if (counts.dtype !== "int64" || counts.shape.length !== 1 || counts.shape[0] !== groups) {
    throw new TypeError(
      `${operation}: expected the number of rows of each group as int64[${groups}], got ${counts.dtype}${showShape(counts.shape)}`,
    );
  }
}

const product: GroupedPrimitive<{ readonly transposed: boolean }> = multiPrimitive<{ readonly transposed: boolean }>({
  name: "groupedMatmul",
  types: ([rows, counts, ...weights], { transposed }) => {
    const { shape, dtype } = rows as TensorType;
    checkRows("groupedMatmul", rows as TensorType, counts as TensorType, weights.length);
    const [first] = weights as [TensorType];
    const [inner, columns] = transposed ? [first.shape[1], first.shape[0]] : first.shape;
    for (const weight of weights) {
      if (
        weight.dtype !== dtype ||
        showShape(weight.shape) !== showShape(first.shape) ||
        weight.shape.length !== 2 ||
        inner !== shape[1]
      ) {
        const wanted = showShape(transposed ? [columns ?? 0, shape[1] as number] : [shape[1] as number, columns ?? 0]);
        throw new RangeError(
          `groupedMatmul: expected weights ${dtype}${wanted} for rows ${showShape(shape)}, got ${weight.dtype}${showShape(weight.shape)}`,
        );
      }
    }
    return [{ shape: [shape[0] as number, columns as number], dtype }];
  },
  gradient: ([dy], { inputs, params: { transposed } }) => {
    const [rows, counts, ...weights] = inputs as [Tensor, Tensor, ...Tensor[]];
    if (!dy) return inputs.map(() => null);
    const dWeights = transposed ? outer([dy, rows, counts], {}) : outer([rows, dy, counts], {});
    return [product([dy, counts, ...weights], { transposed: !transposed })[0] as Tensor, null, ...dWeights];
  },
  operations: ({ inputs: [rows], outputs: [product] }) =>
    2 * (rows as Tensor).size * ((product as Tensor).shape[1] as number),
  reads: ({ inputs: [rows, counts, ...weights] }) => {
    const { size, shape } = rows as Tensor;
    // Each row visits one group: fewer rows than groups leave groups unread.
    const visited = Math.min(1, (shape[0] as number) / weights.length);
    return [size, (counts as Tensor).size, ...weights.map((weight) => visited * weight.size)];
  },
  onnx: (graph, [rows, counts, ...weights], { params: { transposed } }) => {
    // Only the numbers of rows are unknown before the graph runs; a group without rows costs one product of no rows.
    const parts = graph.nodes("Split", [rows as string, counts as string], weights.length, { axis: 0 });
    const products = parts.map((part, i) => {
      const operands = [part, weights[i] as string];
      return transposed ? graph.node("Gemm", operands, { transB: 1 }) : graph.node("MatMul", operands);
    });
    return [graph.node("Concat", products, { axis: 0 })];
  },
});

/** `A_gᵀ·B_g` of the rows of each group `g`: what a weight of `groupedMatmul` receives as its gradient. */
const outer: GroupedPrimitive<object> = multiPrimitive<object>({
  name: "groupedOuter",
  types: ([a, b, counts]) => {
    const groups = counts?.shape[0] ?? 0;
    checkRows("groupedOuter", a as TensorType, counts as TensorType, groups);
    checkRows("groupedOuter", b as TensorType, counts as TensorType, groups);
    const { shape, dtype } = a as TensorType;
    return Array.from({ length: groups }, () => ({ shape: [shape[1] as number, b?.shape[1] as number], dtype }));
  },
  gradient: (dys, { inputs, outputs }) => {
    const [a, b, counts] = inputs as [Tensor, Tensor, Tensor];
    const filled = dys.map((dy, i) => dy ?? zerosLike(outputs[i] as Tensor));
    return [
      product([b, counts, ...filled], { transposed: true })[0] as Tensor,
      product([a, counts, ...filled], { transposed: false })[0] as Tensor,
      null,
    ];
  },
  operations: ({ inputs: [a, b] }) => 2 * (a as Tensor).size * ((b as Tensor).shape[1] as number),
  onnx: (graph, [a, b, counts], { outputs }) => {
    const cut = (x: string) => graph.nodes("Split", [x, counts as string], outputs.length, { axis: 0 });
    const [left, right] = [cut(a as string), cut(b as string)];
    return left.map((part, i) => graph.node("Gemm", [part, right[i] as string], { transA: 1 }));
  },
});

/**
 * Rows times the matrix of their group. `rows: [rows, k]` stand group after group, `counts: int64 [groups]` says how
 * many belong to each and adds up to all of them (else the run fails), and there is one weight `[k, n]` a group (`[n, k]`
 * with `transposeB`); the result is `[rows, n]`. Each row is multiplied once, whatever the number of groups, so a layer
 * of experts costs what its chosen experts cost. Source of the idea: Gale et al. 2022, arXiv:2211.15841.
 */
export const groupedMatmul = (
  rows: Tensor,
  counts: Tensor,
  weights: readonly Tensor[],
  { transposeB = false }: { readonly transposeB?: boolean } = {},
): Tensor => product([rows, counts, ...weights], { transposed: transposeB })[0] as Tensor;
