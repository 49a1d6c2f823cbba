/** Mixing of each feature over a window of earlier positions with fixed weights. */
import {
  add,
  arange,
  broadcastTo,
  cast,
  clip,
  concat,
  conv,
  expandDims,
  greaterEqual,
  less,
  mul,
  pad,
  reshape,
  sub,
  sum,
  type Tensor,
  takeAlong,
  tensor,
  transpose,
  where,
  zeros,
} from "../../array/index.ts";
import { checkCount, checkLast } from "../checks.ts";
import type { NoParams } from "../layer.ts";
import { newPositions, type TokenMixer } from "./mixer.ts";

export interface WindowOptions {
  /** Extent of the last axis. */
  readonly width: number;
  /** Positions that are mixed: the own one and those just before it. */
  readonly window: number;
}

/** Inputs of earlier positions, `[batch, length, width]`. */
export type WindowCache = { readonly inputs: Tensor };

/**
 * `y_t = Σ_{j < window} w_j ⊙ x_(t - j)` with fixed weights `w: [window, width]`; positions before the first count as zeros.
 * `x: [batch, time, width]` gives the same shape.
 */
function windowMixer(
  operation: string,
  { width, window }: WindowOptions,
  weight: (back: number, feature: number) => number,
): TokenMixer<NoParams, WindowCache> {
  checkCount(operation, { width, window });
  const weights = Float32Array.from({ length: window * width }, (_, i) => weight(Math.floor(i / width), i % width));
  // A convolution runs forward: its last tap is the own position.
  const kernel = Float32Array.from({ length: width * window }, (_, i) => {
    const [feature, tap] = [Math.floor(i / window), i % window];
    return weights[(window - 1 - tap) * width + feature] as number;
  });
  return {
    init: () => ({}),
    apply: (_, x) => {
      checkLast(operation, x, width);
      const earlier = pad(transpose(x, [0, 2, 1]), { before: [0, 0, window - 1], after: [0, 0, 0] });
      return transpose(conv(earlier, tensor(kernel, { shape: [width, 1, window] }), { groups: width }), [0, 2, 1]);
    },
    cache: ({ batch, length }) => ({ inputs: zeros([batch, length, width]) }),
    extend: (_, x, cache, seen) => {
      const [batch, count] = x.shape as [number, number];
      const length = cache.inputs.shape[1] as number;
      const places = sub(expandDims(newPositions(seen, count), -1), arange(window, "int32"));
      // New positions stand after all places of the cache, also those that hold nothing yet.
      const first = reshape(seen, [batch, 1, 1]);
      const stored = where(less(places, first), clip(places, 0, 2 ** 30), add(sub(places, first), length));
      const inputs = concat([cache.inputs, x], { axis: 1 });
      const rows = broadcastTo(reshape(stored, [batch, count * window, 1]), [batch, count * window, width]);
      const read = reshape(takeAlong(inputs, rows, { axis: 1 }), [batch, count, window, width]);
      const isThere = expandDims(cast(greaterEqual(places, 0), "float32"), -1);
      const weighted = mul(mul(read, tensor(weights, { shape: [window, width] })), isThere);
      return [sum(weighted, { axis: 2 }), { inputs: x }];
    },
  };
}

/**
 * A causal Fourier mixer over a window: feature c gets the real part of frequency `c mod window` of the transform of its
 * last `window` values, over the root of the sum of squares of the cosines, which keeps variance.
 * Source: Lou et al. 2021 (FNetAR), arXiv:2107.10932, whose sampling of frequencies the abstract leaves open: this is one
 * reading.
 */
export function windowFourierMixer(options: WindowOptions): TokenMixer<NoParams, WindowCache> {
  const { window } = options;
  const wave = (back: number, frequency: number): number => Math.cos((2 * Math.PI * back * frequency) / window);
  const sizes = Array.from({ length: window }, (_, frequency) =>
    Math.sqrt(Array.from({ length: window }, (_, back) => wave(back, frequency) ** 2).reduce((a, b) => a + b, 0)),
  );
  return windowMixer("windowFourierMixer", options, (back, feature) => {
    const frequency = feature % window;
    return wave(back, frequency) / (sizes[frequency] as number);
  });
}

/** The sum of the last `window` vectors over the root of their number: the simplest causal mixer, as a control. */
export const movingAverageMixer = (options: WindowOptions): TokenMixer<NoParams, WindowCache> =>
  windowMixer("movingAverageMixer", options, () => 1 / Math.sqrt(options.window));
