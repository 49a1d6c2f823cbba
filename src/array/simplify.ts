/** Simplification of graphs: dead code, common subexpressions, constant folding, algebra. Values are not changed. */

import { packCarries } from "./carries.ts";
import { cast } from "./compare.ts";
import { bytesOf, elementsText, isFloat } from "./dtype.ts";
import { add, mul, neg, reciprocal } from "./elementwise.ts";
import { nodesOf, printGraph, Substitution } from "./graph.ts";
import { scatterAddAlong } from "./indexing.ts";
import { broadcastTo, reshape, transpose } from "./layout.ts";
import { matmul } from "./linear.ts";
import { sum } from "./reduce.ts";
import { sameShape } from "./shape.ts";
import { atSite } from "./site.ts";
import {
  applyPrimitive,
  constantData,
  type Graph,
  inNewScope,
  type Node,
  placeholder,
  scalar,
  scalarValue,
  type Tensor,
} from "./tensor.ts";

/** A simpler tensor for the first output of a node, or null. `known` finds a tensor that the graph computes anyway. */
type Rewrite = (node: Node<never>, known: (x: Tensor) => Tensor | undefined) => Tensor | null;

const operand = (node: Node<never>, i: number): Tensor => node.inputs[i] as Tensor;
const result = (node: Node<never>): Tensor => node.outputs[0] as Tensor;
const param = <T>(node: Node<never>, name: string): T => (node.params as Record<string, unknown>)[name] as T;

/** `x` if it already has the result's shape, else `x` broadcast to it. */
const as = (node: Node<never>, x: Tensor): Tensor => broadcastTo(x, result(node).shape);

/** The operand beside a scalar constant of the given value, on either side or on the right only. */
function beside(node: Node<never>, value: number, sides: "either" | "right"): Tensor | null {
  if (scalarValue(operand(node, 1)) === value) return as(node, operand(node, 0));
  if (sides === "either" && scalarValue(operand(node, 0)) === value) return as(node, operand(node, 1));
  return null;
}

/** Rewrites by primitive. Each is exact in floating point, NaN and signed zero included, unless it says otherwise. */
const rewrites: Readonly<Record<string, Rewrite>> = {
  // Markers for differentiation mean nothing once a graph is complete.
  identity: (node) => operand(node, 0),
  stopGradient: (node) => operand(node, 0),
  // Zeros come from gradients of unused outputs; -0 + 0 = 0 is the only value that changes.
  add: (node) => beside(node, 0, "either") ?? biasOntoProduct(node),
  sub: (node) => beside(node, 0, "right") ?? scatterOntoNegative(node),
  sum: (node, known) => sumOfOne(node) ?? sumOfScatter(node) ?? sumThroughProduct(node, known),
  mul: (node) => beside(node, 1, "either") ?? minusOneTimes(node) ?? factorOntoProduct(node),
  div: (node) => {
    const divisor = scalarValue(operand(node, 1));
    if (divisor === 1) return as(node, operand(node, 0));
    // A product is cheaper than a quotient, and by a power of two it is the same.
    if (divisor !== null && isFloat(result(node).dtype) && Number.isInteger(Math.log2(Math.abs(divisor)))) {
      return mul(operand(node, 0), 1 / divisor);
    }
    return scalarValue(operand(node, 0)) === 1 && isFloat(result(node).dtype)
      ? as(node, reciprocal(operand(node, 1)))
      : null;
  },
  neg: (node) => negative(operand(node, 0)),
  scatterAddAlong: (node) => factorAfterScatter(node),
  // A permutation of a permutation is one permutation, often none.
  transpose: (node) => {
    const inner = operand(node, 0).node;
    if (inner.rules.name !== "transpose") return null;
    const [outer, first] = [param<number[]>(node, "permutation"), param<number[]>(inner, "permutation")];
    return transpose(
      operand(inner, 0),
      outer.map((axis) => first[axis] as number),
    );
  },
  // Only the last shape counts.
  reshape: (node) => {
    const inner = operand(node, 0).node;
    const value = scalarValue(operand(node, 0));
    if (value !== null) return broadcastTo(scalar(value, result(node).dtype), result(node).shape);
    return inner.rules.name === "reshape" ? reshape(operand(inner, 0), result(node).shape) : null;
  },
  broadcastTo: (node) => {
    const inner = operand(node, 0).node;
    return inner.rules.name === "broadcastTo" ? broadcastTo(operand(inner, 0), result(node).shape) : null;
  },
  // Widening and narrowing back gives the value itself.
  cast: (node) => {
    const inner = operand(node, 0).node;
    const value = scalarValue(operand(node, 0));
    const { dtype, shape } = result(node);
    if (value !== null && isFloat(dtype)) return broadcastTo(scalar(value, dtype), shape);
    if (inner.rules.name !== "cast") return null;
    const source = operand(inner, 0);
    const between = operand(node, 0).dtype;
    const widened =
      source.dtype === "bool" ||
      (bytesOf(between) > bytesOf(source.dtype) && isFloat(between) >= isFloat(source.dtype));
    return widened && source.dtype === dtype ? cast(source, dtype) : null;
  },
  where: (node) => {
    const condition = scalarValue(operand(node, 0));
    return condition === null ? null : as(node, operand(node, condition ? 1 : 2));
  },
};

/** `-x` without a pass over all of `x`, or null. */
function negative(x: Tensor): Tensor | null {
  if (x.node.rules.name === "neg") return operand(x.node, 0);
  if (x.node.rules.name !== "mul") return null;
  // The sign costs least on the smallest factor, and nothing on a known number.
  const [small, large] = [operand(x.node, 0), operand(x.node, 1)].sort((a, b) => a.size - b.size) as [Tensor, Tensor];
  if (small.size === x.size) return null;
  const value = scalarValue(small);
  return mul(large, value === null ? neg(small) : broadcastTo(scalar(-value, small.dtype), small.shape));
}

/** Whether a tensor is zeros with something scattered onto them along an axis. */
const isScatterOnZeros = ({ node }: Tensor): boolean =>
  node.rules.name === "scatterAddAlong" && scalarValue(operand(node, 0)) === 0;

/** `scatter(0, i, u) - z = scatter(-z, i, u)`: one pass less over a large tensor (the gradient of cross-entropy). */
function scatterOntoNegative(node: Node<never>): Tensor | null {
  const [scattered, z] = [operand(node, 0), operand(node, 1)];
  if (!isScatterOnZeros(scattered) || !sameShape(z.shape, scattered.shape)) return null;
  const [, indices, updates] = scattered.node.inputs as readonly [Tensor, Tensor, Tensor];
  return scatterAddAlong(negative(z) ?? neg(z), indices, updates, { axis: param<number>(scattered.node, "axis") });
}

/** The sum of what was scattered onto zeros is the sum of the updates. */
function sumOfScatter(node: Node<never>): Tensor | null {
  const scattered = operand(node, 0);
  const axes = param<readonly number[]>(node, "axes");
  if (!isScatterOnZeros(scattered) || axes.length !== 1 || axes[0] !== param<number>(scattered.node, "axis"))
    return null;
  return sum(operand(scattered.node, 2), { axis: axes, keepDims: param<boolean>(node, "keepDims") });
}

/**
 * `Σ_j (a·bᵀ)_ij y_ij = Σ_d a_id (y·b)_id`: in the gradient of attention `y·b` is its output, and the sums run over the
 * width of a head instead of the length of the text.
 */
function sumThroughProduct(node: Node<never>, known: (x: Tensor) => Tensor | undefined): Tensor | null {
  const product = operand(node, 0).node;
  const axes = param<readonly number[]>(node, "axes");
  if (product.rules.name !== "mul" || axes.length !== 1 || axes[0] !== operand(node, 0).rank - 1) return null;
  for (const [i, k] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const [scores, y] = [operand(product, i), operand(product, k)];
    const { rules, inputs } = scores.node;
    if (rules.name !== "matmul" || param(scores.node, "transposeA") || !param(scores.node, "transposeB")) continue;
    const [a, b] = inputs as readonly [Tensor, Tensor];
    if (!sameShape(scores.shape, y.shape) || b.rank !== y.rank || b.rank === 2) continue;
    const through = known(matmul(y, b));
    if (through && sameShape(through.shape, a.shape)) {
      return sum(mul(a, through), { axis: -1, keepDims: param<boolean>(node, "keepDims") });
    }
  }
  return null;
}

/** A bias is added before the rows of a product get their batch axes back: there the runtime joins the two. */
function biasOntoProduct(node: Node<never>): Tensor | null {
  const [shaped, bias] = [operand(node, 0), operand(node, 1)];
  const product = shaped.node.rules.name === "reshape" ? operand(shaped.node, 0) : shaped;
  const fits =
    product.rank === 2 && bias.rank === 1 && product.shape[1] === bias.size && shaped.shape.at(-1) === bias.size;
  if (product === shaped || product.node.rules.name !== "matmul" || !fits) return null;
  return reshape(add(product, bias), shaped.shape);
}

/**
 * `scatter(f·z, i, u) = f·scatter(z, i, u/f)` for known numbers: the gradient of cross-entropy is multiplied by others, which
 * take its factor in. Exact for powers of two; else the last digit may differ.
 */
function factorAfterScatter(node: Node<never>): Tensor | null {
  const [scaled, updates] = [operand(node, 0), scalarValue(operand(node, 2))];
  if (scaled.node.rules.name !== "mul" || updates === null || !isFloat(scaled.dtype)) return null;
  const [z, factor] = [operand(scaled.node, 0), scalarValue(operand(scaled.node, 1))];
  // Where the quotient is at most 1 it cannot overflow.
  if (factor === null || factor === 0 || !(Math.abs(updates) <= Math.abs(factor)) || z.size < scaled.size) return null;
  const { shape } = operand(node, 2);
  const each = broadcastTo(scalar(updates / factor, scaled.dtype), shape);
  return mul(scatterAddAlong(z, operand(node, 1), each, { axis: param<number>(node, "axis") }), factor);
}

/** A factor is applied before the rows of a product get their batch axes back: there the runtime takes it into the product. */
function factorOntoProduct(node: Node<never>): Tensor | null {
  for (const k of [0, 1]) {
    const [shaped, factor] = [operand(node, k), operand(node, 1 - k)];
    if (shaped.node.rules.name !== "reshape" || factor.rank > 0 || scalarValue(factor) === null) continue;
    const product = operand(shaped.node, 0);
    if (product.node.rules.name === "matmul") return reshape(mul(product, factor), shaped.shape);
  }
  return null;
}

/** A sum along axes of extent 1 moves nothing but the shape. */
const sumOfOne = (node: Node<never>): Tensor | null =>
  operand(node, 0).size === result(node).size ? reshape(operand(node, 0), result(node).shape) : null;

function minusOneTimes(node: Node<never>): Tensor | null {
  if (!isFloat(result(node).dtype)) return null;
  const x = beside(node, -1, "either");
  return x && neg(x);
}

/** Elementwise operations take scalars as they are: an operand that was broadcast by hand need not be. */
function dropBroadcast(inputs: readonly Tensor[], node: Node<never>): readonly Tensor[] {
  if (!node.rules.scalar || inputs.length < 2) return inputs;
  const shape = result(node).shape;
  const kept = [...inputs];
  kept.forEach((x, i) => {
    const others = kept.filter((_, k) => k !== i);
    if (x.node.rules.name === "broadcastTo" && others.some((other) => sameShape(other.shape, shape)))
      kept[i] = operand(x.node, 0);
  });
  return kept;
}

/** The value of an elementwise operation on known scalars. */
function foldScalars(node: Node<never>): Tensor | null {
  const { rules, inputs } = node;
  if (!rules.scalar || !inputs.every((x) => isFloat(x.dtype) || x.dtype === "bool")) return null;
  const values = inputs.map(scalarValue);
  if (values.some((value) => value === null)) return null;
  return as(node, scalar(rules.scalar(...(values as number[])), result(node).dtype));
}

/**
 * An equal graph with fewer nodes: what no output needs is gone, equal nodes are one, scalars are folded, and the
 * rewrites above are applied. Bodies of control flow are simplified too.
 */
export function simplify(graph: Graph, values: readonly (number | null)[] = []): Graph {
  return inNewScope(() => {
    const substitution = new Substitution();
    const inputs = graph.inputs.map((x, i) => {
      const input = placeholder(x, `p${i}`);
      const value = values[i] ?? null;
      substitution.set(x, value === null ? input : broadcastTo(scalar(value, x.dtype), x.shape));
      return input;
    });
    const table = new Map<string, readonly Tensor[]>();
    const rewritten = (node: Node<never>): Tensor | null =>
      foldScalars(node) ?? rewrites[node.rules.name]?.(node, known) ?? null;
    const known = (x: Tensor): Tensor | undefined => table.get(nodeKey(x.node))?.[x.index];
    /** Simplifies freshly made nodes until nothing changes. */
    const settle = (x: Tensor): Tensor => {
      let current = x;
      for (
        let next = rewritten(current.node);
        next;
        next = current.node.outputs.length === 1 ? rewritten(current.node) : null
      )
        current = next;
      return share(current);
    };
    /** The first tensor that was computed in the same way. */
    const share = (x: Tensor): Tensor => (table.get(nodeKey(x.node)) ?? remember(x.node))[x.index] as Tensor;
    const remember = (node: Node<never>): readonly Tensor[] => {
      table.set(nodeKey(node), node.outputs);
      return node.outputs;
    };
    const nodes = nodesOf(graph.outputs);
    const used = new Set([...graph.outputs, ...nodes.flatMap((node) => node.inputs)]);
    for (const node of nodes) {
      if (node.rules.name === "input") continue;
      if (node.rules.name === "constant") {
        substitution.set(node.outputs[0] as Tensor, share(node.outputs[0] as Tensor));
        continue;
      }
      const operands = node.inputs.map((x) => substitution.get(x));
      if (node.rules.name === "attachGradient") {
        for (const [i, y] of node.outputs.entries()) substitution.set(y, operands[i] as Tensor);
        continue;
      }
      const bodies = node.bodies.map((body) => simplify(body, capturedValues(node, operands)));
      atSite(node.site, () => {
        const outputs =
          packedScan(node, operands, bodies, used) ??
          applyPrimitive(node.rules, dropBroadcast(operands, node), node.params, bodies);
        node.outputs.forEach((y, i) => {
          const made = outputs[i] as Tensor;
          substitution.set(y, outputs.length === 1 ? settle(made) : share(made));
        });
      });
    }
    return { inputs, outputs: graph.outputs.map((x) => substitution.get(x)) };
  });
}

/** The outputs of a loop over sequences some of whose carries go through its steps as one vector, or null. */
function packedScan(
  node: Node<never>,
  operands: readonly Tensor[],
  bodies: readonly Graph[],
  used: ReadonlySet<Tensor>,
): Tensor[] | null {
  if (node.rules.name !== "scan") return null;
  const body = bodies[0] as Graph;
  const carries = param<number>(node, "carries");
  const history = node.outputs.slice(body.outputs.length);
  const loop = packCarries(operands.slice(0, carries), body, (i) => !used.has(history[i] as Tensor));
  if (!loop) return null;
  const outputs = applyPrimitive(
    node.rules,
    [...loop.inits, ...operands.slice(carries)],
    { ...(node.params as object), carries: loop.inits.length } as never,
    [loop.body],
  );
  const count = loop.inits.length;
  const [last, stacked] = [outputs.slice(0, count), outputs.slice(count, -count)];
  // Nobody reads the values of a packed carry before each step: anything can stand for them.
  const before = operands.slice(0, carries);
  for (const [k, i] of loop.kept.entries()) before[i] = outputs[count + stacked.length + k] as Tensor;
  return [...loop.unpack(last), ...stacked, ...before];
}

/**
 * For the inputs of a body, the number that a tensor captured from outside is known to be everywhere, else null. A loop
 * moves zeros and the like out of its body; inside, they still let operations be simplified.
 */
function capturedValues(node: Node<never>, operands: readonly Tensor[]): (number | null)[] {
  if (node.rules.name === "cond") return operands.slice(1).map(scalarValue);
  const changing = param<number>(node, "carries") + (param<number | undefined>(node, "sequences") ?? 0);
  return operands.map((x, i) => (i < changing ? null : scalarValue(x)));
}

/** Keys of nodes met before: that of a loop prints its whole body, and each of its many outputs asks for it. */
const keys = new WeakMap<Node<never>, string>();

/** Equal for nodes that compute the same. */
function nodeKey(node: Node<never>): string {
  const known = keys.get(node) ?? makeKey(node);
  keys.set(node, known);
  return known;
}

function makeKey(node: Node<never>): string {
  if (node.rules.name === "input") return `input ${node.id}`;
  if (node.rules.name === "constant") return constantKey(result(node)) ?? `constant ${node.id}`;
  const inputs = node.inputs.map((x) => constantKey(x) ?? `${x.node.id}.${x.index}`).join(" ");
  return `${node.rules.name}(${inputs})${JSON.stringify(node.params, plainNumber)}${node.bodies.map(printGraph).join("|")}`;
}

/** The value of a small constant as text; undefined for everything else. */
function constantKey(x: Tensor): string | undefined {
  const data = constantData(x);
  if (!data || data.length > 64) return undefined;
  return `${x.dtype}[${x.shape}]${elementsText(data)}`;
}

/** JSON writes NaN and the infinities as null, which would make different nodes equal. */
const plainNumber = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
