/** What a router of experts cut from a trained block should learn: which of them come nearest to the whole block. */
import {
  div,
  log,
  matmul,
  maximum,
  mean,
  minimum,
  mul,
  relu,
  softmax,
  square,
  sub,
  sum,
  swapAxes,
  type Tensor,
  transpose,
} from "../../array/index.ts";
import { expertMask, hiddenUnits, type UnitGroups } from "./top-experts.ts";
import { bestExperts } from "./unit-routers.ts";

export interface PriorOptions {
  /** Experts that a row will use. */
  readonly active: number;
  /** Factor on their sum: experts over active ones. */
  readonly scale: number;
  /** Function of the hidden units, or of their gates; ReLU by default. */
  readonly activation?: (x: Tensor) => Tensor;
}

/** What each expert adds alone: `x: [rows, width]` gives `[experts, rows, outputs]`. */
export const expertOutputs = (groups: UnitGroups, x: Tensor, activation: (x: Tensor) => Tensor = relu): Tensor =>
  matmul(swapAxes(hiddenUnits(groups, x, activation), 0, 1), groups.down.weight, { transposeB: true });

/**
 * How far each expert alone is from its share of the whole block: `ℓ_e = mean_d (f_e(x) - T(x)/scale)²`, where `whole`
 * holds T(x) without the bias of the output. `x: [rows, width]` gives `[rows, experts]`.
 * Source: Zhao et al. 2024 (FactorLLM), arXiv:2408.11855, and its official code.
 */
export const priorErrors = (
  groups: UnitGroups,
  x: Tensor,
  whole: Tensor,
  { scale, activation = relu }: Omit<PriorOptions, "active">,
): Tensor => transpose(mean(square(sub(expertOutputs(groups, x, activation), div(whole, scale))), { axis: -1 }));

/** 1 at the `active` experts of the smallest `priorErrors`, 0 at the others: `[rows, experts]`. */
export const priorTargets = (groups: UnitGroups, x: Tensor, whole: Tensor, options: PriorOptions): Tensor =>
  expertMask(
    bestExperts(mul(priorErrors(groups, x, whole, options), -1), options.active),
    groups.up.weight.shape[0] as number,
    x.dtype,
  );

/** Shares are kept from 0 and 1, whose logarithms would not be finite. */
const LEAST = 1e-7;
const clipped = (shares: Tensor): Tensor => minimum(maximum(shares, LEAST), 1 - LEAST);

/**
 * The prior-approximate loss: `mean over rows of Σ_e p_e·log(p_e/q_e)` with p the softmax of the router's logits and q
 * that of the targets, so that with two of four experts q is 0.3655 at those to choose and 0.1345 at the others. Logits
 * and targets are `[rows, experts]`. Source: as of `priorErrors`.
 */
export function priorApproximateLoss(logits: Tensor, targets: Tensor): Tensor {
  const [p, q] = [clipped(softmax(logits)), clipped(softmax(targets))];
  return mean(sum(mul(p, sub(log(p), log(q))), { axis: -1 }));
}
