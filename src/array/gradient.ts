/** Reverse-mode and forward-mode derivatives as transformations of the traced graph. Gradients nest. */

import { scan } from "./control.ts";
import { isFloat } from "./dtype.ts";
import { add } from "./elementwise.ts";
import { inline, nodesOf } from "./graph.ts";
import { broadcastTo, reshape } from "./layout.ts";
import { multiPrimitive, primitive } from "./primitive.ts";
import { sum } from "./reduce.ts";
import { broadcastAxes, sameShape } from "./shape.ts";
import { atSite, gradientSite } from "./site.ts";
import { inNewScope, type Node, placeholder, scalar, Tensor } from "./tensor.ts";
import { flatten, type TreeLike } from "./tree.ts";

/** A tensor of one value in the type of `x`. */
const filled = (x: Tensor, value: number): Tensor => broadcastTo(scalar(value, x.dtype), x.shape);

/** Sums a gradient over the axes along which its operand had been broadcast. */
function undoBroadcast(dy: Tensor, x: Tensor): Tensor {
  if (sameShape(dy.shape, x.shape)) return dy;
  return reshape(sum(dy, { axis: broadcastAxes(x.shape, dy.shape) }), x.shape);
}

/**
 * Gradients of `outputs`, weighted by `cotangents` (null: zero), with respect to `wrt`. Null where an output does not
 * depend on a tensor. This is the one place where gradients are accumulated and broadcasting is undone.
 */
export function backpropagate(
  outputs: readonly Tensor[],
  cotangents: readonly (Tensor | null)[],
  wrt: readonly Tensor[],
): (Tensor | null)[] {
  const first = Math.min(...wrt.map((x) => x.node.id));
  // Nodes made before the first variable cannot depend on it.
  const nodes = nodesOf(outputs, (node) => node.id >= first);
  const variable = new Set<Tensor>(wrt);
  const depends = new Set<Tensor>();
  for (const x of wrt) depends.add(x);
  const active: Node<never>[] = [];
  for (const node of nodes) {
    if (!node.inputs.some((x) => depends.has(x))) continue;
    active.push(node);
    for (const y of node.outputs) if (isFloat(y.dtype)) depends.add(y);
  }
  const sums = new Map<Tensor, Tensor>();
  const accumulate = (x: Tensor, dy: Tensor): void => {
    const so_far = sums.get(x);
    sums.set(x, so_far ? add(so_far, dy) : dy);
  };
  outputs.forEach((y, i) => {
    const dy = cotangents[i];
    if (dy && depends.has(y)) accumulate(y, dy);
  });
  for (const node of active.reverse()) {
    const dys = node.outputs.map((y) => sums.get(y) ?? null);
    if (dys.every((dy) => dy === null)) continue;
    const { rules, inputs, params, bodies } = node;
    if (!rules.gradient) {
      throw new Error(`${rules.name}: has no gradient; wrap its operand in stopGradient if none is wanted`);
    }
    const needs = inputs.map((x) => depends.has(x));
    const { gradient } = rules;
    atSite(gradientSite(node.site), () => {
      const gradients = gradient(dys, { inputs, outputs: node.outputs, params, bodies, needs });
      inputs.forEach((x, i) => {
        const dx = gradients[i];
        if (dx && needs[i]) accumulate(x, undoBroadcast(dx, x));
      });
    });
    if (!node.outputs.some((y) => variable.has(y))) for (const y of node.outputs) sums.delete(y);
  }
  return wrt.map((x) => sums.get(x) ?? null);
}

/** `x` itself as a new graph node, so that derivatives with respect to this use of it can be told apart. */
export const identity = primitive<[x: Tensor], object>("identity", {
  shape: ([x]) => x,
  gradient: (dy) => [dy],
  onnx: (graph, [x]) => graph.node("Identity", [x]),
});

const stop = primitive<[x: Tensor], object>("stopGradient", {
  shape: ([x]) => x,
  gradient: () => [null],
  onnx: (graph, [x]) => graph.node("Identity", [x]),
});

/** `x`, seen as a constant by differentiation. */
export const stopGradient = <T>(tree: T): T => {
  const { leaves, rebuild } = flatten(tree);
  return rebuild(leaves.map((x) => stop(x, {})));
};

type Fn<A extends readonly unknown[], R> = (...args: A) => R;

/**
 * Value and pullback: `vjp(f, ...x)` gives `f(...x)` and the function that maps a cotangent (a tree like the output) to
 * the gradients of all arguments (trees like the arguments; zeros where the output does not depend on one, integer
 * tensors included).
 */
export function vjp<A extends readonly TreeLike[], R>(fn: Fn<A, R>, ...primals: A): [R, (cotangent: R) => A] {
  const args = flatten(primals);
  const variables = args.leaves.map((x) => identity(x, {}));
  const output = fn(...args.rebuild(variables));
  const out = flatten(output);
  return [
    output,
    (cotangent) => {
      const dys = flatten(cotangent);
      if (dys.structure !== out.structure) {
        throw new TypeError("vjp: the cotangent needs the same tree structure as the function's output");
      }
      for (const [i, dy] of dys.leaves.entries()) checkCotangent("vjp", dy, out.leaves[i] as Tensor);
      const gradients = backpropagate(out.leaves, dys.leaves, variables);
      return args.rebuild(gradients.map((dx, i) => dx ?? filled(variables[i] as Tensor, 0)));
    },
  ];
}

function checkCotangent(operation: string, dy: Tensor, y: Tensor): void {
  if (dy.dtype !== y.dtype || !sameShape(dy.shape, y.shape)) {
    throw new TypeError(`${operation}: expected ${y}, got ${dy}`);
  }
}

/** Gradient of a scalar function with respect to its first argument: a tree like that argument. */
export function grad<P extends TreeLike, A extends readonly unknown[]>(
  fn: (params: P, ...rest: A) => Tensor,
): (params: P, ...rest: A) => P {
  const both = valueAndGrad(fn);
  return (params, ...rest) => both(params, ...rest)[1];
}

/**
 * Value and gradient (with respect to the first argument) of a scalar function. A function that gives `[loss, aux]`
 * is differentiated through `loss`, and `aux` is passed on: `[[loss, aux], gradient]`.
 */
export function valueAndGrad<
  P extends TreeLike,
  A extends readonly unknown[],
  R extends Tensor | readonly [Tensor, unknown],
>(fn: (params: P, ...rest: A) => R): (params: P, ...rest: A) => [R, P] {
  return (params, ...rest) => {
    const { leaves, paths, rebuild } = flatten(params);
    if (leaves.length === 0)
      throw new TypeError("grad: the first argument holds no tensor to differentiate with respect to");
    leaves.forEach((x, i) => {
      if (!isFloat(x.dtype)) {
        throw new TypeError(
          `grad: expected float tensors in the first argument, got ${x}${paths[i] ? ` at "${paths[i]}"` : ""}`,
        );
      }
    });
    const variables = leaves.map((x) => identity(x, {}));
    const result = fn(rebuild(variables), ...rest);
    const loss = (result instanceof Tensor ? result : result[0]) as Tensor;
    if (!(loss instanceof Tensor) || loss.rank !== 0 || !isFloat(loss.dtype)) {
      throw new TypeError(
        `grad: the function must give a float scalar, got ${String(loss)}; reduce it with sum or mean`,
      );
    }
    const gradients = backpropagate([loss], [scalar(1, loss.dtype)], variables);
    return [result, rebuild(gradients.map((dx, i) => dx ?? filled(variables[i] as Tensor, 0)))];
  };
}

/**
 * Forward mode: `jvp(f, x, dx)` gives `f(...x)` and its directional derivative along `dx`. It is the transpose of the
 * transpose: the pullback is linear in its cotangent, so pulling back through it gives the forward derivative, and dead
 * code elimination removes the rest.
 */
export function jvp<A extends readonly TreeLike[], R>(fn: Fn<A, R>, primals: A, tangents: A): [R, R] {
  const args = flatten(primals);
  const directions = flatten(tangents);
  if (directions.structure !== args.structure)
    throw new TypeError("jvp: tangents need the same tree structure as primals");
  for (const [i, dx] of directions.leaves.entries()) checkCotangent("jvp", dx, args.leaves[i] as Tensor);
  const variables = args.leaves.map((x) => identity(x, {}));
  const output = fn(...args.rebuild(variables));
  const out = flatten(output);
  const cotangents = out.leaves.map((y) => identity(filled(y, 0), {}));
  const pulled = backpropagate(out.leaves, cotangents, variables);
  const used = pulled.flatMap((dx, i) => (dx ? [{ dx, along: directions.leaves[i] as Tensor }] : []));
  const forward = used.length
    ? backpropagate(
        used.map((u) => u.dx),
        used.map((u) => u.along),
        cotangents,
      )
    : [];
  return [output, out.rebuild(out.leaves.map((y, i) => forward[i] ?? filled(y, 0)))];
}

interface AttachParams {
  readonly count: number;
  readonly rule: (
    dys: readonly Tensor[],
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    needs: readonly boolean[],
  ) => readonly (Tensor | null)[];
}

/** The first `count` operands, unchanged, with a gradient rule for the rest. */
const attachGradient = multiPrimitive<AttachParams>({
  name: "attachGradient",
  types: (inputs, { count }) => inputs.slice(0, count),
  gradient: (dys, { inputs, outputs, params: { count, rule }, needs }) => {
    const filledDys = dys.map((dy, i) => dy ?? filled(outputs[i] as Tensor, 0));
    return [...Array<null>(count).fill(null), ...rule(filledDys, inputs.slice(count), outputs, needs.slice(count))];
  },
  onnx: (graph, inputs, { params }) => inputs.slice(0, params.count).map((x) => graph.node("Identity", [x])),
});

/**
 * `fn` with a gradient of your own: `rule(cotangent, args, output)` gives the gradients of the arguments (trees like
 * them; null for none). `fn` itself is not differentiated, and what it captures from outside gets no gradient.
 */
export function customGradient<A extends readonly TreeLike[], R>(
  fn: Fn<A, R>,
  rule: (cotangent: R, args: A, output: R) => { readonly [K in keyof A]: A[K] | null },
): Fn<A, R> {
  return (...args) => {
    const flat = flatten(args);
    const out = flatten(fn(...flat.rebuild(flat.leaves.map((x) => stop(x, {})))));
    const attached = attachGradient([...out.leaves.map((y) => stop(y, {})), ...flat.leaves], {
      count: out.leaves.length,
      rule: (dys, inputs, outputs) => {
        const gradients = rule(out.rebuild(dys), flat.rebuild(inputs), out.rebuild(outputs));
        return args.flatMap((arg, i): readonly (Tensor | null)[] => {
          const { leaves, paths, structure } = flatten(arg);
          const gradient = gradients[i];
          if (gradient === null) return leaves.map(() => null);
          const given = flatten(gradient);
          if (given.structure !== structure)
            throw new TypeError(
              `customGradient: the gradient of argument ${i} has another structure than the argument`,
            );
          for (const [k, dx] of given.leaves.entries()) {
            const path = paths[k] ? `.${paths[k]}` : "";
            checkCotangent(`customGradient: gradient of argument ${i}${path}`, dx, leaves[k] as Tensor);
          }
          return given.leaves;
        });
      },
    });
    return out.rebuild(attached);
  };
}

/**
 * `fn`, whose inner values are computed again for the gradient instead of being kept: less memory, about a third more
 * time. Differentiates through tensors that `fn` captures, too.
 */
export function checkpoint<A extends readonly TreeLike[], R>(fn: Fn<A, R>): Fn<A, R> {
  return (...args) => {
    const flat = flatten(args);
    const { graph, captured, rebuild } = traceOpen(fn, flat);
    const operands = [...flat.leaves, ...captured];
    const outputs = inline(
      graph,
      operands.map((x) => stop(x, {})),
    );
    const attached = attachGradient([...outputs, ...operands], {
      count: outputs.length,
      rule: (dys, inputs, _, needs) => {
        // A loop of one step is a wall: common subexpressions are not shared across it, and it starts once dy is there.
        const zeros = inputs.map((x, i) => (needs[i] && isFloat(x.dtype) ? filled(x, 0) : null));
        const [gradients] = scan(
          () => {
            const variables = inputs.map((x) => identity(x, {}));
            const again = inline(graph, variables);
            const pulled = backpropagate(again, dys, variables);
            return [zeros.flatMap((zero, i) => (zero ? [pulled[i] ?? zero] : [])), []];
          },
          zeros.filter((zero) => zero !== null),
          undefined,
          { length: 1, hoist: false },
        );
        let next = 0;
        return zeros.map((zero) => (zero ? (gradients[next++] as Tensor) : null));
      },
    });
    return rebuild(attached);
  };
}

function traceOpen<A extends readonly TreeLike[], R>(
  fn: Fn<A, R>,
  args: { leaves: readonly Tensor[]; rebuild: (leaves: readonly Tensor[]) => A },
) {
  return inNewScope((scope) => {
    const formal = args.leaves.map((x, i) => placeholder(x, `p${i}`));
    const out = flatten(fn(...args.rebuild(formal)));
    const inside = nodesOf(out.leaves, (node) => node.scope === scope);
    const captured = new Set<Tensor>();
    for (const x of [...inside.flatMap((node) => node.inputs), ...out.leaves])
      if (x.node.scope !== scope) captured.add(x);
    const graph = { inputs: [...formal, ...captured], outputs: out.leaves };
    return { graph, captured: [...captured], rebuild: out.rebuild };
  });
}
