/** What layers that send each row to one of several experts have in common. */
import { mean, mul, sum, type Tensor, type Tree } from "../../array/index.ts";
import type { Layer, Mode } from "../layer.ts";

/** Where rows go. */
export interface Routing {
  /** Probability of each expert: `[..., batch, experts]`, sums to 1. */
  readonly probabilities: Tensor;
  /** 1 at the expert that inference uses, 0 at the others: `[..., batch, experts]`. Carries no gradient. */
  readonly chosen: Tensor;
}

/**
 * A layer of experts whose output is a mixture. In training `apply` gives the mixture under the probabilities; in
 * inference it evaluates only the chosen expert of each row.
 */
export interface RoutedLayer<P extends Tree, R extends Routing = Routing> extends Layer<P> {
  readonly experts: number;
  /** Where the rows of `x` go. */
  route(params: P, x: Tensor, mode?: Mode): R;
  /** The mixture `Σ_i w_i f_i(x)` with given weights `[..., batch, experts]`; computes all experts. */
  mix(params: P, x: Tensor, weights: Tensor): Tensor;
}

/**
 * Load-balancing loss `E Σ_i F_i P̄_i` over E experts: F is the share of rows that chose an expert and P̄ its mean
 * probability. 1 when both are uniform, up to E when all rows are sure of one expert. F carries no gradient.
 * Both operands are `[..., batch, experts]`, and the result has the axes before the last two, so it is a scalar for one
 * model and a list for an ensemble. Source: Fedus et al. 2021, "Switch Transformers", arXiv:2101.03961, equation 4.
 */
export function loadBalanceLoss({ probabilities, chosen }: Routing): Tensor {
  const experts = probabilities.shape.at(-1) as number;
  if (probabilities.rank < 2) {
    throw new RangeError(
      `loadBalanceLoss: expected probabilities [..., batch, experts], got [${probabilities.shape.join(", ")}]`,
    );
  }
  return mul(sum(mul(mean(chosen, { axis: -2 }), mean(probabilities, { axis: -2 })), { axis: -1 }), experts);
}
