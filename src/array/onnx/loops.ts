/** How branches and loops are written in ONNX: If, Scan and Loop. */
import { nodesOf } from "../graph.ts";
import type { Graph, Tensor } from "../tensor.ts";
import type { OnnxBuilder } from "./builder.ts";
import type { Attribute, OnnxValue } from "./proto.ts";

/** A branch without inputs; its operands are seen from outside. */
export const branchGraph = (graph: OnnxBuilder, body: Graph, operands: readonly string[]): Attribute =>
  graph.subgraph("branch", (inner) => {
    const names = inner.emit(body, operands);
    return { inputs: [], outputs: names.map((name, i) => inner.output(name, body.outputs[i] as Tensor)) };
  });

/** Loops are written out up to so many traced operations. */
const UNROLLED = 4096;

/** The traced operations of a body, those of the loops in it as often as they run. */
const operationsIn = (body: Graph): number =>
  nodesOf(body.outputs).reduce((total, { params, bodies }) => {
    const times = (params as { readonly length?: unknown } | undefined)?.length;
    return (
      total + 1 + bodies.reduce((sum, inner) => sum + operationsIn(inner), 0) * (typeof times === "number" ? times : 1)
    );
  }, 0);

interface ScanShape {
  readonly carries: number;
  readonly sequences: number;
  readonly length: number;
  readonly reverse: boolean;
}

/**
 * `scan` without a loop. The runtime keeps what a loop carries in the host's memory, so on a device that has its own
 * every step would send it to and fro.
 */
function writtenOut(
  graph: OnnxBuilder,
  operands: readonly string[],
  { carries, sequences, length, reverse }: ScanShape,
  body: Graph,
  stacks: readonly boolean[],
): string[] {
  const walked = operands.slice(carries, carries + sequences);
  const captured = operands.slice(carries + sequences);
  const columns: string[][] = stacks.map(() => []);
  let carried = operands.slice(0, carries);
  for (let step = 0; step < length; step++) {
    const place = reverse ? length - 1 - step : step;
    const index = graph.constant({ shape: [], dtype: "int64" }, BigInt64Array.of(BigInt(place)));
    const results = graph.emit(body, [
      ...carried,
      ...walked.map((x) => graph.node("Gather", [x, index], { axis: 0 })),
      ...captured,
    ]);
    const given = [...results.slice(carries), ...carried];
    columns.forEach((column, i) => {
      if (stacks[i]) column[place] = graph.node("Unsqueeze", [given[i] as string, graph.int64s([0])]);
    });
    carried = results.slice(0, carries);
  }
  return [
    ...carried,
    ...columns.map((column, i) => (stacks[i] ? graph.node("Concat", column, { axis: 0 }) : undefined)),
  ] as string[];
}

/** `scan` as an ONNX Scan. Outputs as the primitive declares them; undefined for stacks that nobody reads. */
export function scanNodes(
  graph: OnnxBuilder,
  operands: readonly string[],
  shape: ScanShape,
  body: Graph,
  outputs: readonly Tensor[],
): string[] {
  const { carries, sequences, length, reverse } = shape;
  const captured = operands.slice(carries + sequences);
  const steps = body.outputs.length - carries;
  const stacks = outputs.slice(carries).map((y) => graph.isUsed(y));
  const kept = stacks.filter(Boolean).length;
  if (length === 0) {
    // The runtime's Scan takes no empty sequence.
    const empty = outputs
      .slice(carries)
      .map(({ shape: extents, dtype }, i) =>
        stacks[i] ? graph.node("Expand", [graph.scalar(0, dtype), graph.int64s(extents)]) : undefined,
      );
    return [...operands.slice(0, carries), ...empty] as string[];
  }
  if (graph.target.unrolled && length * operationsIn(body) <= UNROLLED)
    return writtenOut(graph, operands, shape, body, stacks);
  // Scan counts its steps by a sequence; where there is none, one of single bytes does.
  const walked =
    sequences > 0
      ? operands.slice(carries, carries + sequences)
      : [graph.constant({ shape: [length], dtype: "uint8" }, new Uint8Array(length))];
  const inner = graph.subgraph("step", (step) => {
    const inputs: OnnxValue[] = body.inputs.slice(0, carries + sequences).map((x) => step.input(x));
    const names = inputs.map(({ name }) => name);
    if (sequences === 0) inputs.push(step.input({ shape: [], dtype: "uint8" }));
    const results = step.emit(body, [...names, ...captured]);
    const after = results.slice(0, carries).map((name, i) => step.output(name, body.outputs[i] as Tensor));
    const perStep = results
      .slice(carries)
      .flatMap((name, i) => (stacks[i] ? [step.output(name, body.outputs[carries + i] as Tensor)] : []));
    const history = names
      .slice(0, carries)
      .flatMap((name, i) => (stacks[steps + i] ? [step.output(name, body.inputs[i] as Tensor)] : []));
    return { inputs, outputs: [...after, ...perStep, ...history] };
  });
  const direction = Number(reverse);
  const names = graph.nodes("Scan", [...operands.slice(0, carries), ...walked], carries + kept, {
    body: inner,
    num_scan_inputs: walked.length,
    scan_input_directions: walked.map(() => direction),
    scan_output_directions: Array<number>(kept).fill(direction),
  });
  let next = carries;
  return [...names.slice(0, carries), ...stacks.map((used) => (used ? names[next++] : undefined))] as string[];
}

interface WhileShape {
  readonly carries: number;
  readonly maxSteps: number | null;
}

/** `whileLoop` as an ONNX Loop, with the history of its carries padded to its bound. */
export function loopNodes(
  graph: OnnxBuilder,
  operands: readonly string[],
  shape: WhileShape,
  bodies: readonly [Graph, Graph],
  outputs: readonly Tensor[],
): string[] {
  const { carries, maxSteps } = shape;
  const [test, body] = bodies;
  const captured = operands.slice(carries);
  const history = outputs.slice(carries + 1).map((y) => graph.isUsed(y));
  const start = graph.emit(test, operands)[0] as string;
  const one = graph.scalar(1, "int64");
  const inner = graph.subgraph("step", (step) => {
    const iteration = step.input({ shape: [], dtype: "int64" });
    const going = step.input({ shape: [], dtype: "bool" });
    const before = body.inputs.slice(0, carries).map((x) => step.input(x));
    const count = step.input({ shape: [], dtype: "int64" });
    const names = before.map(({ name }) => name);
    const after = step.emit(body, [...names, ...captured]);
    const goOn = step.emit(test, [...after, ...captured])[0] as string;
    return {
      inputs: [iteration, going, ...before, count],
      outputs: [
        step.output(goOn, { shape: [], dtype: "bool" }),
        ...after.map((name, i) => step.output(name, body.outputs[i] as Tensor)),
        step.output(step.node("Add", [count.name, one]), { shape: [], dtype: "int64" }),
        ...names.flatMap((name, i) => (history[i] ? [step.output(name, body.inputs[i] as Tensor)] : [])),
      ],
    };
  });
  const bound = maxSteps === null ? "" : graph.scalar(maxSteps, "int64");
  const kept = history.filter(Boolean).length;
  const names = graph.nodes(
    "Loop",
    [bound, start, ...operands.slice(0, carries), graph.scalar(0, "int64")],
    carries + 1 + kept,
    { body: inner },
  );
  const count = names[carries] as string;
  let next = carries + 1;
  const padded = history.map((used, i) => {
    if (!used) return undefined;
    const { rank, dtype } = outputs[carries + 1 + i] as Tensor;
    const missing = graph.node("Unsqueeze", [
      graph.node("Sub", [graph.scalar(maxSteps as number, "int64"), count]),
      graph.int64s([0]),
    ]);
    const zeros = (n: number) => graph.int64s(Array<number>(n).fill(0));
    const amounts = graph.node("Concat", rank > 1 ? [zeros(rank), missing, zeros(rank - 1)] : [zeros(rank), missing], {
      axis: 0,
    });
    return graph.node("Pad", [names[next++] as string, amounts, graph.scalar(0, dtype)]);
  });
  return [...names.slice(0, carries + 1), ...padded] as string[];
}
