/** The fast feed-forward layer: a tree of decisions over small leaves, trained soft and used hard. */
import {
  add,
  bernoulli,
  expandDims,
  fold,
  matmul,
  mul,
  ones,
  relu,
  reshape,
  type Shape,
  sigmoid,
  sub,
  type Tensor,
  uniform,
  where,
} from "../../array/index.ts";
import { checkCount, checkLast, checkRate } from "../checks.ts";
import type { Mode } from "../layer.ts";
import { chosenExperts, type ExpertParams, separateExperts } from "./chosen-experts.ts";
import { type DecisionParams, hardDescend, leafProbabilities, reachedLeaf } from "./decision-tree.ts";
import type { RoutedLayer, Routing } from "./routing.ts";

export interface FastFeedForwardOptions {
  /** Extent of the last axis of the input. */
  readonly width: number;
  /** Extent of the last axis of the output; `width` by default. */
  readonly outputs?: number;
  /** Decisions on the way to a leaf: there are 2^depth leaves. With 0 the layer is one dense block. */
  readonly depth: number;
  /** Hidden units of a leaf; `leafWidth · 2^depth` of them take part in training, `leafWidth` in inference. */
  readonly leafWidth: number;
  /** Function between the two layers of a leaf; ReLU by default. */
  readonly activation?: (x: Tensor) => Tensor;
  /** Probability that a decision is swapped while training, which shows leaves their neighbours' rows; 0 by default. */
  readonly regionLeak?: number;
}

/** Parameters: decisions `[2^depth - 1, width]`, and the leaves stacked along their first axis. */
export type FastFeedForwardParams = { readonly nodes: DecisionParams; readonly leaves: ExpertParams };

/** Where rows go in a tree, with the logits of its decisions `[..., 2^depth - 1]`. */
export interface TreeRouting extends Routing {
  readonly logits: Tensor;
}

export interface FastFeedForward extends RoutedLayer<FastFeedForwardParams, TreeRouting> {
  /** Tensors' elements in all, and those that inference reads for one row. */
  readonly parameterCount: number;
  readonly usedParameterCount: number;
  /** Hard inference with parameters of known values: faster than `apply` where leaves are large. */
  freeze(params: FastFeedForwardParams): (x: Tensor) => Tensor;
}

/** More leaves than a machine can hold, and probabilities that could fall below the smallest float. */
const DEEPEST = 20;

/**
 * `y = Σ_i P_i(x) f_i(x)` over leaves `f_i(x) = relu(x·U_iᵀ + a_i)·V_i + b_i`, where P_i is the probability that the
 * decisions `σ(w_j·x + c_j)` lead to leaf i. So it is in training; in inference each row takes the likelier side at
 * each node, and only the `depth` decisions on its path and its one leaf are computed.
 *
 * `x: [..., width]` gives `[..., outputs]`; U: `[leaves, leafWidth, width]`, a: `[leaves, leafWidth]`,
 * V: `[leaves, leafWidth, outputs]`, b: `[leaves, outputs]`, w: `[leaves - 1, width]`, c: `[leaves - 1]`.
 * In training, parameters may have a leading axis of members (see `ensemble`); then x is `[members, batch, width]`.
 * Source: Belcak and Wattenhofer 2023, "Fast Feedforward Networks", arXiv:2308.14711.
 */
export function fastFeedForward(options: FastFeedForwardOptions): FastFeedForward {
  const { width, outputs = width, depth, leafWidth, activation = relu, regionLeak = 0 } = options;
  checkCount("fastFeedForward", { width, outputs, leafWidth });
  checkRate("fastFeedForward", regionLeak);
  if (!Number.isInteger(depth) || depth < 0 || depth > DEEPEST) {
    throw new RangeError(`fastFeedForward: depth must be a whole number from 0 to ${DEEPEST}, got ${depth}`);
  }
  const leaves = 2 ** depth;
  const leafSize = leafWidth * (width + 1) + outputs * (leafWidth + 1);

  const route = ({ nodes }: FastFeedForwardParams, x: Tensor, mode?: Mode): TreeRouting => {
    checkLast("fastFeedForward", x, width);
    const logits = add(matmul(x, nodes.weight, { transposeB: true }), nodes.bias);
    const right = sigmoid(logits);
    const leaky =
      mode?.training && mode.key && regionLeak > 0
        ? where(bernoulli(mode.key, right.shape, regionLeak), sub(1, right), right)
        : right;
    return { logits, probabilities: leafProbabilities(leaky), chosen: reachedLeaf(logits) };
  };

  const mix = ({ leaves: { up, down } }: FastFeedForwardParams, x: Tensor, weights: Tensor): Tensor => {
    checkLast("fastFeedForward", x, width);
    const members: Shape = up.weight.shape.slice(0, -3);
    const units = leaves * leafWidth;
    const bias = reshape(up.bias, members.length === 0 ? [units] : [...members, 1, units]);
    const hidden = activation(
      add(matmul(x, reshape(up.weight, [...members, units, width]), { transposeB: true }), bias),
    );
    const rows: Shape = hidden.shape.slice(0, -1);
    // Σ_i w_i (h_i·V_i + b_i) is one product over all hidden units once each is weighted by its leaf.
    const weighted = mul(reshape(hidden, [...rows, leaves, leafWidth]), expandDims(weights, -1));
    const mixed = matmul(reshape(weighted, [...rows, units]), reshape(down.weight, [...members, units, outputs]));
    return add(mixed, matmul(weights, down.bias));
  };

  const hard = (params: FastFeedForwardParams, x: Tensor, separate?: readonly ExpertParams[]): Tensor => {
    checkLast("fastFeedForward", x, width);
    if (params.nodes.weight.rank !== 2) {
      throw new RangeError(
        "fastFeedForward: inference takes the parameters of one model, got those of an ensemble; take one member",
      );
    }
    const rows = reshape(x, [-1, width]);
    if (depth === 0) return mix(params, x, ones([...x.shape.slice(0, -1), 1], x.dtype));
    const leaf = hardDescend(params.nodes, rows);
    return reshape(chosenExperts(params.leaves, rows, leaf, { activation, ...(separate ? { separate } : {}) }), [
      ...x.shape.slice(0, -1),
      outputs,
    ]);
  };

  return {
    experts: leaves,
    parameterCount: (leaves - 1) * (width + 1) + leaves * leafSize,
    usedParameterCount: depth * (width + 1) + leafSize,
    init: (key) => {
      const [first, second] = [1 / Math.sqrt(width), 1 / Math.sqrt(leafWidth)];
      const draw = (name: string, shape: Shape, bound: number) =>
        uniform(fold(key, name), shape, { min: -bound, max: bound });
      return {
        nodes: {
          weight: draw("nodes.weight", [leaves - 1, width], first),
          bias: draw("nodes.bias", [leaves - 1], first),
        },
        leaves: {
          up: {
            weight: draw("up.weight", [leaves, leafWidth, width], first),
            bias: draw("up.bias", [leaves, leafWidth], first),
          },
          down: {
            weight: draw("down.weight", [leaves, leafWidth, outputs], second),
            bias: draw("down.bias", [leaves, outputs], second),
          },
        },
      };
    },
    route,
    mix,
    apply: (params, x, mode) =>
      mode?.training ? mix(params, x, route(params, x, mode).probabilities) : hard(params, x),
    freeze: (params) => {
      const separate = separateExperts(params.leaves);
      return (x) => hard(params, x, separate);
    },
  };
}
