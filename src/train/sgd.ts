/** Stochastic gradient descent. */
import { add, cast, mapTree, mul, sub, type Tensor, type Tree, zerosLike, zipTrees } from "../array/index.ts";
import { checkOptions, type Optimizer, type Rate, rateAt } from "./optimizer.ts";

export interface SgdOptions {
  readonly learningRate: Rate;
  /** Share of the last update direction that is kept, from 0 (the default) to below 1. */
  readonly momentum?: number;
  /** Looks ahead along the momentum; false by default. */
  readonly nesterov?: boolean;
  /** Strength λ of the penalty `λ/2·‖params‖²`, whose gradient is added to the loss's; 0 by default. */
  readonly weightDecay?: number;
}

/**
 * Stochastic gradient descent. With gradient g (plus `weightDecay·w`), momentum μ and learning rate η:
 * `b ← μ·b + g`, `w ← w - η·b`; with Nesterov momentum `w ← w - η·(g + μ·b)`.
 * Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", in the form that
 * PyTorch uses (the learning rate outside the momentum).
 */
export function sgd(options: SgdOptions): Optimizer<Tree> {
  const { learningRate, momentum = 0, nesterov = false, weightDecay = 0 } = options;
  checkOptions("sgd", { momentum: [momentum, 1], weightDecay: [weightDecay, Number.POSITIVE_INFINITY] });
  if (nesterov && momentum === 0) throw new RangeError("sgd: nesterov needs a momentum above 0");
  return {
    init: (params) => (momentum === 0 ? {} : { momentum: mapTree(params, zerosLike) }),
    update: <P extends Tree>(gradients: P, state: Tree, params: P, step: Tensor) => {
      const rate = rateAt(learningRate, step);
      const full =
        weightDecay === 0
          ? gradients
          : zipTrees("sgd", [gradients, params], (g, w) => add(g as Tensor, mul(w as Tensor, weightDecay)));
      const descend = (w: Tensor, direction: Tensor): Tensor =>
        sub(w, mul(direction, typeof rate === "number" ? rate : cast(rate, w.dtype)));
      if (momentum === 0)
        return { params: zipTrees("sgd", [params, full], (w, g) => descend(w as Tensor, g as Tensor)), state };
      const buffer = zipTrees("sgd", [full, (state as { readonly momentum: P }).momentum], (g, b) =>
        add(mul(b as Tensor, momentum), g as Tensor),
      );
      const direction = nesterov
        ? zipTrees("sgd", [full, buffer], (g, b) => add(g as Tensor, mul(b as Tensor, momentum)))
        : buffer;
      return {
        params: zipTrees("sgd", [params, direction], (w, d) => descend(w as Tensor, d as Tensor)),
        state: { momentum: buffer },
      };
    },
  };
}
