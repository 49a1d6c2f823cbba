/** Mixing of positions by gated convolutions with filters as long as the sequence. */
import {
  add,
  arange,
  broadcastTo,
  clip,
  concat,
  expandDims,
  fold,
  mul,
  normal,
  reshape,
  slice,
  sub,
  sum,
  type Tensor,
  take,
  transpose,
  where,
  zeros,
} from "../../array/index.ts";
import { fftConvolution, lowPassKernel } from "../../spectral/index.ts";
import { checkCount, checkLast } from "../checks.ts";
import type { Initializer } from "../initializers.ts";
import { fanInUniform } from "../initializers.ts";
import { type LinearParams, linear } from "../linear.ts";
import { type ImplicitFilterParams, implicitFilter } from "./implicit-filter.ts";
import { newPositions, type TokenMixer, visibleBefore } from "./mixer.ts";

export interface LongConvolutionOptions {
  /** Extent of the last axis. */
  readonly width: number;
  /** Positions at most: what filters are spread over. */
  readonly positions: number;
  /** Taps of the filters, the first of them; as many as positions by default. Parameters do not depend on it. */
  readonly taps?: number;
  /** Share of the frequencies of the filters that is kept, the lowest; all by default. */
  readonly keep?: number;
  /**
   * Whether frequencies are left out of the convolution itself, which skips their work, instead of out of the filters:
   * a filter with few frequencies also reaches a little before its first tap, so outputs then see later positions. False
   * by default, and only for `keep` below 1.
   */
  readonly leaky?: boolean;
  /** Hidden units of the network that makes the filters; 32 by default. */
  readonly hidden?: number;
  /** How the projections are drawn; `fanInUniform` by default. */
  readonly init?: Initializer;
}

/** `inward`: to gate, second gate and values; `direct`: `[width]`, what a value adds at its own place beside the filter. */
export type LongConvolutionParams = {
  readonly inward: LinearParams;
  readonly filter: ImplicitFilterParams;
  readonly direct: Tensor;
  readonly output: LinearParams;
};

/** Gated values of earlier positions, `[batch, length, width]`. */
export type LongConvolutionCache = { readonly values: Tensor };

/**
 * Gated long convolution: `y = W_o(q ⊙ (h * (k ⊙ v) + d ⊙ (k ⊙ v)))` with `(q, k, v) = W_i x`, causal convolution with an
 * implicit filter h for each feature, by Fourier transforms in training. `x: [batch, time, width]` gives the same shape.
 * Throws one sentence for more positions than it has. With `leaky` it is not causal and cannot be extended.
 * Sources: Poli et al. 2023, arXiv:2302.10866 (Hyena of order 2, here without its short convolutions); Fu et al. 2023,
 * arXiv:2311.05908 (gated form, fewer taps and frequencies).
 */
export function longConvolutionMixer(
  options: LongConvolutionOptions,
): TokenMixer<LongConvolutionParams, LongConvolutionCache> {
  const { width, positions, taps = positions, keep = 1, leaky = false, hidden, init = fanInUniform } = options;
  checkCount("longConvolutionMixer", { width, positions, taps });
  if (taps > positions)
    throw new RangeError(`longConvolutionMixer: taps must be at most the ${positions} positions, got ${taps}`);
  if (!(keep > 0 && keep <= 1))
    throw new RangeError(`longConvolutionMixer: keep is a share above 0 and up to 1, got ${keep}`);
  if (leaky && keep === 1)
    throw new RangeError("longConvolutionMixer: leaky leaves frequencies out; give keep below 1 with it");
  const filter = implicitFilter({ width, positions, ...(hidden === undefined ? {} : { hidden }) });
  const inward = linear({ inputs: width, outputs: 3 * width, init });
  const output = linear({ inputs: width, outputs: width, init });
  const kernelOf = (params: LongConvolutionParams): Tensor => {
    const kernel = filter.taps(params.filter, taps);
    return keep < 1 && !leaky ? lowPassKernel(kernel, keep) : kernel;
  };
  const projected = (params: LongConvolutionParams, x: Tensor): readonly [gate: Tensor, values: Tensor] => {
    checkLast("longConvolutionMixer", x, width);
    const all = inward.apply(params.inward, x);
    const part = (i: number) => slice(all, { starts: [i * width], stops: [(i + 1) * width], axes: [-1] });
    return [part(0), mul(part(1), part(2))];
  };
  const finish = (params: LongConvolutionParams, gate: Tensor, mixed: Tensor, values: Tensor): Tensor =>
    output.apply(params.output, mul(gate, add(mixed, mul(values, params.direct))));
  return {
    init: (key) => ({
      inward: inward.init(fold(key, "inward")),
      filter: filter.init(fold(key, "filter")),
      direct: normal(fold(key, "direct"), [width]),
      output: output.init(fold(key, "output")),
    }),
    apply: (params, x) => {
      const time = x.shape.at(-2) as number;
      if (time > positions)
        throw new RangeError(`longConvolutionMixer: expected at most ${positions} positions, got ${time}`);
      const [gate, values] = projected(params, x);
      const kernel = kernelOf(params);
      const some = slice(kernel, { starts: [0], stops: [Math.min(time, taps)], axes: [-1] });
      const mixed = fftConvolution(transpose(values, [0, 2, 1]), some, leaky ? { keep } : {});
      return finish(params, gate, transpose(mixed, [0, 2, 1]), values);
    },
    cache: ({ batch, length }) => ({ values: zeros([batch, length, width]) }),
    extend: (params, x, cache, seen) => {
      if (leaky)
        throw new Error("longConvolutionMixer: with leaky, outputs depend on later positions; it cannot be extended");
      const [batch, count] = x.shape as [number, number];
      const length = cache.values.shape[1] as number;
      const [gate, values] = projected(params, x);
      const at = newPositions(seen, count);
      // Positions of the places of the cache, then those of the new positions; how far back each lies.
      const places = concat([broadcastTo(arange(length, "int32"), [batch, length]), at], { axis: 1 });
      const lags = sub(expandDims(at, 2), expandDims(places, 1));
      const visible = visibleBefore(seen, count, length);
      // Lags beyond the taps, and places that hold nothing yet, meet a zero after them.
      const kernel = concat([transpose(kernelOf(params), [1, 0]), zeros([1, width], values.dtype)], { axis: 0 });
      const index = where(visible, clip(lags, 0, taps), taps);
      const weights = reshape(take(kernel, index), [batch, count, length + count, width]);
      const all = expandDims(concat([cache.values, values], { axis: 1 }), 1);
      return [finish(params, gate, sum(mul(weights, all), { axis: 2 }), values), { values }];
    },
  };
}
