/** Adam with decoupled weight decay. */
import {
  add,
  cast,
  div,
  flatten,
  mapTree,
  mul,
  sqrt,
  square,
  sub,
  type Tensor,
  type Tree,
  tanh,
  zerosLike,
} from "../array/index.ts";
import { checkOptions, type Optimizer, type Rate, rateAt, updateEach } from "./optimizer.ts";

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
      const decays = (i: number): boolean => decay(paths[i] as string, leaves[i] as Tensor);
      const columns = [leaves, gs.leaves, firsts.leaves, seconds.leaves] as const;
      const [weights = [], means = [], squares = []] = updateEach(columns, decays, ([w, g, m, v], i) => {
        const like = (x: Tensor): Tensor => cast(x, w.dtype);
        const first = add(mul(m, beta1), g);
        const second = add(mul(v, beta2), square(g));
        const change = div(mul(first, like(factor)), add(sqrt(second), like(shift)));
        const shrunk = kept && decays(i) ? mul(w, like(kept)) : w;
        return [sub(shrunk, change), first, second] as const;
      });
      return {
        params: rebuild(weights),
        state: { first: firsts.rebuild(means), second: seconds.rebuild(squares) },
      };
    },
  };
}

/**
 * `1 + β + … + β^step = (1 - β^(step + 1))/(1 - β)`. Written as `1 - e^-2a = 2·tanh(a)/(1 + tanh(a))`, it has neither the
 * cancellation of `1 - β^t` for small t nor the many operators of `expm1`.
 */
function geometricSum(beta: number, step: Tensor): Tensor {
  const count = add(cast(step, "float32"), 1);
  if (beta === 0) return add(mul(count, 0), 1);
  const half = tanh(mul(count, -Math.log(beta) / 2));
  return mul(div(half, add(half, 1)), 2 / (1 - beta));
}
