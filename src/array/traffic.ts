/** Counts of bytes that are read and made. */
import { graphOf } from "./compile.ts";
import { bytesOf } from "./dtype.ts";
import { nodesOf } from "./graph.ts";
import type { Graph, Node, Tensor } from "./tensor.ts";
import { flatten } from "./tree.ts";

/** For each argument of a function the bytes that were read of its tensors. */
type Bytes = readonly number[];

/** Which argument a tensor of a graph belongs to. */
type Owners = ReadonlyMap<Tensor, number>;

/**
 * Bytes that the graph that `compile(fn)` would run reads of the tensors of each argument, each use counted: a lookup
 * reads its rows, a layer of experts those that are chosen, a product all of its matrix. Where the rows of a batch
 * choose, as many are counted as they can choose at most. Loops count each step, a branch as the larger of its two
 * sides. What the runtime then keeps near at hand or copies is not looked at. Arguments need no values. Throws one
 * sentence for a loop whose number of steps is not known.
 */
export function bytesRead<A extends readonly unknown[]>(fn: (...args: A) => unknown, ...args: A): Bytes {
  const graph = graphOf(fn, ...args);
  const owners = new Map<Tensor, number>();
  let next = 0;
  args.forEach((arg, i) => {
    for (const _ of flatten(arg).leaves) owners.set(graph.inputs[next++] as Tensor, i);
  });
  return readIn(graph, owners, args.length);
}

function readIn(graph: Graph, given: Owners, args: number): Bytes {
  const owners = new Map(given);
  const total = Array<number>(args).fill(0);
  for (const node of nodesOf(graph.outputs)) {
    const control = bodiesOf[node.rules.name];
    const reads = node.rules.reads?.(node);
    if (control)
      control(node, owners, args).forEach((bytes, i) => {
        (total[i] as number) += bytes;
      });
    else if (reads === "view") {
      const owner = owners.get(node.inputs[0] as Tensor);
      if (owner !== undefined) owners.set(node.outputs[0] as Tensor, owner);
    } else
      node.inputs.forEach((x, i) => {
        const owner = owners.get(x);
        if (owner !== undefined) (total[owner] as number) += (reads?.[i] ?? x.size) * bytesOf(x.dtype);
      });
  }
  return total;
}

/** Who owns the inputs of a body, from those of its node: `first` of the node's inputs stands for the first of the body. */
const within = (node: Node<never>, body: Graph, owners: Owners, first: number, from = 0): Owners =>
  new Map(
    body.inputs.flatMap((input, i): [Tensor, number][] => {
      const owner = i < from ? undefined : owners.get(node.inputs[first + i] as Tensor);
      return owner === undefined ? [] : [[input, owner]];
    }),
  );

/** Control flow: what its bodies read. Carried tensors change, so they belong to no argument. */
const bodiesOf: { readonly [name: string]: (node: Node<never>, owners: Owners, args: number) => Bytes } = {
  scan: (node, owners, args) => {
    const { carries, length } = node.params as { readonly carries: number; readonly length: number };
    // A step sees one slice of a sequence, so the body reads all of it in the end.
    const once = readIn(node.bodies[0] as Graph, within(node, node.bodies[0] as Graph, owners, 0, carries), args);
    return once.map((bytes) => length * bytes);
  },
  cond: (node, owners, args) => {
    const sides = node.bodies.map((body) => readIn(body, within(node, body, owners, 1), args));
    return Array.from({ length: args }, (_, i) => Math.max(...sides.map((side) => side[i] as number)));
  },
  whileLoop: (node, owners, args) => {
    const { carries, maxSteps } = node.params as { readonly carries: number; readonly maxSteps: number | null };
    const sides = node.bodies.map((body) => readIn(body, within(node, body, owners, 0, carries), args));
    const once = Array.from({ length: args }, (_, i) => sides.reduce((sum, side) => sum + (side[i] as number), 0));
    if (maxSteps === null && once.some((bytes) => bytes > 0))
      throw new Error("bytesRead: a whileLoop without maxSteps reads an unknown number of bytes; give maxSteps");
    return once.map((bytes) => (bytes === 0 ? 0 : bytes * (maxSteps as number)));
  },
};

/**
 * Bytes of all tensors that the graph that `compile(fn)` would run makes, its result included, views, arguments and
 * constants left out: what
 * passes through memory, and more than it holds at any time. Arguments need no values. Throws one sentence for control
 * flow, whose tensors are made as often as it runs.
 */
export function bytesMade<A extends readonly unknown[]>(fn: (...args: A) => unknown, ...args: A): number {
  const graph = graphOf(fn, ...args);
  let total = 0;
  for (const node of nodesOf(graph.outputs)) {
    if (node.bodies.length > 0)
      throw new Error(`bytesMade: expected a graph without control flow, got ${node.rules.name}`);
    const isGiven = node.rules.name === "input" || node.rules.name === "constant";
    if (isGiven || node.rules.reads?.(node) === "view") continue;
    for (const { size, dtype } of node.outputs) total += size * bytesOf(dtype);
  }
  return total;
}
