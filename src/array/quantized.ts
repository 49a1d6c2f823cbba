/** Products with matrices of few bits, which are read as they are: a token of a large model takes as long as its weights. */
import { getElement } from "./dtype.ts";
import { frozen } from "./frozen.ts";
import { reshape } from "./layout.ts";
import type { OnnxBuilder } from "./onnx/builder.ts";
import { primitive } from "./primitive.ts";
import { showShape, sizeOf } from "./shape.ts";
import { constantData, fromData, type Tensor, type TensorType } from "./tensor.ts";

/** Bits of a weight. */
export const quantizedBits = [8, 4] as const;
export type QuantizedBits = (typeof quantizedBits)[number];

/**
 * A matrix `[inputs, outputs]` in few bits: weight `w[i, o] = scale[o, b]·(code − 2^(bits−1))` for the block b that input
 * i stands in. Codes, under the name of their bits: uint8 `[outputs, blocks, bytes of a block]`, two of 4 bits in a byte,
 * the first in its lower half; `scales`: float32 `[outputs, blocks]`. The last block is filled up with codes of 0.
 */
export type QuantizedMatrix = (
  | { readonly int8: Tensor; readonly int4?: never }
  | { readonly int4: Tensor; readonly int8?: never }
) & { readonly scales: Tensor };

interface QuantizedParams {
  readonly inputs: number;
  readonly block: number;
  readonly bits: QuantizedBits;
}

/** With more rows than this, widening the weights costs little, and models do not need to hold them. */
const FEW_ROWS = 16;

const storesWeights = (x: TensorType, weights: readonly Tensor[]): boolean =>
  (x.shape[0] as number) <= FEW_ROWS && weights.every((w) => constantData(w) !== null);

const product = primitive<[x: Tensor, codes: Tensor, scales: Tensor], QuantizedParams>("quantizedMatmul", {
  shape: ([x, codes, scales], { inputs, block, bits }) => {
    const [outputs, blocks] = codes.shape as [number, number, number];
    if (codes.dtype !== "uint8" || codes.shape.length !== 3)
      throw new RangeError(
        `quantizedMatmul: expected int${bits} uint8[outputs, blocks, bytes], got ${codes.dtype}${showShape(codes.shape)}`,
      );
    if (scales.dtype !== "float32" || showShape(scales.shape) !== showShape([outputs, blocks]))
      throw new RangeError(
        `quantizedMatmul: expected scales float32[${outputs}, ${blocks}], got ${scales.dtype}${showShape(scales.shape)}`,
      );
    if (x.dtype !== "float32" || x.shape.length !== 2 || x.shape[1] !== inputs || Math.ceil(inputs / block) !== blocks)
      throw new RangeError(
        `quantizedMatmul: expected x float32[rows, inputs] with inputs in ${blocks} blocks of ${block}, got ${x.dtype}${showShape(x.shape)}`,
      );
    return { shape: [x.shape[0] as number, outputs], dtype: "float32" };
  },
  gradient: null,
  operations: ([, codes], { shape }, { inputs }) => 2 * (shape[0] as number) * inputs * (codes.shape[0] as number),
  stores: ([x, codes, scales]) => (storesWeights(x, [codes, scales]) ? [1, 2] : []),
  onnx: (graph, [x, codes, scales], params, node) => {
    const [rows, weights] = [node.inputs[0] as Tensor, node.inputs.slice(1)];
    const { inputs, block, bits } = params;
    if (storesWeights(rows, weights))
      return graph.node("com.microsoft.MatMulNBits", [x, codes, scales], {
        K: inputs,
        N: (weights[0] as Tensor).shape[0] as number,
        bits,
        block_size: block,
        // Products in 8 bits; in others it is up to a hundred times as slow.
        accuracy_level: 4,
      });
    return graph.node("Gemm", [x, widened(graph, codes, scales, weights[0] as Tensor, params)], { transB: 1 });
  },
});

/** The matrix in float32, `[outputs, inputs]`. */
function widened(
  graph: OnnxBuilder,
  codes: string,
  scales: string,
  { shape }: Tensor,
  { inputs, block, bits }: QuantizedParams,
): string {
  const [outputs, blocks] = shape as [number, number];
  const byte = (value: number): string => graph.constant({ shape: [], dtype: "uint8" }, Uint8Array.of(value));
  const apart = (): string => {
    const halves = [
      graph.node("BitwiseAnd", [codes, byte(15)]),
      graph.node("BitShift", [codes, byte(4)], { direction: "RIGHT" }),
    ];
    return graph.node(
      "Concat",
      halves.map((half) => graph.node("Unsqueeze", [half, graph.int64s([3])])),
      { axis: 3 },
    );
  };
  const flat = graph.node("Reshape", [bits === 4 ? apart() : codes, graph.int64s([outputs, blocks * block])]);
  const zeros = graph.node("Expand", [byte(2 ** (bits - 1)), graph.int64s([outputs, blocks])]);
  const all = graph.node("DequantizeLinear", [flat, scales, zeros], { axis: 1, block_size: block });
  if (blocks * block === inputs) return all;
  return graph.node("Slice", [all, graph.int64s([0]), graph.int64s([inputs]), graph.int64s([1])]);
}

/**
 * `x·W` with a matrix of few bits. `x: float32 [..., inputs]` and `weight: [inputs, outputs]` give `[..., outputs]`.
 * Weights of known values (`quantizeMatrix` freezes them) are stored in the model, and where x has few rows they are read
 * as they are: x is rounded to 8 bits block by block, and the result is off by about a hundredth of its size (`MatMulNBits`
 * of ONNX Runtime's domain com.microsoft). Otherwise they are widened to float32 first. It has no gradient.
 */
export function quantizedMatmul(x: Tensor, { int8, int4, scales }: QuantizedMatrix): Tensor {
  const [codes, bits] = int8 ? [int8, 8 as const] : [int4 as Tensor, 4 as const];
  const [outer, inputs] = [x.shape.slice(0, -1), x.shape.at(-1) ?? 0];
  const block = ((codes.shape.at(-1) ?? 0) * 8) / bits;
  const rows = reshape(x, [sizeOf(outer), inputs]);
  return reshape(product(rows, codes, scales, { inputs, block, bits }), [...outer, codes.shape[0] as number]);
}

export interface QuantizeMatrixOptions {
  readonly bits: QuantizedBits;
  /** Inputs that share a scale: 16, 32, 64, 128 or 256. */
  readonly block: number;
  /** The matrix is given as `[outputs, inputs]`; false by default. */
  readonly transposed?: boolean;
}

/**
 * A known matrix `[inputs, outputs]` (float32 or float16) rounded to few bits: in each block of an output to the nearest
 * of `2^bits − 1` evenly spaced numbers around 0, as far out as its largest weight. The result is frozen.
 * Throws one sentence if the block is none of those named.
 */
export function quantizeMatrix(
  weight: Tensor,
  { bits, block, transposed = false }: QuantizeMatrixOptions,
): QuantizedMatrix {
  if (![16, 32, 64, 128, 256].includes(block))
    throw new RangeError(`quantizeMatrix: block must be 16, 32, 64, 128 or 256, got ${block}`);
  const [inputs, outputs] = (transposed ? [...weight.shape].reverse() : weight.shape) as [number, number];
  const [alongInputs, alongOutputs] = transposed ? [1, inputs] : [outputs, 1];
  const blocks = Math.ceil(inputs / block);
  const [middle, bytes] = [2 ** (bits - 1), (block * bits) / 8];
  const codes = new Uint8Array(outputs * blocks * bytes).fill(bits === 8 ? middle : middle * 17);
  const scales = new Float32Array(outputs * blocks);
  const { data, dtype } = weight;
  const at: (place: number) => number =
    data instanceof Float32Array ? (place) => data[place] as number : (place) => getElement(dtype, data, place);
  const steps = new Float64Array(outputs);
  for (let b = 0; b < blocks; b++) {
    const [first, end] = [b * block, Math.min(inputs, (b + 1) * block)];
    // Row by row, as the matrix lies in memory.
    steps.fill(0);
    for (let i = first; i < end; i++)
      for (let o = 0; o < outputs; o++)
        steps[o] = Math.max(steps[o] as number, Math.abs(at(i * alongInputs + o * alongOutputs)));
    for (let o = 0; o < outputs; o++) {
      steps[o] = (steps[o] as number) / (middle - 1) || 1;
      scales[o * blocks + b] = steps[o] as number;
    }
    for (let i = first; i < end; i++)
      for (let o = 0; o < outputs; o++) {
        const code = Math.round(at(i * alongInputs + o * alongOutputs) / (steps[o] as number)) + middle;
        const place = (o * blocks + b) * bytes + Math.floor(((i - first) * bits) / 8);
        if (bits === 8) codes[place] = code;
        else if ((i - first) % 2 === 0) codes[place] = ((codes[place] as number) & 0xf0) | code;
        else codes[place] = ((codes[place] as number) & 0x0f) | (code << 4);
      }
  }
  const stored = frozen(fromData({ shape: [outputs, blocks, bytes], dtype: "uint8" }, codes));
  return {
    ...(bits === 8 ? { int8: stored } : { int4: stored }),
    scales: frozen(fromData({ shape: [outputs, blocks], dtype: "float32" }, scales)),
  };
}
