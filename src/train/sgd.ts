/** Stochastic gradient descent. */
import { add, cast, flatten, mapTree, mul, sub, type Tensor, type Tree, zerosLike } from "../array/index.ts";
import { checkOptions, type Optimizer, type Rate, rateAt, updateEach } from "./optimizer.ts";

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
      const { leaves, rebuild } = flatten(params);
      const buffers = momentum === 0 ? null : flatten((state as { readonly momentum: P }).momentum);
      const columns = [leaves, flatten(gradients).leaves, ...(buffers ? [buffers.leaves] : [])];
      const [weights = [], directions = []] = updateEach(
        columns as readonly (readonly Tensor[])[],
        () => "",
        ([w, gradient, b]) => {
          const [weight, g0] = [w as Tensor, gradient as Tensor];
          const g = weightDecay === 0 ? g0 : add(g0, mul(weight, weightDecay));
          const buffer = b ? add(mul(b, momentum), g) : g;
          const direction = nesterov ? add(g, mul(buffer, momentum)) : buffer;
          const factor = typeof rate === "number" ? rate : cast(rate, weight.dtype);
          return [sub(weight, mul(direction, factor)), buffer] as const;
        },
      );
      return {
        params: rebuild(weights),
        state: buffers ? { momentum: buffers.rebuild(directions) } : state,
      };
    },
  };
}
