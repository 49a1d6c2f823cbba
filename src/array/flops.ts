/** Counts of floating-point operations. */
import { graphOf } from "./compile.ts";
import { nodesOf } from "./graph.ts";
import type { Graph, Node } from "./tensor.ts";

/**
 * Floating-point operations of the products in the graph that `compile(fn)` would run for these arguments: matrix
 * products and convolutions, with a multiplication and an addition counted as two, as papers count them; elementwise
 * functions, sums and lookups are not counted. Loops count each step, a branch as the larger of its two sides. Arguments
 * need no values: `flopCount(layer.apply, layer.init(key(0)), x)` computes nothing. Throws one sentence for a loop
 * whose number of steps is not known.
 */
export const flopCount = <A extends readonly unknown[]>(fn: (...args: A) => unknown, ...args: A): number =>
  countIn(graphOf(fn, ...args));

const countIn = (graph: Graph): number =>
  nodesOf(graph.outputs).reduce((total, node) => total + (operationsOf[node.rules.name] ?? ownOperations)(node), 0);

const ownOperations = (node: Node<never>): number => node.rules.operations?.(node) ?? 0;

/** Control flow, whose operations are those of its bodies. */
const operationsOf: { readonly [name: string]: (node: Node<never>) => number } = {
  scan: ({ bodies, params }) => (params as { readonly length: number }).length * countIn(bodies[0] as Graph),
  cond: ({ bodies }) => Math.max(...bodies.map(countIn)),
  whileLoop: ({ bodies, params }) => {
    const once = bodies.reduce((total, body) => total + countIn(body), 0);
    const { maxSteps } = params as { readonly maxSteps: number | null };
    if (once > 0 && maxSteps === null)
      throw new Error("flopCount: a whileLoop without maxSteps does an unknown number of operations; give maxSteps");
    return once === 0 ? 0 : once * (maxSteps as number);
  },
};
