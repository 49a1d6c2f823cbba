/** Sums of products over named axes. */
import { mul } from "./elementwise.ts";
import { expandDims, reshape, transpose } from "./layout.ts";
import { matmul } from "./linear.ts";
import { sum } from "./reduce.ts";
import { sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** A tensor whose axes have names. */
interface Named {
  readonly x: Tensor;
  readonly axes: readonly string[];
}

/**
 * Einstein summation: `einsum("bhqd,bhkd->bhqk", q, k)`. One letter an axis; letters that the result lacks are summed.
 * Without `->` the result has the letters that occur once, in alphabetical order. Operands are joined two at a time,
 * always the pair with the smallest result, each as one matrix product.
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  const { inputs, output } = parse(equation, operands);
  const extents = new Map<string, number>();
  operands.forEach((x, i) => {
    (inputs[i] as string[]).forEach((name, axis) => {
      const n = x.shape[axis] as number;
      const known = extents.get(name) ?? n;
      if (known !== n)
        throw new RangeError(`einsum: axis "${name}" has ${known} elements in one operand and ${n} in another`);
      extents.set(name, n);
    });
  });
  let terms: Named[] = operands.map((x, i) => ({ x, axes: inputs[i] as string[] }));
  while (terms.length > 1) {
    let best: { a: Named; b: Named; kept: string[]; cost: number } | null = null;
    for (const [i, a] of terms.entries()) {
      for (const b of terms.slice(i + 1)) {
        const elsewhere = new Set([...output, ...terms.filter((t) => t !== a && t !== b).flatMap((t) => t.axes)]);
        const kept = [...new Set([...a.axes, ...b.axes])].filter((name) => elsewhere.has(name));
        const cost = sizeOf(kept.map((name) => extents.get(name) as number));
        if (!best || cost < best.cost) best = { a, b, kept, cost };
      }
    }
    const { a, b, kept } = best as NonNullable<typeof best>;
    terms = [...terms.filter((t) => t !== a && t !== b), contract(a, b, kept)];
  }
  return arrange(sumOut(terms[0] as Named, output), output);
}

function parse(equation: string, operands: readonly Tensor[]): { inputs: string[][]; output: string[] } {
  const [left, right, ...rest] = equation.replace(/\s/g, "").split("->");
  const inputs = (left as string).split(",").map((letters) => [...letters]);
  const fail = (reason: string): never => {
    throw new RangeError(`einsum: "${equation}": ${reason}`);
  };
  if (rest.length > 0) fail("expected at most one arrow");
  if (
    !inputs
      .flat()
      .concat([...(right ?? "")])
      .every((c) => /[a-zA-Z]/.test(c))
  )
    fail("axes are named by single letters");
  if (inputs.length !== operands.length) fail(`names ${inputs.length} operands, got ${operands.length}`);
  inputs.forEach((names, i) => {
    const { rank } = operands[i] as Tensor;
    if (names.length !== rank) fail(`operand ${i} has ${rank} axes, "${names.join("")}" names ${names.length}`);
    if (new Set(names).size !== names.length) fail(`operand ${i} names an axis twice; take its diagonal first`);
  });
  const once = inputs
    .flat()
    .filter((name, _, names) => names.indexOf(name) === names.lastIndexOf(name))
    .sort();
  const output = right === undefined ? once : [...right];
  const unknown = output.find((name) => !inputs.flat().includes(name));
  if (unknown) fail(`the result names "${unknown}", which no operand has`);
  if (new Set(output).size !== output.length) fail("the result names an axis twice");
  return { inputs, output };
}

/** Sums over the axes that are not kept. */
function sumOut({ x, axes }: Named, kept: readonly string[]): Named {
  const gone = axes.flatMap((name, i) => (kept.includes(name) ? [] : [i]));
  return gone.length === 0
    ? { x, axes }
    : { x: sum(x, { axis: gone }), axes: axes.filter((name) => kept.includes(name)) };
}

/** The axes in the given order; those that are missing become axes of extent 1. */
function arrange({ x, axes }: Named, order: readonly string[]): Tensor {
  const present = order.filter((name) => axes.includes(name));
  let y = transpose(
    x,
    present.map((name) => axes.indexOf(name)),
  );
  order.forEach((name, i) => {
    if (!axes.includes(name)) y = expandDims(y, i);
  });
  return y;
}

/** The sum of products of two operands over the axes that are not kept. */
function contract(first: Named, second: Named, kept: readonly string[]): Named {
  // What only one operand has and nobody needs is summed before, when it is cheapest.
  const a = sumOut(first, [...kept, ...second.axes]);
  const b = sumOut(second, [...kept, ...first.axes]);
  const batch = kept.filter((name) => a.axes.includes(name) && b.axes.includes(name));
  const rows = kept.filter((name) => a.axes.includes(name) && !b.axes.includes(name));
  const columns = kept.filter((name) => !a.axes.includes(name) && b.axes.includes(name));
  const inner = a.axes.filter((name) => b.axes.includes(name) && !kept.includes(name));
  const axes = [...batch, ...rows, ...columns];
  if (inner.length === 0) return { x: mul(arrange(a, axes), arrange(b, axes)), axes };
  const extent =
    ({ x, axes: names }: Named) =>
    (name: string) =>
      x.shape[names.indexOf(name)] as number;
  const [ofA, ofB] = [extent(a), extent(b)];
  const [batchShape, rowShape, columnShape] = [batch.map(ofA), rows.map(ofA), columns.map(ofB)];
  const k = sizeOf(inner.map(ofA));
  const left = reshape(arrange(a, [...batch, ...rows, ...inner]), [...batchShape, sizeOf(rowShape), k]);
  const right = reshape(arrange(b, [...batch, ...inner, ...columns]), [...batchShape, k, sizeOf(columnShape)]);
  return { x: reshape(matmul(left, right), [...batchShape, ...rowShape, ...columnShape]), axes };
}
