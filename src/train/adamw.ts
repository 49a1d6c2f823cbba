/** Adam with decoupled weight decay. */
import {
  add,
  cast,
  div,
  expm1,
  flatten,
  mapTree,
  mul,
  neg,
  sqrt,
  square,
  sub,
  type Tensor,
  type Tree,
  zerosLike,
} from "../array/index.ts";
import { checkOptions, type Optimizer, type Rate, rateAt } from "./optimizer.ts";

export interface AdamWOptions {
  readonly learningRate: Rate;
  /** Decay of the mean of gradients, 0.9 by default. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients, 0.999 by default. */
  readonly beta2?: number;
  /** Added to the root of the mean square, 1e-8 by default. */
  readonly eps?: number;
  /** Share of a weight that is taken off at each step, times the learning rate; 0.01 by default. */
  readonly weightDecay?: number;
  /** Which parameters decay, by dotted path and tensor; all by default. Often `(_, w) => w.rank > 1`. */
  readonly decay?: (path: string, weight: Tensor) => boolean;
}

/** Discounted sums of gradients and of their squares: the moments of the source, divided by `1 - beta`. */
export type AdamWState = { readonly first: Tree; readonly second: Tree };

/**
 * Adam with decoupled weight decay. With gradient g and step t from 1:
 * `m ← β₁m + (1 - β₁)g`, `v ← β₂v + (1 - β₂)g²`,
 * `w ← w - η·(m/(1 - β₁ᵗ))/(√(v/(1 - β₂ᵗ)) + ε) - η·λ·w`.
 * The state keeps `m/(1 - β₁)` and `v/(1 - β₂)`, and the constant factors are gathered in two scalars a step: two passes
 * less over all parameters for the same update.
 * Source: Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2; the defaults are those of PyTorch.
 */
export function adamW(options: AdamWOptions): Optimizer<AdamWState> {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0.01, decay = () => true } = options;
  checkOptions("adamW", {
    beta1: [beta1, 1],
    beta2: [beta2, 1],
    eps: [eps, Number.POSITIVE_INFINITY],
    weightDecay: [weightDecay, Number.POSITIVE_INFINITY],
  });
  return {
    init: (params) => ({ first: mapTree(params, zerosLike), second: mapTree(params, zerosLike) }),
    update: <P extends Tree>(gradients: P, state: AdamWState, params: P, step: Tensor) => {
      const rate = rateAt(learningRate, step);
      // Share of the true mean that the discounted sums have seen: Σ β^s over the steps so far.
      const seen1 = geometricSum(beta1, step);
      const seen2 = geometricSum(beta2, step);
      const root = sqrt(seen2);
      const factor = mul(div(root, seen1), rate);
      const shift = mul(root, eps);
      const kept = weightDecay === 0 ? null : sub(1, mul(rate, weightDecay));
      const { leaves, paths, rebuild } = flatten(params);
      const [gs, firsts, seconds] = [flatten(gradients), flatten(state.first), flatten(state.second)];
      const updated = leaves.map((w, i) => {
        const like = (x: Tensor): Tensor => cast(x, w.dtype);
        const [g, m, v] = [gs.leaves[i] as Tensor, firsts.leaves[i] as Tensor, seconds.leaves[i] as Tensor];
        const first = add(mul(m, beta1), g);
        const second = add(mul(v, beta2), square(g));
        const change = div(mul(first, like(factor)), add(sqrt(second), like(shift)));
        const shrunk = kept && decay(paths[i] as string, w) ? mul(w, like(kept)) : w;
        return { first, second, weight: sub(shrunk, change) };
      });
      return {
        params: rebuild(updated.map(({ weight }) => weight)),
        state: {
          first: firsts.rebuild(updated.map(({ first }) => first)),
          second: seconds.rebuild(updated.map(({ second }) => second)),
        },
      };
    },
  };
}

/** `1 + β + … + β^step = (1 - β^(step + 1))/(1 - β)`, without the cancellation that `1 - β^t` has for small t. */
function geometricSum(beta: number, step: Tensor): Tensor {
  const count = add(cast(step, "float32"), 1);
  return beta === 0 ? add(mul(count, 0), 1) : mul(neg(expm1(mul(count, Math.log(beta)))), 1 / (1 - beta));
}
