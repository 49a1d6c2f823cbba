/** Graphs as values: their nodes in order, copies with replaced inputs, closing over outer tensors, printing, checking. */
import { shortName } from "./dtype.ts";
import { sameShape } from "./shape.ts";
import { atSite } from "./site.ts";
import {
  applyPrimitive,
  constantData,
  type Graph,
  inNewScope,
  isPlaceholder,
  type Node,
  placeholder,
  residentData,
  type Scope,
  type Tensor,
  type TensorType,
} from "./tensor.ts";

/** All nodes that `outputs` depend on, inputs before users. `enter` limits the walk. */
export function nodesOf(outputs: readonly Tensor[], enter: (node: Node<never>) => boolean = () => true): Node<never>[] {
  const seen = new Set<Node<never>>();
  const stack = outputs.map((x) => x.node).filter(enter);
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const x of node.inputs) if (!seen.has(x.node) && enter(x.node)) stack.push(x.node);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

/** True if a node of the graph, or of a body in it, is one of these. */
export const hasNode = (graph: Graph, is: (node: Node<never>) => boolean): boolean =>
  nodesOf(graph.outputs).some((node) => is(node) || node.bodies.some((body) => hasNode(body, is)));

/** Maps tensors of an old graph to those of a new one; tensors that were never replaced stand for themselves. */
export class Substitution {
  readonly #map = new Map<Tensor, Tensor>();
  set(from: Tensor, to: Tensor): void {
    this.#map.set(from, to);
  }
  get(x: Tensor): Tensor {
    return this.#map.get(x) ?? x;
  }
}

/**
 * Adds a copy of `graph` to the graph being traced, with `args` in place of its inputs; gives its outputs. Nodes for
 * which `enter` is false are used as they are, and so is what lies behind the inputs, which may be any tensors.
 */
export function inline(
  graph: Graph,
  args: readonly Tensor[],
  enter: (node: Node<never>) => boolean = () => true,
): Tensor[] {
  const substitution = new Substitution();
  const behind = new Set(graph.inputs.map((x) => x.node));
  graph.inputs.forEach((input, i) => {
    substitution.set(input, args[i] as Tensor);
  });
  for (const node of nodesOf(graph.outputs, (node) => !behind.has(node) && enter(node))) {
    if (node.rules.name === "input" || node.rules.name === "constant") continue;
    const copies = atSite(node.site, () =>
      applyPrimitive(
        node.rules,
        node.inputs.map((x) => substitution.get(x)),
        node.params,
        node.bodies,
      ),
    );
    node.outputs.forEach((x, i) => {
      substitution.set(x, copies[i] as Tensor);
    });
  }
  return graph.outputs.map((x) => substitution.get(x));
}

/**
 * Traces `fn` as a closed body of control flow. Tensors from outside become extra inputs after the formal ones; they
 * are given back as `captured`. With `hoist`, work that does not depend on the formal inputs is left outside.
 */
export function traceBody(
  types: readonly TensorType[],
  fn: (...inputs: Tensor[]) => readonly Tensor[],
  { hoist }: { hoist: boolean },
): { body: Graph; captured: Tensor[] } {
  return inNewScope((scope) => {
    const formal = types.map((type, i) => placeholder(type, `p${i}`));
    const outputs = fn(...formal);
    return closeOver(formal, outputs, scope, hoist);
  });
}

/** Constants of at most so many elements are copied into the bodies that use them. */
const SMALL_CONSTANT = 64;

function closeOver(formal: readonly Tensor[], outputs: readonly Tensor[], scope: Scope, hoist: boolean) {
  const inside = nodesOf(outputs, (node) => node.scope === scope);
  if (hoist && scope.parent) {
    const variant = new Set(formal.map((x) => x.node));
    for (const node of inside) {
      if (node.inputs.some((x) => variant.has(x.node))) variant.add(node);
      else if (!variant.has(node)) node.scope = scope.parent;
    }
  }
  const captured: Tensor[] = [];
  const replacement = new Map<Tensor, Tensor>();
  const capture = (x: Tensor): void => {
    // Small constants are part of a body, large ones never are: a loop should not carry copies of tables.
    const constant = constantData(x);
    if (constant ? constant.length <= SMALL_CONSTANT : x.node.scope === scope) return;
    if (replacement.has(x)) return;
    captured.push(x);
    replacement.set(x, placeholder(x, `c${captured.length - 1}`));
  };
  for (const node of inside) if (node.scope === scope) node.inputs.forEach(capture);
  outputs.forEach(capture);
  if (captured.length === 0) return { body: { inputs: formal, outputs }, captured };
  const open: Graph = { inputs: [...formal, ...captured], outputs };
  const inputs = [
    ...formal.map((x, i) => placeholder(x, `p${i}`)),
    ...captured.map((x) => replacement.get(x) as Tensor),
  ];
  return { body: { inputs, outputs: inline(open, inputs, (node) => node.scope === scope) }, captured };
}

/** The graph as text, one node a line: `b: f32[2,3] = add a 2`. Names follow the order of the nodes. */
export function printGraph(graph: Graph): string {
  const names = new Map<Tensor, string>();
  const lines: string[] = [];
  const nameOf = (x: Tensor): string => {
    const known = names.get(x);
    if (known) return known;
    const data = constantData(x);
    if (data?.length === 1) return String(data[0]);
    return `outer${x.node.id}`;
  };
  const fresh = (x: Tensor): string => {
    const name = letters(names.size);
    names.set(x, name);
    return `${name}: ${typeText(x)}`;
  };
  const header = graph.inputs.map(fresh).join(", ");
  for (const node of nodesOf(graph.outputs)) {
    if (node.outputs.every((y) => names.has(y))) continue;
    const data = node.rules.name === "constant" ? constantData(node.outputs[0] as Tensor) : null;
    if (data?.length === 1) continue;
    const params = residentData(node.outputs[0] as Tensor)
      ? "…"
      : data
        ? data.length <= SMALL_CONSTANT
          ? `[${data.join(", ")}]`
          : "…"
        : showParams(node.params);
    const bodies = node.bodies.map((body) => ` {\n${printGraph(body).replace(/^/gm, "    ")}\n  }`).join("");
    const inputs = node.inputs.map(nameOf).join(" ");
    lines.push(
      `  ${node.outputs.map(fresh).join(", ")} = ${[node.rules.name, inputs, params].filter(Boolean).join(" ")}${bodies}`,
    );
  }
  return [`(${header}) =>`, ...lines, `  return ${graph.outputs.map(nameOf).join(", ")}`].join("\n");
}

const typeText = (x: TensorType): string => `${shortName(x.dtype)}[${x.shape.join(",")}]`;

function letters(index: number): string {
  const letter = String.fromCharCode(97 + (index % 26));
  return index < 26 ? letter : letters(Math.floor(index / 26) - 1) + letter;
}

function showParams(params: Readonly<Record<string, unknown>>): string {
  return Object.entries(params)
    .filter(([, value]) => value !== undefined && typeof value !== "function")
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(" ");
}

/** Throws unless every node is legal: closed, in order, and of the types its rule gives. Run after each pass in tests. */
export function checkGraph(graph: Graph): void {
  const known = new Set<Tensor>(graph.inputs);
  for (const x of graph.inputs)
    if (!isPlaceholder(x)) throw new Error("checkGraph: an input of the graph is not a placeholder");
  for (const node of nodesOf(graph.outputs)) {
    if (node.rules.name === "input") {
      if (!known.has(node.outputs[0] as Tensor))
        throw new Error("checkGraph: a placeholder is used that is no input of the graph");
      continue;
    }
    for (const x of node.inputs)
      if (!known.has(x)) throw new Error(`checkGraph: ${node.rules.name} uses a tensor that comes later`);
    const types = node.rules.types(node.inputs, node.params, node.bodies);
    node.outputs.forEach((x, i) => {
      const type = types[i];
      if (!type || type.dtype !== x.dtype || !sameShape(type.shape, x.shape)) {
        throw new Error(
          `checkGraph: output ${i} of ${node.rules.name} is ${x}, its rule gives ${type ? typeText(type) : "nothing"}`,
        );
      }
      known.add(x);
    });
    for (const body of node.bodies) checkGraph(body);
  }
  for (const x of graph.outputs)
    if (!known.has(x)) throw new Error("checkGraph: an output is computed by no node of the graph");
}
