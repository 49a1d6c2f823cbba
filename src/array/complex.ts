/** Complex values: as pairs of tensors, or stacked in one. */
import { add, mul, neg, sub } from "./elementwise.ts";
import { slice } from "./layout.ts";
import { checkFloat } from "./operands.ts";
import { primitive } from "./primitive.ts";
import { sum } from "./reduce.ts";
import { sameShape, showShape, sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** Complex values as a pair of tensors of one shape and type. */
export interface Complex {
  readonly re: Tensor;
  readonly im: Tensor;
}

/** The real and the imaginary parts of values that are stacked in the last axis. */
export function unstack(x: Tensor): Complex {
  const width = x.shape.at(-1) as number;
  const cut = (from: number, to: number): Tensor => slice(x, { starts: [from], stops: [to], axes: [-1] });
  return { re: cut(0, width / 2), im: cut(width / 2, width) };
}

/** Where rows are shorter than this, the runtime's operator, which works row by row, is slower than passes of all rows. */
const SHORTEST_ROW = 16;

const product = primitive<[x: Tensor, re: Tensor, im: Tensor], object>("complexMul", {
  shape: ([x, re, im]) => {
    checkFloat("complexMul", x.dtype);
    const expected = [...x.shape.slice(-2, -1), (x.shape.at(-1) ?? 0) / 2];
    if (x.shape.length < 2 || !sameShape(re.shape, expected) || !sameShape(im.shape, expected))
      throw new RangeError(
        `complexMul: expected x of shape [..., rows, 2·width] and factors [rows, width], got ${showShape(x.shape)} and ${showShape(re.shape)}, ${showShape(im.shape)}`,
      );
    if (re.dtype !== x.dtype || im.dtype !== x.dtype)
      throw new TypeError(`complexMul: expected factors of x's type ${x.dtype}, got re ${re.dtype} and im ${im.dtype}`);
    return x;
  },
  gradient: (dy, { inputs: [x, re, im], needs }) => {
    const dx = needs[0] ? complexMul(dy, { re, im: neg(im) }) : null;
    if (!needs[1] && !needs[2]) return [dx, null, null];
    const [g, z] = [unstack(dy), unstack(x)];
    const outer = g.re.shape.slice(0, -2).map((_, axis) => axis);
    const total = (t: Tensor): Tensor => sum(t, { axis: outer });
    return [dx, total(add(mul(g.re, z.re), mul(g.im, z.im))), total(sub(mul(g.im, z.re), mul(g.re, z.im)))];
  },
  // Rotary position embeddings are products by complex numbers, and the operator does not ask that these have modulus one.
  onnx: (graph, [x, re, im], _, { inputs }) => {
    const { shape, dtype, rank } = inputs[0] as Tensor;
    if (graph.target.fused && dtype === "float32" && (shape.at(-1) as number) >= 2 * SHORTEST_ROW) {
      const turned = (rows: string): string =>
        graph.node("com.microsoft.RotaryEmbedding", [rows, graph.int64s([0]), re, im]);
      if (rank === 3) return turned(x);
      const rows = graph.node("Reshape", [x, graph.int64s([sizeOf(shape.slice(0, -2)), ...shape.slice(-2)])]);
      return graph.node("Reshape", [turned(rows), graph.int64s(shape)]);
    }
    const [a, b] = graph.nodes("Split", [x], 2, { axis: rank - 1, num_outputs: 2 }) as [string, string];
    const mul = (p: string, q: string): string => graph.node("Mul", [p, q]);
    return graph.node(
      "Concat",
      [graph.node("Sub", [mul(a, re), mul(b, im)]), graph.node("Add", [mul(b, re), mul(a, im)])],
      { axis: -1 },
    );
  },
});

/**
 * Products of complex values and complex factors in one pass over memory. `x: [..., rows, 2·width]` holds in the last axis
 * the real parts and after them the imaginary parts, and so does the result; the factors are `[rows, width]`, of any
 * modulus. Factors of modulus one turn values: rotary position embeddings and the twiddle factors of Fourier transforms.
 */
export const complexMul = (x: Tensor, { re, im }: Complex): Tensor => product(x, re, im, {});
