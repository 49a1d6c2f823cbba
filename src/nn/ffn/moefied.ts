/** A feed-forward block whose hidden units are experts in groups, chosen for each row by a router. */
import { add, fold, mul, relu, reshape, softmax, stopGradient, sub, type Tensor, zeros } from "../../array/index.ts";
import { checkCount, checkLast } from "../checks.ts";
import { fanInUniform, type Initializer } from "../initializers.ts";
import type { Layer } from "../layer.ts";
import { expertMask, topExperts, type UnitGroups, weightedExperts } from "./top-experts.ts";
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
  /**
   * Whether, in training, the router learns from what chosen experts give, as if their outputs were weighted by the
   * softmax of its scores (a straight-through estimate); without it the choice passes no gradient. False by default.
   */
  readonly straightThrough?: boolean;
  /** How weights are drawn; as in `linear` by default. */
  readonly init?: Initializer;
}

/** Parameters: the groups of units, and the router's. */
export type MoefiedFfnParams = UnitGroups & { readonly router: UnitRouterParams };

/**
 * The sum over the experts that the router scores highest; with all experts active and scale 1 it is the dense block with
 * the same units. Experts that are not chosen are not read; in training they are, at the cost of the dense block. `x: [..., width]` gives the same shape.
 * Source: Zhang et al. 2022 (MoEfication), arXiv:2110.01786.
 */
export function moefiedFfn(options: MoefiedFfnOptions): Layer<MoefiedFfnParams> {
  const { width, hidden, experts, active, router, activation = relu, gated = false, bias = true, scale = 1 } = options;
  const { init = fanInUniform, straightThrough = false } = options;
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
      const scores = expertScores(router, own, groups, rows, activation);
      const chosen = bestExperts(scores, active);
      const { bias: shift, ...down } = groups.down;
      const inner = { ...groups, down };
      const total = mode?.training
        ? weightedExperts(inner, rows, learningWeights(scores, chosen, straightThrough), { activation })
        : topExperts(inner, rows, chosen, { activation });
      const scaled = scale === 1 ? total : mul(total, scale);
      return reshape(shift ? add(scaled, shift) : scaled, x.shape);
    },
  };
}

/** 1 for chosen experts and 0 for others, with the gradient of a softmax if wanted. */
function learningWeights(scores: Tensor, chosen: Tensor, straightThrough: boolean): Tensor {
  const mask = expertMask(chosen, scores.shape[1] as number, scores.dtype);
  if (!straightThrough) return mask;
  const soft = softmax(scores);
  return add(mask, sub(soft, stopGradient(soft)));
}
