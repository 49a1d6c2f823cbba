/** How alike two models represent the same tokens. */
import {
  add,
  cast,
  div,
  equal,
  expandDims,
  eye,
  matmul,
  mean,
  mul,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  topK,
} from "../array/index.ts";

/**
 * Linear centred kernel alignment: `‖Yᵀ·X‖² / (‖Xᵀ·X‖·‖Yᵀ·Y‖)` in Frobenius norms, with columns centred. From 0 to 1;
 * rotating, scaling and shifting either space leaves it as it is. `x: [tokens, features]`, `y: [tokens, otherFeatures]`;
 * a scalar, NaN if one of them is the same for all tokens. With few tokens for the features it is far from 0 even for
 * unrelated spaces: compare it with that of random ones.
 * Source: Kornblith et al. 2019, arXiv:1905.00414, section 3.
 */
export function linearCka(x: Tensor, y: Tensor): Tensor {
  checkPair("linearCka", x, y);
  // Scaled to a mean square of 1, so that squares of products stay within the range of single precision.
  const centred = (z: Tensor): Tensor => {
    const moved = sub(z, mean(z, { axis: 0, keepDims: true }));
    return div(moved, sqrt(mean(square(moved))));
  };
  const [a, b] = [centred(x), centred(y)];
  const count = x.shape[0] as number;
  const cross = (u: Tensor, v: Tensor): Tensor => sum(square(div(matmul(u, v, { transposeA: true }), count)));
  return div(cross(b, a), sqrt(mul(cross(a, a), cross(b, b))));
}

export interface NeighborhoodOptions {
  /** Neighbours of a token in each space; 10 by default, below the number of tokens. */
  readonly neighbors?: number;
}

/**
 * Local neighbourhood similarity: for each token its `neighbors` nearest others by cosine in both spaces, and the size of
 * the intersection of the two sets over that of their union, averaged over tokens. `x: [tokens, features]`,
 * `y: [tokens, otherFeatures]`; a scalar from 0 to 1. Memory grows with the square of the number of tokens.
 * Source: Boggust, Carter and Satyanarayan 2022, arXiv:1912.04853; used by arXiv:2309.01826.
 */
export function localNeighborhoodSimilarity(
  x: Tensor,
  y: Tensor,
  { neighbors = 10 }: NeighborhoodOptions = {},
): Tensor {
  checkPair("localNeighborhoodSimilarity", x, y);
  const count = x.shape[0] as number;
  if (!Number.isInteger(neighbors) || neighbors < 1 || neighbors >= count)
    throw new RangeError(
      `localNeighborhoodSimilarity: neighbors must be a whole number from 1 to ${count - 1}, the other tokens, got ${neighbors}`,
    );
  const [a, b] = [nearest(x, neighbors), nearest(y, neighbors)];
  const same = equal(expandDims(a, 2), expandDims(b, 1));
  const both = sum(cast(same, "float32"), { axis: [1, 2] });
  return mean(div(both, sub(2 * neighbors, both)));
}

/** The nearest other tokens of each by cosine: int64 `[tokens, neighbors]`. */
function nearest(x: Tensor, neighbors: number): Tensor {
  const length = sqrt(add(sum(square(x), { axis: 1, keepDims: true }), 1e-30));
  const unit = div(x, length);
  // A token is no neighbour of itself, and no cosine is as low as -2.
  const cosines = sub(matmul(unit, unit, { transposeB: true }), mul(eye(x.shape[0] as number), 4));
  return topK(cosines, neighbors, { axis: 1 }).indices;
}

function checkPair(name: string, x: Tensor, y: Tensor): void {
  if (x.rank !== 2 || y.rank !== 2 || x.shape[0] !== y.shape[0])
    throw new RangeError(
      `${name}: expected x [tokens, features] and y [tokens, features] with the same tokens, got [${x.shape.join(", ")}] and [${y.shape.join(", ")}]`,
    );
}
