/** Control flow in the graph: branches, loops over sequences, loops with a condition. All have gradients. */
import { less } from "./compare.ts";
import { isFloat } from "./dtype.ts";
import { add, sub } from "./elementwise.ts";
import { backpropagate, identity } from "./gradient.ts";
import { inline, traceBody } from "./graph.ts";
import { at } from "./indexing.ts";
import { zerosLike } from "./layout.ts";
import { branchGraph, loopNodes, scanNodes } from "./onnx/loops.ts";
import type { Attribute } from "./onnx/proto.ts";
import { multiPrimitive } from "./primitive.ts";
import { sameShape, showShape } from "./shape.ts";
import { type Graph, scalar, Tensor, type TensorType } from "./tensor.ts";
import { differingPath, type Flat, flatten, type TreeLike } from "./tree.ts";

const isType = (a: TensorType, b: TensorType): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape);
const show = ({ dtype, shape }: TensorType): string => `${dtype}${showShape(shape)}`;

/** Throws unless two trees have one structure and tensors of the same types. */
function checkSame(operation: string, what: string, a: Flat<unknown>, b: Flat<unknown>): void {
  if (a.structure !== b.structure)
    throw new TypeError(`${operation}: ${what} differ in structure: ${differingPath(a, b)}`);
  a.leaves.forEach((x, i) => {
    const y = b.leaves[i] as Tensor;
    if (!isType(x, y))
      throw new TypeError(
        `${operation}: ${what} differ${a.paths[i] ? ` at "${a.paths[i]}"` : ""}: ${show(x)} and ${show(y)}`,
      );
  });
}

/** The body of a gradient: recomputes `body` at its inputs and pulls cotangents back to those that need it. */
function pullBack(
  body: Graph,
  at: readonly Tensor[],
  cotangents: readonly (Tensor | null)[],
  needs: readonly boolean[],
): Tensor[] {
  const variables = at.map((x) => identity(x, {}));
  const outputs = inline(body, variables);
  const wanted = variables.filter((_, i) => needs[i]);
  return backpropagate(outputs, cotangents, wanted).map((dx, i) => dx ?? zerosLike(wanted[i] as Tensor));
}

/** Puts the gradients of the needed operands at their places among all. */
function spreadOut(needs: readonly boolean[], gradients: readonly Tensor[]): (Tensor | null)[] {
  let next = 0;
  return needs.map((needed) => (needed ? (gradients[next++] as Tensor) : null));
}

const branch = multiPrimitive<object>({
  name: "cond",
  types: ([predicate], _, [onTrue]) => {
    if (predicate?.dtype !== "bool" || predicate.shape.length !== 0) {
      throw new TypeError(
        `cond: expected a bool scalar as the condition, got ${predicate ? show(predicate) : "nothing"}`,
      );
    }
    return (onTrue as Graph).outputs;
  },
  gradient: (dys, { inputs, bodies, needs }) => {
    const [predicate, ...operands] = inputs as [Tensor, ...Tensor[]];
    const wanted = needs.slice(1).map((needed, i) => needed && isFloat((operands[i] as Tensor).dtype));
    const [onTrue, onFalse] = bodies.map((body) => () => pullBack(body, operands, dys, wanted)) as [
      () => Tensor[],
      () => Tensor[],
    ];
    return [null, ...spreadOut(wanted, cond(predicate, onTrue, onFalse))];
  },
  onnx: (graph, [predicate, ...operands], { bodies, outputs }) => {
    const [thenBranch, elseBranch] = bodies.map((body) => branchGraph(graph, body, operands));
    return graph.nodes("If", [predicate as string], outputs.length, {
      then_branch: thenBranch as Attribute,
      else_branch: elseBranch as Attribute,
    });
  },
});

/**
 * The tree that `onTrue` gives where the bool scalar is true, else that of `onFalse`. Only the branch taken is computed,
 * also in the gradient. Both must give the same structure, shapes and types.
 */
export function cond<T>(predicate: Tensor, onTrue: () => T, onFalse: () => T): T {
  const trees: Flat<T>[] = [];
  const traced = [onTrue, onFalse].map((fn) =>
    traceBody(
      [],
      () => {
        const flat = flatten(fn());
        trees.push(flat);
        return flat.leaves;
      },
      { hoist: false },
    ),
  );
  const [first, second] = trees as [Flat<T>, Flat<T>];
  checkSame("cond", "the branches", first, second);
  const operands = [...new Set(traced.flatMap(({ captured }) => captured))];
  const bodies = traced.map(({ body, captured }) => widen(body, captured, operands));
  return first.rebuild(branch([predicate, ...operands], {}, bodies));
}

/** The same body with inputs for all `operands` instead of only those that it captured. */
function widen(body: Graph, captured: readonly Tensor[], operands: readonly Tensor[]): Graph {
  return traceBody(
    operands,
    (...inputs) =>
      inline(
        body,
        captured.map((x) => inputs[operands.indexOf(x)] as Tensor),
      ),
    { hoist: false },
  ).body;
}

interface ScanParams {
  /** Number of carried tensors; after them among the operands come the sequences, then captured tensors. */
  readonly carries: number;
  readonly sequences: number;
  readonly length: number;
  readonly reverse: boolean;
}

/**
 * Outputs: final carries; outputs of each step, stacked; the carries before each step, stacked (the history that the
 * gradient reads). What nobody uses is not kept.
 */
const loop = multiPrimitive<ScanParams>({
  name: "scan",
  types: (_, { carries, length }, [body]) => {
    const { inputs, outputs } = body as Graph;
    const carried = inputs.slice(0, carries);
    const stacked = [...outputs.slice(carries), ...carried];
    return [...carried, ...stacked.map(({ shape, dtype }) => ({ shape: [length, ...shape], dtype }))];
  },
  gradient: (dys, { inputs, outputs, params, bodies, needs }) => {
    const { carries, sequences, length, reverse } = params;
    const body = bodies[0] as Graph;
    const steps = body.outputs.length - carries;
    const history = outputs.slice(carries + steps);
    // Carries are always differentiated: a gradient may arrive through a later step.
    const wanted = inputs.map((x, i) => isFloat(x.dtype) && (i < carries || (needs[i] as boolean)));
    const places = (from: number, to: number) =>
      inputs.flatMap((_, i) => (wanted[i] && i >= from && i < to ? [i] : []));
    const carryPlaces = places(0, carries);
    const captured = inputs.slice(carries + sequences);
    const dCarries = carryPlaces.map((i) => dys[i] ?? zerosLike(inputs[i] as Tensor));
    const dSums = places(carries + sequences, inputs.length).map((i) => zerosLike(inputs[i] as Tensor));
    const dStacked = dys.slice(carries, carries + steps).map((dy) => dy ?? null);
    const dHistory = dys.slice(carries + steps);
    const sequenceDys = [...dStacked, ...dHistory].filter((dy) => dy !== null);
    const [[dInit, dConst], dSequences] = scan(
      ([dCarry, dSum]: readonly [readonly Tensor[], readonly Tensor[]], step) => {
        const {
          before,
          xs,
          dys: given,
        } = step as { before: readonly Tensor[]; xs: readonly Tensor[]; dys: readonly Tensor[] };
        let next = 0;
        const arriving = [...dStacked, ...dHistory].map((dy) => (dy ? (given[next++] as Tensor) : null));
        let carried = 0;
        const cotangents = [
          ...inputs.slice(0, carries).map((_, i) => (wanted[i] ? (dCarry[carried++] as Tensor) : null)),
          ...arriving.slice(0, steps),
        ];
        const gradients = spreadOut(wanted, pullBack(body, [...before, ...xs, ...captured], cotangents, wanted));
        // A gradient of the history belongs to the carry before this step.
        const dBefore = carryPlaces.map((i) => {
          const own = arriving[steps + i];
          return own ? add(gradients[i] as Tensor, own) : (gradients[i] as Tensor);
        });
        const dX = gradients.slice(carries, carries + sequences).filter((dx) => dx !== null);
        const dCaptured = gradients.slice(carries + sequences).filter((dx) => dx !== null);
        return [[dBefore, dSum.map((total, i) => add(total, dCaptured[i] as Tensor))], dX];
      },
      [dCarries, dSums] as readonly [readonly Tensor[], readonly Tensor[]],
      { before: history, xs: inputs.slice(carries, carries + sequences), dys: sequenceDys },
      { length, reverse: !reverse },
    );
    return spreadOut(wanted, [...dInit, ...(dSequences as readonly Tensor[]), ...dConst]);
  },
  onnx: (graph, inputs, node) => scanNodes(graph, inputs, node.params, node.bodies[0] as Graph, node.outputs),
});

export interface ScanOptions {
  /** Number of steps; needed only where there is no sequence to count them. */
  readonly length?: number;
  /** Walk from the last step to the first; stacked outputs keep their places. */
  readonly reverse?: boolean;
  /** Compute what does not depend on the step once, outside the loop; true by default. */
  readonly hoist?: boolean;
}

/**
 * Runs `step` along the first axis of the tensors in `xs`: `[carry, y] = step(carry, x)`. Gives the last carry and the
 * `y` of all steps, stacked. The carry keeps its structure, shapes and types. One step of the loop costs its arithmetic:
 * nothing returns to JavaScript in between. The gradient runs the loop backwards and computes each step again.
 */
export function scan<C, X extends TreeLike, Y>(
  step: (carry: C, x: X) => readonly [C, Y],
  init: C,
  xs: X,
  { length, reverse = false, hoist = true }: ScanOptions = {},
): [C, Y] {
  const carry = flatten(init);
  const sequence = flatten(xs);
  const steps = sequence.leaves[0]?.shape[0] ?? length;
  if (steps === undefined || !Number.isInteger(steps) || steps < 0) {
    throw new TypeError("scan: without a sequence in xs, length must say how many steps there are");
  }
  sequence.leaves.forEach((x, i) => {
    const path = sequence.paths[i] ? ` at "${sequence.paths[i]}"` : "";
    if (x.rank === 0) throw new RangeError(`scan: sequences need a first axis to walk along, got a scalar${path}`);
    if (x.shape[0] !== steps || (length !== undefined && length !== steps)) {
      throw new RangeError(`scan: expected ${length ?? steps} steps in every sequence, got ${x.shape[0]}${path}`);
    }
  });
  let out: Flat<Y> | undefined;
  const types = [...carry.leaves, ...sequence.leaves.map(({ shape, dtype }) => ({ shape: shape.slice(1), dtype }))];
  const { body, captured } = traceBody(
    types,
    (...inputs) => {
      const [next, y] = step(
        carry.rebuild(inputs.slice(0, carry.leaves.length)),
        sequence.rebuild(inputs.slice(carry.leaves.length)),
      );
      const after = flatten(next);
      checkSame("scan", "the carry before and after a step", carry, after);
      out = flatten(y);
      return [...after.leaves, ...out.leaves];
    },
    { hoist },
  );
  const stacked = out as unknown as Flat<Y>;
  const [carries, sequences] = [carry.leaves.length, sequence.leaves.length];
  const outputs = loop(
    [...carry.leaves, ...sequence.leaves, ...captured],
    { carries, sequences, length: steps, reverse },
    [body],
  );
  return [
    carry.rebuild(outputs.slice(0, carries)),
    stacked.rebuild(outputs.slice(carries, carries + stacked.leaves.length)),
  ];
}

interface WhileParams {
  readonly carries: number;
  /** Bound on the number of steps, or null. */
  readonly maxSteps: number | null;
}

/**
 * Bodies: the test and the step, each of the carries and the captured tensors. Outputs: final carries, the number of
 * steps (int64), and with `maxSteps` the carries before each step, padded with zeros to that length.
 */
const repeat = multiPrimitive<WhileParams>({
  name: "whileLoop",
  types: (_, { carries, maxSteps }, [test]) => {
    const carried = (test as Graph).inputs.slice(0, carries);
    const history =
      maxSteps === null ? [] : carried.map(({ shape, dtype }) => ({ shape: [maxSteps, ...shape], dtype }));
    return [...carried, { shape: [], dtype: "int64" }, ...history];
  },
  gradient: (dys, { inputs, outputs, params: { carries, maxSteps }, bodies, needs }) => {
    if (maxSteps === null) {
      throw new Error("whileLoop: its gradient needs room for the values of each step; give maxSteps");
    }
    const step = bodies[1] as Graph;
    const wanted = inputs.map((x, i) => isFloat(x.dtype) && (i < carries || (needs[i] as boolean)));
    const places = (from: number, to: number) =>
      inputs.flatMap((_, i) => (wanted[i] && i >= from && i < to ? [i] : []));
    const [carryPlaces, constPlaces] = [places(0, carries), places(carries, inputs.length)];
    const history = outputs.slice(carries + 1);
    const captured = inputs.slice(carries);
    const dHistory = dys.slice(carries + 1);
    const [, dInit, dConst] = whileLoop(
      ([left]) => less(scalar(0, "int64"), left),
      ([left, dCarry, dSum]) => {
        const index = sub(left, 1);
        const before = history.map((h) => at(h, index));
        let carried = 0;
        const cotangents = inputs.slice(0, carries).map((_, i) => (wanted[i] ? (dCarry[carried++] as Tensor) : null));
        const gradients = spreadOut(wanted, pullBack(step, [...before, ...captured], cotangents, wanted));
        return [
          index,
          carryPlaces.map((i) => {
            const own = dHistory[i];
            return own ? add(gradients[i] as Tensor, at(own, index)) : (gradients[i] as Tensor);
          }),
          dSum.map((total, k) => add(total, gradients[constPlaces[k] as number] as Tensor)),
        ];
      },
      [
        outputs[carries] as Tensor,
        carryPlaces.map((i) => dys[i] ?? zerosLike(inputs[i] as Tensor)),
        constPlaces.map((i) => zerosLike(inputs[i] as Tensor)),
      ] as [Tensor, Tensor[], Tensor[]],
      { maxSteps },
    );
    return spreadOut(wanted, [...dInit, ...dConst]);
  },
  onnx: (graph, inputs, node) => loopNodes(graph, inputs, node.params, node.bodies as [Graph, Graph], node.outputs),
});

/**
 * Repeats `carry = body(carry)` while `test(carry)` (a bool scalar) is true, and gives the last carry. With `maxSteps`
 * it stops after that many steps at the latest and has a gradient, which walks the steps backwards.
 */
export function whileLoop<C>(
  test: (carry: C) => Tensor,
  body: (carry: C) => C,
  init: C,
  { maxSteps }: { readonly maxSteps?: number } = {},
): C {
  if (maxSteps !== undefined && (!Number.isInteger(maxSteps) || maxSteps < 0)) {
    throw new RangeError(`whileLoop: maxSteps is a whole number of at least 0, got ${maxSteps}`);
  }
  const carry = flatten(init);
  const tested = traceBody(
    carry.leaves,
    (...inputs) => {
      const go = test(carry.rebuild(inputs));
      if (!(go instanceof Tensor) || go.dtype !== "bool" || go.rank !== 0)
        throw new TypeError(`whileLoop: the test must give a bool scalar, got ${String(go)}`);
      return [go];
    },
    { hoist: true },
  );
  const stepped = traceBody(
    carry.leaves,
    (...inputs) => {
      const after = flatten(body(carry.rebuild(inputs)));
      checkSame("whileLoop", "the carry before and after a step", carry, after);
      return after.leaves;
    },
    { hoist: true },
  );
  const captured = [...new Set([...tested.captured, ...stepped.captured])];
  const count = carry.leaves.length;
  const bodies = [tested, stepped].map((traced) => {
    const operands = [...carry.leaves.map(({ shape, dtype }) => ({ shape, dtype })), ...captured];
    return traceBody(
      operands,
      (...inputs) => {
        const own = traced.captured.map((x) => inputs[count + captured.indexOf(x)] as Tensor);
        return inline(traced.body, [...inputs.slice(0, count), ...own]);
      },
      { hoist: false },
    ).body;
  });
  const outputs = repeat([...carry.leaves, ...captured], { carries: count, maxSteps: maxSteps ?? null }, bodies);
  return carry.rebuild(outputs.slice(0, count));
}
