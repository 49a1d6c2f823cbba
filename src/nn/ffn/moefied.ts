/** A feed-forward block whose hidden units are experts in groups, chosen for each row by a router. */
import { add, fold, mul, relu, reshape, type Tensor, zeros } from "../../array/index.ts";
import { checkCount, checkLast } from "../checks.ts";
import { fanInUniform, type Initializer } from "../initializers.ts";
import type { Layer } from "../layer.ts";
import { topExperts, type UnitGroups } from "./top-experts.ts";
import { bestExperts, expertScores, initRouter, type RouterKind, type UnitRouterParams } from "./unit-routers.ts";

export interface MoefiedFfnOptions {
  /** Extent of the last axis of input and output. */
  readonly width: number;
  /** Hidden units in all, a multiple of `experts`. */
  readonly hidden: number;
  /** Groups that the hidden units are cut into. */
  readonly experts: number;
  /** Groups that each row uses. */
  readonly active: number;
  readonly router: RouterKind;
  /** Function of the hidden units; ReLU by default. */
  readonly activation?: (x: Tensor) => Tensor;
  /** Whether hidden units are gated; their gates and values stand in turn then. False by default. */
  readonly gated?: boolean;
  /** Whether units and outputs have biases; true by default. */
  readonly bias?: boolean;
  /** Factor on the sum over experts; 1 by default. */
  readonly scale?: number;
  /** How weights are drawn; as in `linear` by default. */
  readonly init?: Initializer;
}

/** Parameters: the groups of units, and the router's. */
export type MoefiedFfnParams = UnitGroups & { readonly router: UnitRouterParams };

/**
 * The sum over the experts that the router scores highest; with all experts active and scale 1 it is the dense block with
 * the same units. Experts that are not chosen are not read. `x: [..., width]` gives the same shape.
 * Source: Zhang et al. 2022 (MoEfication), arXiv:2110.01786.
 */
export function moefiedFfn(options: MoefiedFfnOptions): Layer<MoefiedFfnParams> {
  const { width, hidden, experts, active, router, activation = relu, gated = false, bias = true, scale = 1 } = options;
  const { init = fanInUniform } = options;
  checkCount("moefiedFfn", { width, hidden, experts, active });
  if (hidden % experts !== 0)
    throw new RangeError(`moefiedFfn: ${hidden} hidden units cannot be cut into ${experts} equal experts`);
  if (active > experts)
    throw new RangeError(`moefiedFfn: ${active} active experts are more than the ${experts} there are`);
  const units = hidden / experts;
  return {
    init: (key) => {
      const rows = gated ? 2 * units : units;
      return {
        up: {
          weight: init(fold(key, "up"), [experts, rows, width], { fanIn: width, fanOut: hidden }),
          ...(bias ? { bias: zeros([experts, rows]) } : {}),
        },
        down: {
          weight: init(fold(key, "down"), [experts, width, units], { fanIn: hidden, fanOut: width }),
          ...(bias ? { bias: zeros([width]) } : {}),
        },
        router: initRouter(router, fold(key, "router"), experts, width),
      };
    },
    apply: ({ router: own, ...groups }, x, mode) => {
      checkLast("moefiedFfn", x, width);
      const rows = reshape(x, [-1, width]);
      const chosen = bestExperts(expertScores(router, own, groups, rows, activation), active);
      const { bias: shift, ...down } = groups.down;
      const total = topExperts({ ...groups, down }, rows, chosen, { activation, learning: mode?.training ?? false });
      const scaled = scale === 1 ? total : mul(total, scale);
      return reshape(shift ? add(scaled, shift) : scaled, x.shape);
    },
  };
}
