/** Convolution on channels in blocks, where the runtime has it: up to three times as fast as its convolution of planes. */
import { sizeOf } from "../shape.ts";
import type { TensorType } from "../tensor.ts";
import { OnnxBuilder, type Target } from "./builder.ts";
import type { Spatial } from "./convolution.ts";
import { encodeModel, type OnnxValue } from "./proto.ts";

/** Operators that ONNX Runtime itself puts in place of convolutions by constant weights, on the processors it has them for. */
const DOMAIN = "com.microsoft.nchwc";

/** Blocks that processors have: as many float32 as a register holds. */
const BLOCKS = [16, 8];

/**
 * True if blocks suit a convolution of `x` by `w` to `y`: several taps, whole blocks of channels, and so few weights that
 * putting them in order costs less than it saves.
 */
export function suitsBlocks(
  { channelBlock }: Target,
  [x, w, y]: readonly [TensorType, TensorType, TensorType],
  { groups }: Spatial,
): boolean {
  const [outputs, channels, ...kernel] = w.shape as readonly [number, number, ...number[]];
  return (
    channelBlock > 0 &&
    x.dtype === "float32" &&
    kernel.length === 2 &&
    sizeOf(kernel) > 1 &&
    groups === 1 &&
    channels % channelBlock === 0 &&
    outputs % channelBlock === 0 &&
    sizeOf(y.shape) > 0 &&
    sizeOf(w.shape) <= sizeOf(x.shape) + sizeOf(y.shape)
  );
}

/** The convolution by weights `[outputs, channels, height, width]`, with channels in blocks of the target's extent. */
export function blockedConvolution(
  graph: OnnxBuilder,
  [x, w, ...bias]: readonly [x: string, w: string, bias?: string],
  { shape }: TensorType,
  { stride, dilation, before, after }: Spatial,
): string {
  const block = graph.target.channelBlock;
  const [outputs, channels, ...kernel] = shape as readonly [number, number, ...number[]];
  const reshape = (name: string, to: readonly number[]) => graph.node("Reshape", [name, graph.int64s(to)]);
  // Within a kernel's tap, the weights of a block of outputs stand together for each channel of a block.
  const cut = reshape(w, [outputs / block, block, channels / block, block, ...kernel]);
  const ordered = reshape(graph.node("Transpose", [cut], { perm: [0, 2, 4, 5, 3, 1] }), shape);
  const blocks = graph.node(`${DOMAIN}.ReorderInput`, [x], { channels_last: 0 });
  const y = graph.node(`${DOMAIN}.Conv`, [blocks, ordered, ...(bias as string[])], {
    strides: stride,
    dilations: dilation,
    pads: [...before, ...after],
    group: 1,
    kernel_shape: kernel,
  });
  return graph.node(`${DOMAIN}.ReorderOutput`, [y], { channels: outputs, channels_last: 0 });
}

/** Gives the result of a model with one input and one output of float32, or rejects. */
export type RunModel = (model: Uint8Array, input: Float32Array, shape: readonly number[]) => Promise<Float32Array>;

/**
 * The extent of blocks with which the runtime convolves rightly, by trying: 0 if with none. These operators are the
 * runtime's own affair and the extent depends on the processor, so nothing but a right result counts.
 */
export async function findChannelBlock(run: RunModel): Promise<number> {
  const [channels, extent] = [BLOCKS[0] as number, 3];
  const shape = [1, channels, extent, extent];
  const values = (count: number, step: number) => Float32Array.from({ length: count }, (_, i) => ((i * step) % 13) - 6);
  const [x, w] = [values(sizeOf(shape), 5), values(channels * channels * 4, 7)];
  const weights = { shape: [channels, channels, 2, 2], dtype: "float32" } as const;
  const spatial = { stride: [1, 1], dilation: [1, 1], before: [0, 0], after: [0, 0], groups: 1 };
  const expected = convolved(x, w, channels, extent);
  for (const channelBlock of BLOCKS) {
    const graph = new OnnxBuilder({ channelBlock });
    const result = blockedConvolution(graph, ["x", graph.constant(weights, w)], weights, spatial);
    const y = graph.output(result, { shape: [1, channels, 2, 2], dtype: "float32" }, "y");
    const input: OnnxValue = { name: "x", shape, dtype: "float32" };
    const found = await run(encodeModel(graph.finish("blocks", [input], [y])), x, shape).catch(() => null);
    if (found && expected.every((value, i) => value === found[i])) return channelBlock;
  }
  return 0;
}

/** Convolution of one image by kernels of 2 x 2, from the definition; whole numbers, so exact. */
function convolved(x: Float32Array, w: Float32Array, channels: number, extent: number): number[] {
  const at = (c: number, i: number, j: number) => x[(c * extent + i) * extent + j] as number;
  const places = Array.from({ length: (extent - 1) ** 2 }, (_, p) => [Math.floor(p / (extent - 1)), p % (extent - 1)]);
  return Array.from({ length: channels }, (_, o) =>
    (places as [number, number][]).map(([i, j]) => {
      let sum = 0;
      for (let c = 0; c < channels; c++)
        for (let tap = 0; tap < 4; tap++)
          sum += (w[(o * channels + c) * 4 + tap] as number) * at(c, i + (tap >> 1), j + (tap & 1));
      return sum;
    }),
  ).flat();
}
