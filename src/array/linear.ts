/** Matrix products. */

import { isFloat } from "./dtype.ts";
import { reshape, swapAxes } from "./layout.ts";
import { type Primitive, primitive } from "./primitive.ts";
import { broadcastShapes, showShape, sizeOf } from "./shape.ts";
import type { Tensor, TensorType } from "./tensor.ts";

interface MatmulParams {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** It is there to add up: see `weightedSum`. */
  readonly isSum?: boolean;
}

/** Rows and columns of the last two axes, after transposition. */
function matrixExtents({ shape }: TensorType, transposed: boolean): [number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

const product: Primitive<[a: Tensor, b: Tensor], MatmulParams> = primitive("matmul", {
  shape: ([a, b], { transposeA, transposeB }) => {
    if (a.dtype !== b.dtype) throw new TypeError(`matmul: operands are ${a.dtype} and ${b.dtype}; cast one of them`);
    if (a.dtype === "bool" || a.dtype === "uint8")
      throw new TypeError(`matmul: expected numbers wider than a byte, got ${a.dtype}; cast it first`);
    const [rows, inner] = matrixExtents(a, transposeA);
    const [innerB, columns] = matrixExtents(b, transposeB);
    if (inner !== innerB) {
      const flipped = matrixExtents(b, !transposeB)[0] === inner ? "; transpose b?" : "";
      throw new RangeError(
        `matmul: inner sizes differ: a is ${showShape(a.shape)}${transposeA ? " transposed" : ""}, b is ${showShape(b.shape)}${transposeB ? " transposed" : ""}${flipped}`,
      );
    }
    return {
      shape: [...broadcastShapes("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2)), rows, columns],
      dtype: a.dtype,
    };
  },
  gradient: (dy, { inputs: [a, b], params: { transposeA, transposeB, ...rest } }) => [
    transposeA
      ? product(b, dy, { transposeA: transposeB, transposeB: true, ...rest })
      : product(dy, b, { transposeA: false, transposeB: !transposeB, ...rest }),
    transposeB
      ? product(dy, a, { transposeA: true, transposeB: transposeA, ...rest })
      : product(a, dy, { transposeA: !transposeA, transposeB: false, ...rest }),
  ],
  operations: ([a], { shape }, { transposeA, isSum }) =>
    isSum ? 0 : 2 * sizeOf(shape) * matrixExtents(a, transposeA)[1],
  onnx: (graph, [a, b], { transposeA, transposeB }, node) => {
    const [x, y] = node.inputs as [Tensor, Tensor];
    if (x.size === 0 || y.size === 0) {
      // Products of nothing are zeros; the runtime gives a wrong shape or an error where batches broadcast as well.
      const { shape, dtype } = node.outputs[0] as Tensor;
      return graph.node("Expand", [graph.scalar(0, dtype), graph.int64s(shape)]);
    }
    const flags = { transA: Number(transposeA), transB: Number(transposeB) };
    // A transposition of its own the runtime merges with one before it, which is needed as it is too, and so moves the data
    // twice; and of this operator it takes factors in, of operands and of the result. With one tensor on both sides it makes
    // an invalid graph of it if that tensor is scaled.
    if (graph.target.fused && x.dtype === "float32" && a !== b && (transposeA || transposeB))
      return graph.node("com.microsoft.FusedMatMul", [a, b], flags);
    // Without transposition MatMul is as fast as Gemm, and the runtime joins it with an addition of a bias that follows.
    if (x.rank === 2 && y.rank === 2 && isFloat(x.dtype) && (transposeA || transposeB))
      return graph.node("Gemm", [a, b], flags);
    const flip = (name: string, { rank }: Tensor) =>
      graph.node("Transpose", [name], { perm: [...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1, rank - 2] });
    return graph.node("MatMul", [transposeA ? flip(a, x) : a, transposeB ? flip(b, y) : b]);
  },
});

/**
 * Matrix product over the last two axes, with optional transposition of either operand; the axes before them are
 * batches and broadcast. A vector (rank 1) is a row on the left and a column on the right, and its axis is dropped from
 * the result, as in NumPy. `a: [..., m, k]` and `b: [..., k, n]` give `[..., m, n]`.
 */
export function matmul(
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false }: Partial<MatmulParams> = {},
): Tensor {
  if (a.rank === 0 || b.rank === 0) throw new RangeError("matmul: expected vectors or matrices, got a scalar; use mul");
  if (a.rank === 1) {
    const row = matmul(reshape(a, [1, a.size]), b, { transposeB });
    return reshape(row, b.rank === 1 ? [] : [...row.shape.slice(0, -2), row.shape.at(-1) as number]);
  }
  if (b.rank === 1)
    return reshape(
      matmul(a, reshape(b, [b.size, 1]), { transposeA }),
      transposeA ? [...a.shape.slice(0, -2), a.shape.at(-1) as number] : a.shape.slice(0, -1),
    );
  if (b.rank === 2 && a.rank > 2) {
    // One large product instead of many small ones, also for the gradient of b.
    const rows = transposeA ? swapAxes(a, -1, -2) : a;
    const inner = rows.shape.at(-1) as number;
    const flat = product(reshape(rows, [sizeOf(rows.shape.slice(0, -1)), inner]), b, { transposeA: false, transposeB });
    return reshape(flat, [...rows.shape.slice(0, -1), flat.shape[1] as number]);
  }
  return product(a, b, { transposeA, transposeB });
}

/**
 * The product of two matrices of which one holds weights, by which rows or columns of the other are added up. That is a sum
 * that the runtime computes fastest as a product, and its operations are not counted among those of a model.
 */
export const weightedSum = (
  a: Tensor,
  b: Tensor,
  { transposeA = false }: { readonly transposeA?: boolean } = {},
): Tensor => product(a, b, { transposeA, transposeB: false, isSum: true });
