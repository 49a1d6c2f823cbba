/** Matrices with orthonormal rows or columns, made in the graph by products of matrices only. */
import {
  add,
  div,
  eye,
  matmul,
  mul,
  normal,
  scan,
  sqrt,
  square,
  sum,
  swapAxes,
  type Tensor,
} from "../../array/index.ts";
import type { Initializer } from "../initializers.ts";

/** Growth of a small singular value in one step of the iteration. */
const GROWTH = 15 / 8;
/** Steps from a singular value near 1 to 1 in float32. */
const LAST = 4;

/**
 * The polar factor of each matrix of a stack, `U·Vᵀ` of its singular value decomposition `U·S·Vᵀ`: the nearest matrix
 * with orthonormal columns, or rows if it is wider than high. `x: [..., rows, columns]` gives the same shape. Each step
 * of the iteration, `X ← X·(15·I − 10·G + 3·G²)/8` with `G = XᵀX`, multiplies small singular values by 15/8 and leaves
 * those at 1, so `steps` (32 by default) is enough for matrices whose singular values differ by less than a factor of
 * 1e7; singular values of 0 stay 0.
 * Source: Björck and Bowie 1971, "An iterative algorithm for computing the best estimate of an orthogonal matrix".
 */
export function polarFactor(x: Tensor, { steps = 32 }: { readonly steps?: number } = {}): Tensor {
  if (x.rank < 2) throw new RangeError(`polarFactor: expected matrices, got shape [${x.shape.join(", ")}]`);
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const tall = rows >= columns ? x : swapAxes(x, -1, -2);
  const gram = (y: Tensor): Tensor => matmul(y, y, { transposeA: true });
  const identity = eye(Math.min(rows, columns), x.dtype);
  // The root of the Frobenius norm of the Gram matrix is no less than the largest singular value.
  const bound = sqrt(sqrt(sum(square(gram(tall)), { axis: [-1, -2], keepDims: true })));
  const [factor] = scan(
    (y: Tensor) => {
      const g = gram(y);
      const polynomial = add(mul(identity, 15 / 8), matmul(g, add(mul(identity, -10 / 8), mul(g, 3 / 8))));
      return [matmul(y, polynomial), {}];
    },
    div(tall, bound),
    undefined,
    { length: steps },
  );
  return rows >= columns ? factor : swapAxes(factor, -1, -2);
}

/**
 * Random matrices in the last two axes whose columns are orthonormal, or whose rows are if they are wider than high.
 * Being polar factors of normal matrices, they are uniformly distributed over all such matrices.
 */
export const orthonormal: Initializer = (key, shape) => {
  const extents = shape.slice(-2);
  const [large, small] = [Math.max(...extents), Math.min(...extents)];
  // Largest bound of the iteration over the least singular value, which a square matrix seldom has below 0.001/√large.
  const bound = (large * small * (large + small)) ** 0.25;
  const least = Math.max((Math.sqrt(large) - Math.sqrt(small)) / 2, 1e-3 / Math.sqrt(large));
  const steps = Math.ceil(Math.log(bound / least) / Math.log(GROWTH)) + LAST;
  return polarFactor(normal(key, shape), { steps });
};
