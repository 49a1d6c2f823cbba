/** A small expert that is always on, beside routed ones. */
import { add, fold, mul, sigmoid, sub, type Tensor, type Tree, tensor } from "../../array/index.ts";
import { type Layer, modeOf } from "../layer.ts";
import type { RoutedLayer, Routing } from "./routing.ts";

/** Parameters of `sharedExpert`: those of both parts, and the scalar k of the blend. */
export type SharedExpertParams<P extends Tree, Q extends Tree> = {
  readonly routed: P;
  readonly shared: Q;
  readonly blend: Tensor;
};

/**
 * Routed experts blended with one that sees every row: `y = κ·routed(x) + (1 - κ)·shared(x)` with `κ = σ(k)`, in
 * training and in inference. k is learned and starts at `blend`, 0.5 by default as in the source, so κ starts at 0.622.
 * Called the master leaf in: Charalampopoulos et al. 2024, arXiv:2405.16836.
 */
export function sharedExpert<P extends Tree, Q extends Tree, R extends Routing>(options: {
  readonly routed: RoutedLayer<P, R>;
  readonly shared: Layer<Q>;
  readonly blend?: number;
}): RoutedLayer<SharedExpertParams<P, Q>, R> {
  const { routed, shared, blend = 0.5 } = options;
  const join = (k: Tensor, tree: Tensor, always: Tensor): Tensor => {
    const share = sigmoid(k);
    return add(mul(share, tree), mul(sub(1, share), always));
  };
  return {
    experts: routed.experts,
    init: (key) => ({
      routed: routed.init(fold(key, "routed")),
      shared: shared.init(fold(key, "shared")),
      blend: tensor(blend),
    }),
    apply: (params, x, mode) =>
      join(
        params.blend,
        routed.apply(params.routed, x, modeOf(mode, "routed")),
        shared.apply(params.shared, x, modeOf(mode, "shared")),
      ),
    route: (params, x, mode) => routed.route(params.routed, x, modeOf(mode, "routed")),
    mix: (params, x, weights) =>
      join(params.blend, routed.mix(params.routed, x, weights), shared.apply(params.shared, x)),
  };
}
