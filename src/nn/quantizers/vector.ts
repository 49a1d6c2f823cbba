/** Quantization to the nearest vector of a learned codebook: VQ-VAE, with gradients or with moving averages. */
import {
  add,
  argMin,
  cast,
  concat,
  div,
  type Key,
  less,
  matmul,
  mean,
  mul,
  normal,
  ones,
  randomInteger,
  reshape,
  scatterAdd,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  take,
  uniform,
  where,
  zeros,
} from "../../array/index.ts";
import { checkCount, checkLast } from "../checks.ts";
import type { Quantizer } from "./quantizer.ts";

/** Index (int32 [...]) of the nearest of `codebook: [size, channels]` for each of `z: [..., channels]`. */
export function nearestCodes(z: Tensor, codebook: Tensor): Tensor {
  checkLast("nearestCodes", z, codebook.shape[1] as number);
  const rows = reshape(z, [-1, z.shape.at(-1) as number]);
  // |z - e|² less the part that all codes share, as one product [-2z, 1]·[e, |e|²]: each pass over all distances counts.
  const left = concat([mul(rows, -2), ones([rows.shape[0] as number, 1], z.dtype)], { axis: 1 });
  const right = concat([codebook, sum(square(codebook), { axis: 1, keepDims: true })], { axis: 1 });
  const distances = matmul(left, right, { transposeB: true });
  return reshape(cast(argMin(distances, { axis: 1 }), "int32"), z.shape.slice(0, -1));
}

/** `value` in the forward pass, the gradient of `through`. */
const straightThrough = (through: Tensor, value: Tensor): Tensor => add(through, stopGradient(sub(value, through)));

export interface VectorQuantizerOptions {
  /** Number of codes. */
  readonly size: number;
  /** Extent of a code. */
  readonly channels: number;
  /** Weight of the loss that keeps inputs near their code; 0.25 by default. */
  readonly commitment?: number;
}

/**
 * Vector quantization with a codebook trained by gradients:
 * loss `|sg(z) - e|² + β|z - sg(e)|²`, averaged over elements.
 * Source: van den Oord et al. 2017, arXiv:1711.00937, equation 3.
 */
export function vectorQuantizer({ size, channels, commitment = 0.25 }: VectorQuantizerOptions): Quantizer {
  checkCount("vectorQuantizer", { size, channels });
  return {
    size,
    channels,
    // The range of the source's implementation, a cell's width around 0.
    init: (key) => ({
      params: { codebook: uniform(key, [size, channels], { min: -1 / size, max: 1 / size }) },
      state: {},
    }),
    apply: (params, state, z) => {
      const { codebook } = params as { codebook: Tensor };
      const indices = nearestCodes(stopGradient(z), stopGradient(codebook));
      const codes = take(codebook, indices);
      const pull = mean(square(sub(stopGradient(z), codes)));
      const commit = mean(square(sub(z, stopGradient(codes))));
      return { codes: straightThrough(z, codes), indices, loss: add(pull, mul(commit, commitment)), state };
    },
  };
}

export interface EmaVectorQuantizerOptions extends VectorQuantizerOptions {
  /** Share of the averages that a batch leaves as it was; 0.99 by default. */
  readonly decay?: number;
  /**
   * A code that is used less than this share of what all codes would get if they were used alike is replaced by a
   * random input; 0.1 by default.
   */
  readonly deadShare?: number;
}

/** Average use of each code in a batch, average sum of its inputs, and the codes themselves. */
type EmaState = { readonly count: Tensor; readonly total: Tensor; readonly codebook: Tensor };

/**
 * Vector quantization whose codes are moving averages of the inputs they stand for. Codes that fall out of use become
 * random inputs of the batch, and so does every code in the first batch. In training it needs a key.
 * Source: van den Oord et al. 2017, arXiv:1711.00937, appendix A.1; resets: Dhariwal et al. 2020, arXiv:2005.00341.
 */
export function emaVectorQuantizer({
  size,
  channels,
  commitment = 0.25,
  decay = 0.99,
  deadShare = 0.1,
}: EmaVectorQuantizerOptions): Quantizer {
  checkCount("emaVectorQuantizer", { size, channels });
  return {
    size,
    channels,
    init: (key) => ({
      params: {},
      state: { count: zeros([size]), total: zeros([size, channels]), codebook: normal(key, [size, channels]) },
    }),
    apply: (_, state, z, mode) => {
      const before = state as EmaState;
      const indices = nearestCodes(stopGradient(z), before.codebook);
      const codes = take(before.codebook, indices);
      const loss = mul(mean(square(sub(z, stopGradient(codes)))), commitment);
      const after = mode?.training ? update(before, stopGradient(z), indices, mode.key) : before;
      return { codes: straightThrough(z, codes), indices, loss, state: after };
    },
  };

  function update({ count, total }: EmaState, z: Tensor, indices: Tensor, key: Key | undefined): EmaState {
    if (!key)
      throw new TypeError("emaVectorQuantizer: training replaces unused codes by random inputs and needs mode.key");
    const rows = reshape(z, [-1, channels]);
    const flat = reshape(indices, [-1]);
    const even = flat.size / size;
    const blend = (old: Tensor, now: Tensor): Tensor => add(mul(old, decay), mul(now, 1 - decay));
    const used = blend(count, scatterAdd(zeros([size]), flat, ones([flat.size])));
    const sums = blend(total, scatterAdd(zeros([size, channels]), flat, rows));
    const dead = less(used, deadShare * even);
    const column = (x: Tensor): Tensor => reshape(x, [size, 1]);
    const fresh = take(rows, randomInteger(key, [size], { max: rows.shape[0] as number }));
    // A new code counts as used like all others, so that it has time to find inputs.
    const newCount = where(dead, even, used);
    const newTotal = where(column(dead), mul(fresh, even), sums);
    return { count: newCount, total: newTotal, codebook: div(newTotal, column(newCount)) };
  }
}
