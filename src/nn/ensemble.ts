/** Several models of one kind side by side, as one model with a leading axis. */
import {
  compile,
  evaluate,
  flatten,
  fold,
  type Key,
  key,
  reshape,
  slice,
  stack,
  type Tensor,
  type Tree,
  zipTrees,
} from "../array/index.ts";
import type { Layer } from "./layer.ts";

/** `members` models of one kind; its input and output have an axis `[members, batch, ...]` before the rest. */
export interface Ensemble<P extends Tree, In = Tensor, Out = Tensor> extends Layer<P, In, Out> {
  readonly members: number;
  /** The parameters of so many models as those of the ensemble. */
  join(params: readonly P[]): P;
  /** The parameters of one model. */
  member(params: P, index: number): P;
}

/**
 * Trains `members` models in one graph: the same layer applied to parameters with a leading axis of members. Vectors and
 * scalars get axes of extent 1 after it, so that they broadcast over the batch as they did before. For layers made of
 * matrix products, elementwise functions and reductions over the last axis, on inputs `[members, batch, width]`.
 * Members do not see each other: the gradient of a sum of their losses is the gradient of each.
 */
export function ensemble<P extends Tree, In = Tensor, Out = Tensor>(
  layer: Layer<P, In, Out>,
  members: number,
): Ensemble<P, In, Out> {
  if (!Number.isInteger(members) || members < 1)
    throw new RangeError(`ensemble: members must be a whole number of at least 1, got ${members}`);
  const join = (params: readonly P[]): P => {
    if (params.length !== members)
      throw new RangeError(`ensemble: expected parameters of ${members} members, got ${params.length}`);
    return zipTrees("ensemble", params as readonly [P, ...P[]], (...xs) => {
      const { shape } = xs[0] as Tensor;
      const widened = [...Array<number>(Math.max(0, 2 - shape.length)).fill(1), ...shape];
      return stack(xs.map((x) => reshape(x, widened)));
    });
  };
  return {
    members,
    join,
    member: (params, index) => {
      const shapes = flatten(layer.init(key(0))).leaves.map(({ shape }) => shape);
      const { leaves, rebuild } = flatten(params);
      return rebuild(
        leaves.map((x, i) =>
          reshape(slice(x, { starts: [index], stops: [index + 1] }), shapes[i] as readonly number[]),
        ),
      );
    },
    init: (parent) => join(Array.from({ length: members }, (_, i) => layer.init(fold(parent, i)))),
    apply: (params, x, mode) => layer.apply(params, x, mode),
  };
}

/**
 * Parameters of an ensemble with one member for each seed: member i has the numbers that `layer.init(key(seeds[i]))`
 * has by itself, whatever the other seeds are.
 */
export async function initMembers<P extends Tree, In, Out>(
  layer: Layer<P, In, Out>,
  seeds: readonly number[],
): Promise<P> {
  const init = compile((source: Key) => layer.init(source));
  const params: P[] = [];
  for (const seed of seeds) params.push(await init(key(seed)));
  return evaluate(ensemble(layer, seeds.length).join(params));
}
