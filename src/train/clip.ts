/** Bounding the length of gradients. */
import {
  add,
  cast,
  div,
  flatten,
  mapTree,
  maximum,
  mul,
  sqrt,
  square,
  sum,
  type Tensor,
  type Tree,
} from "../array/index.ts";
import type { Optimizer } from "./optimizer.ts";

/** Euclidean length of all tensors of a tree taken together: a float32 scalar. */
export function globalNorm(tree: Tree): Tensor {
  const squares = flatten(tree).leaves.map((x) => cast(sum(square(x)), "float32"));
  if (squares.length === 0) throw new TypeError("globalNorm: the tree holds no tensor");
  return sqrt(squares.reduce((total, x) => add(total, x)));
}

/**
 * The gradients, shortened to length `max` if their global norm is above it: `g·max/max(max, ‖g‖)`.
 * Source: Pascanu et al. 2013, arXiv:1211.5063.
 */
export function clipByGlobalNorm<P extends Tree>(gradients: P, max: number): P {
  if (!(max > 0)) throw new RangeError(`clipByGlobalNorm: max must be above 0, got ${max}`);
  const factor = div(max, maximum(globalNorm(gradients), max));
  return mapTree(gradients, (g) => mul(g, cast(factor, g.dtype)));
}

/** An optimizer that sees gradients clipped by their global norm. */
export const clipped = <S extends Tree>(optimizer: Optimizer<S>, max: number): Optimizer<S> => ({
  init: optimizer.init,
  update: (gradients, state, params, step) => optimizer.update(clipByGlobalNorm(gradients, max), state, params, step),
});
