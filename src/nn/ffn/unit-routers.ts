/** Which groups of hidden units a row needs: routers for blocks cut into experts after training. */
import {
  add,
  cast,
  div,
  eye,
  fold,
  type Key,
  matmul,
  maximum,
  relu,
  sqrt,
  square,
  sum,
  type Tensor,
  tanh,
  topK,
  zeros,
} from "../../array/index.ts";
import { lecunNormal } from "../initializers.ts";
import { hiddenUnits, type UnitGroups } from "./top-experts.ts";

/**
 * `similarity`: nearness of the row to the middle of an expert's keys; `mlp`: a small network on the same; `linear`: an
 * affine map; `truth`: what the units really give, which computes them all and serves as a bound.
 */
export const routerKinds = ["similarity", "mlp", "linear", "truth"] as const;
export type RouterKind = (typeof routerKinds)[number];

/** Parameters of a router: of `similarity` and `mlp` the centres, of `mlp` the mixing matrix too, of `linear` its map. */
export type UnitRouterParams = {
  readonly centres?: Tensor;
  readonly mix?: Tensor;
  readonly map?: { readonly weight: Tensor; readonly bias: Tensor };
};

/** New parameters, where there is nothing to take them from. */
export function initRouter(kind: RouterKind, key: Key, experts: number, width: number): UnitRouterParams {
  const draw = (name: string, shape: readonly [number, number]): Tensor =>
    lecunNormal(fold(key, name), shape, { fanIn: width, fanOut: experts });
  if (kind === "similarity") return { centres: draw("centres", [experts, width]) };
  if (kind === "mlp") return { centres: draw("centres", [experts, width]), mix: eye(experts) };
  if (kind === "linear") return { map: { weight: draw("map", [width, experts]), bias: zeros([experts]) } };
  return {};
}

/** Rows of length 1. */
const unit = (x: Tensor): Tensor => div(x, maximum(sqrt(sum(square(x), { axis: -1, keepDims: true })), 1e-12));

/**
 * A score for each expert, higher for those that a row needs more: `x: [rows, width]` gives `[rows, experts]`.
 * Source: Zhang et al. 2022 (MoEfication), arXiv:2110.01786, section 3.3; linear: Zhao et al. 2024, arXiv:2408.11855.
 */
export function expertScores(
  kind: RouterKind,
  router: UnitRouterParams,
  groups: UnitGroups,
  x: Tensor,
  activation: (x: Tensor) => Tensor = relu,
): Tensor {
  if (kind === "truth") return unitSums(groups, x, activation);
  if (kind === "linear") {
    const { weight, bias } = router.map as { weight: Tensor; bias: Tensor };
    return add(matmul(x, weight), bias);
  }
  const near = matmul(unit(x), router.centres as Tensor, { transposeB: true });
  return kind === "similarity" ? near : matmul(tanh(near), router.mix as Tensor);
}

/** Sum of what each expert's units give: the ground truth of which experts a row needs. */
export const unitSums = (groups: UnitGroups, x: Tensor, activation: (x: Tensor) => Tensor = relu): Tensor =>
  sum(hiddenUnits(groups, x, activation), { axis: -1 });

/** The experts with the highest scores: int32 `[rows, count]`. */
export const bestExperts = (scores: Tensor, count: number): Tensor =>
  cast(topK(scores, count, { axis: -1 }).indices, "int32");
