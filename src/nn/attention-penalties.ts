/** Penalties that keep attention weights which do not add up to one in bounds. */
import { abs, add, div, log, maximum, mean, mul, neg, sub, sum, type Tensor } from "../array/index.ts";

/** Keeps logarithms of sums of nothing finite. */
const TINY = 1e-9;

/**
 * How far the weights of a query are from adding up to one: the mean of `|log Σ_j a_ij|` over queries.
 * `weights: [..., time, keys]`, none negative. Source: Shen et al. 2023, arXiv:2302.06461, section 4.
 */
export const rowSumPenalty = (weights: Tensor): Tensor => mean(abs(log(add(sum(weights, { axis: -1 }), TINY))));

/**
 * How far the spread of weights goes beyond a margin: the mean of `max(0, H(a_i/Σ_j a_ij) - margin)` over queries, with
 * the entropy H in nats; a query without weights has entropy 0. `weights: [..., time, keys]`, none negative.
 * Source: Shen et al. 2023, arXiv:2302.06461, section 4.
 */
export function entropyMargin(weights: Tensor, margin: number): Tensor {
  const shares = div(weights, add(sum(weights, { axis: -1, keepDims: true }), TINY));
  const entropy = neg(sum(mul(shares, log(add(shares, TINY))), { axis: -1 }));
  return mean(maximum(sub(entropy, margin), 0));
}
