/**
 * Balanced binary decision trees over vectors. Nodes are numbered level by level from the root, node 0: the children of
 * node j are 2j + 1 on its left and 2j + 2 on its right, and a row goes right where the node's logit is at least 0.
 */
import {
  add,
  cast,
  customGradient,
  greaterEqual,
  log,
  maximum,
  mean,
  mul,
  neg,
  ones,
  relu,
  reshape,
  type Shape,
  sigmoid,
  split,
  stack,
  sub,
  sum,
  type Tensor,
  take,
  zeros,
} from "../../array/index.ts";

/** One linear decision a node: `weight: [nodes, width]`, `bias: [nodes]`. */
export type DecisionParams = { readonly weight: Tensor; readonly bias: Tensor };

/** Levels of a tree with so many nodes; throws unless it is balanced. */
function depthOf(operation: string, nodes: number): number {
  const depth = Math.log2(nodes + 1);
  if (!Number.isInteger(depth))
    throw new RangeError(`${operation}: expected the 2^depth - 1 nodes of a balanced tree, got ${nodes}`);
  return depth;
}

/**
 * Probability of ending in each leaf: `P_i = Π c or 1 - c` along the path to leaf i, where c is the probability that a
 * node sends to its right. `right: [..., 2^depth - 1]` gives `[..., 2^depth]`, which sums to 1. With decisions of 0 and
 * 1 it marks the one leaf that is reached.
 */
export function leafProbabilities(right: Tensor): Tensor {
  const depth = depthOf("leafProbabilities", right.shape.at(-1) as number);
  const batch: Shape = right.shape.slice(0, -1);
  const sizes = Array.from({ length: depth }, (_, level) => 2 ** level);
  const levels = depth === 0 ? [] : split(right, { axis: -1, sizes });
  return levels.reduce(
    (reached, goesRight) => {
      const rightward = mul(reached, goesRight);
      return reshape(stack([sub(reached, rightward), rightward], { axis: -1 }), [
        ...batch,
        2 * (reached.shape.at(-1) as number),
      ]);
    },
    ones([...batch, 1], right.dtype),
  );
}

/** 1 at the leaf that hard decisions reach, 0 at the others: `logits: [..., 2^depth - 1]` gives `[..., 2^depth]`. No gradient. */
export const reachedLeaf = (logits: Tensor): Tensor => leafProbabilities(cast(greaterEqual(logits, 0), logits.dtype));

/**
 * Index (int32) of the leaf that each row reaches, computing only the `depth` decisions on its path.
 * `x: [rows, width]` gives `[rows]`.
 */
export function hardDescend({ weight, bias }: DecisionParams, x: Tensor): Tensor {
  const nodes = bias.shape[0] as number;
  const depth = depthOf("hardDescend", nodes);
  let node = zeros([x.shape[0] as number], "int32");
  for (let level = 0; level < depth; level++) {
    const logit = add(sum(mul(x, take(weight, node)), { axis: -1 }), take(bias, node));
    node = add(add(mul(node, 2), 1), cast(greaterEqual(logit, 0), "int32"));
  }
  return sub(node, nodes);
}

/**
 * Mean entropy, in nats, of the decisions with these logits: 0 once every decision is certain, log 2 while all are even.
 * Training on it hardens a tree. Source: Belcak and Wattenhofer 2023, arXiv:2308.14711, equation 3.
 */
export function decisionEntropy(logits: Tensor): Tensor {
  // A tree without nodes decides nothing.
  return logits.size === 0 ? zeros([], logits.dtype) : mean(entropyOf(logits));
}

/**
 * Entropy of a decision with logit z and probability c: `max(z, 0) - z·c - log max(c, 1 - c)`, exact where c rounds to 0
 * or 1, with the slope `-z·c·(1 - c)`. Both are cheaper than what differentiating `-c·log c - (1 - c)·log(1 - c)` gives.
 */
const entropyOf = customGradient(
  (z: Tensor): Tensor => {
    const c = sigmoid(z);
    return sub(sub(relu(z), mul(z, c)), log(maximum(c, sub(1, c))));
  },
  (dy: Tensor, [z]: [Tensor]) => {
    const c = sigmoid(z);
    return [neg(mul(mul(dy, z), mul(c, sub(1, c))))];
  },
);
