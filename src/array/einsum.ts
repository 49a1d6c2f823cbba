/** Sums of products over named axes. */
import { mul } from "./elementwise.ts";
import { expandDims, reshape, slice, transpose } from "./layout.ts";
import { matmul } from "./linear.ts";
import { sum } from "./reduce.ts";
import { sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** A tensor whose axes have names: a letter, or a number for those of an ellipsis, counted from the right. */
interface Named {
  readonly x: Tensor;
  readonly axes: readonly string[];
}

/**
 * Einstein summation: `einsum("bhqd,bhkd->bhqk", q, k)`. One letter an axis; letters that the result lacks are summed.
 * Without `->` the result has the letters that occur once, in alphabetical order. A letter twice in one operand means its
 * diagonal. `...` stands for any axes, which broadcast. Operands are joined two at a time, always the pair with the
 * smallest result, each as one matrix product.
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  const { inputs, output } = parse(equation, operands);
  const extents = extentsOf(equation, inputs);
  let terms = inputs.map((term) => diagonal(dropBroadcast(term, extents)));
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
    terms = [...terms.filter((t) => t !== a && t !== b), contract(a, b, kept, output)];
  }
  return arrange(sumOut(terms[0] as Named, output), output);
}

/** Throws one sentence about an equation. */
function fail(equation: string, reason: string): never {
  throw new RangeError(`einsum: "${equation}": ${reason}`);
}

function parse(equation: string, operands: readonly Tensor[]): { inputs: Named[]; output: readonly string[] } {
  const [left, right, ...rest] = equation.replace(/\s/g, "").split("->");
  if (rest.length > 0) fail(equation, "expected at most one arrow");
  const texts = (left as string).split(",");
  for (const text of [...texts, right ?? ""]) {
    if (!/^[a-zA-Z]*(\.\.\.)?[a-zA-Z]*$/.test(text))
      fail(equation, `"${text}" is not made of letters and at most one "..."`);
  }
  if (texts.length !== operands.length) fail(equation, `names ${texts.length} operands, got ${operands.length}`);
  const inputs = texts.map((text, i): Named => {
    const x = operands[i] as Tensor;
    const [first] = operands as [Tensor];
    if (x.dtype !== first.dtype) fail(equation, `operands are ${first.dtype} and ${x.dtype}; cast one of them`);
    const named = text.replace("...", "").length;
    if (text.includes("...") ? named > x.rank : named !== x.rank)
      fail(equation, `operand ${i} has ${x.rank} axes, "${text}" names ${named}`);
    return { x, axes: axesOf(text, x.rank - named) };
  });
  const all = inputs.flatMap(({ axes }) => axes);
  const spread = Math.max(0, ...inputs.map(({ axes }) => axes.filter(isSpread).length));
  const once = all.filter((name) => !isSpread(name) && all.indexOf(name) === all.lastIndexOf(name)).sort();
  const output = right === undefined ? [...axesOf("...", spread), ...once] : axesOf(right, spread);
  const unknown = output.find((name) => !all.includes(name));
  if (unknown) fail(equation, `the result names "${unknown}", which no operand has`);
  if (new Set(output).size !== output.length) fail(equation, "the result names an axis twice");
  return { inputs, output };
}

/** The names of axes; an ellipsis stands for `spread` of them. */
function axesOf(text: string, spread: number): string[] {
  const [before, after] = text.split("...") as [string, string?];
  const numbers = after === undefined ? [] : Array.from({ length: spread }, (_, i) => String(spread - 1 - i));
  return [...before, ...numbers, ...(after ?? "")];
}

const isSpread = (name: string): boolean => /\d/.test(name);

function extentsOf(equation: string, inputs: readonly Named[]): ReadonlyMap<string, number> {
  const extents = new Map<string, number>();
  for (const { x, axes } of inputs) {
    axes.forEach((name, i) => {
      const n = x.shape[i] as number;
      const known = extents.get(name) ?? n;
      const broadcasts = isSpread(name) && (n === 1 || known === 1);
      if (known !== n && !broadcasts) {
        const what = isSpread(name) ? `axis ${-1 - Number(name)} of "..."` : `"${name}"`;
        fail(equation, `${what} has ${known} elements in one place and ${n} in another`);
      }
      extents.set(name, known === 1 ? n : known);
    });
  }
  return extents;
}

/** Without the axes of an ellipsis along which the operand is repeated. */
function dropBroadcast({ x, axes }: Named, extents: ReadonlyMap<string, number>): Named {
  const isKept = (_: unknown, i: number) => x.shape[i] === extents.get(axes[i] as string);
  return { x: reshape(x, x.shape.filter(isKept)), axes: axes.filter(isKept) };
}

/** With the diagonal in place of two axes of one name, until all names differ. */
function diagonal({ x, axes }: Named): Named {
  const name = axes.find((name, i) => axes.indexOf(name) !== i);
  if (name === undefined) return { x, axes };
  const pair = [axes.indexOf(name), axes.lastIndexOf(name)];
  const others = axes.flatMap((_, i) => (pair.includes(i) ? [] : [i]));
  const n = x.shape[pair[0] as number] as number;
  const square = transpose(x, [...others, ...pair]);
  const row = reshape(square, [...square.shape.slice(0, -2), n * n]);
  const picked = slice(row, { starts: [0], stops: [n * n], steps: [n + 1], axes: [-1] });
  return diagonal({ x: picked, axes: [...others.map((i) => axes[i] as string), name] });
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

/** The sum of products of two operands over the axes that are not kept; `wanted` is the order of axes in the end. */
function contract(first: Named, second: Named, kept: readonly string[], wanted: readonly string[]): Named {
  // What only one operand has and nobody needs is summed before, when it is cheapest.
  const a = sumOut(first, [...kept, ...second.axes]);
  const b = sumOut(second, [...kept, ...first.axes]);
  const both = a.axes.filter((name) => b.axes.includes(name));
  const batch = both.filter((name) => kept.includes(name));
  const inner = both.filter((name) => !kept.includes(name));
  const rows = a.axes.filter((name) => !both.includes(name));
  const columns = b.axes.filter((name) => !both.includes(name));
  // Columns become the last axes: let them be the operand that has the last axis of the result.
  const last = wanted.findLast((name) => rows.includes(name) || columns.includes(name));
  if (last !== undefined && rows.includes(last)) return contract(second, first, kept, wanted);
  const axes = [...batch, ...rows, ...columns];
  if (inner.length === 0) return { x: mul(arrange(a, axes), arrange(b, axes)), axes };
  const matrix = (of: Named, outer: readonly string[], innerLast: boolean): Tensor => {
    const parts = innerLast ? [outer, inner] : [inner, outer];
    const y = arrange(of, [...batch, ...parts.flat()]);
    const sizes = parts.map((names) => sizeOf(names.map((name) => extent(of, name))));
    return reshape(y, [...y.shape.slice(0, batch.length), ...sizes]);
  };
  // Products read either operand transposed as fast: the axis that is last stays last.
  const transposeA = rows.includes(a.axes.at(-1) as string);
  const transposeB = inner.includes(b.axes.at(-1) as string);
  const y = matmul(matrix(a, rows, !transposeA), matrix(b, columns, transposeB), { transposeA, transposeB });
  const shape = axes.map((name) => (a.axes.includes(name) ? extent(a, name) : extent(b, name)));
  return { x: reshape(y, shape), axes };
}

const extent = ({ x, axes }: Named, name: string): number => x.shape[axes.indexOf(name)] as number;
