/** Normalizations with a learned scale. */
import { add, layerNormalize, mean, mul, ones, reshape, rsqrt, square, type Tensor, zeros } from "../array/index.ts";
import { checkCount, checkLast } from "./checks.ts";
import type { Layer } from "./layer.ts";

/** Parameters of `layerNorm` and `groupNorm`: `scale` and `bias`, one number for each feature or channel. */
export type NormParams = { readonly scale: Tensor; readonly bias: Tensor };

export interface NormOptions {
  /** Extent of the last axis. */
  readonly width: number;
  /** Added to the variance (or mean square); 1e-5 by default. */
  readonly eps?: number;
}

/**
 * Layer normalization: `y = (x - mean(x))/√(variance(x) + ε) ⊙ scale + bias` over the last axis.
 * `x: [..., width]` gives the same shape; scale (ones at first), bias (zeros): `[width]`.
 * Source: Ba et al. 2016, arXiv:1607.06450.
 */
export function layerNorm({ width, eps = 1e-5 }: NormOptions): Layer<NormParams> {
  checkCount("layerNorm", { width });
  return {
    init: () => ({ scale: ones([width]), bias: zeros([width]) }),
    apply: ({ scale, bias }, x) => {
      checkLast("layerNorm", x, width);
      return layerNormalize(x, scale, bias, { eps });
    },
  };
}

/**
 * Root mean square normalization: `y = x/√(mean(x²) + ε) ⊙ scale` over the last axis.
 * `x: [..., width]` gives the same shape; scale (ones at first): `[width]`.
 * Source: Zhang and Sennrich 2019, arXiv:1910.07467; ε stands inside the root, as in Llama.
 */
export function rmsNorm({ width, eps = 1e-5 }: NormOptions): Layer<{ readonly scale: Tensor }> {
  checkCount("rmsNorm", { width });
  return {
    init: () => ({ scale: ones([width]) }),
    apply: ({ scale }, x) => {
      checkLast("rmsNorm", x, width);
      return mul(mul(x, rsqrt(add(mean(square(x), { axis: -1, keepDims: true }), eps))), scale);
    },
  };
}

export interface GroupNormOptions {
  /** Extent of axis 1. */
  readonly channels: number;
  /** Number of groups, a divisor of `channels`. One group normalizes all channels together, `channels` groups each alone. */
  readonly groups: number;
  /** Added to the variance; 1e-5 by default. */
  readonly eps?: number;
}

/**
 * Group normalization: channels are cut into groups, and each group of each example is normalized over its channels and
 * all positions: `y = (x - mean)/√(variance + ε) ⊙ scale + bias`.
 * `x: [batch, channels, ...positions]` gives the same shape; scale (ones at first), bias (zeros): `[channels]`.
 * Source: Wu and He 2018, arXiv:1803.08494.
 */
export function groupNorm({ channels, groups, eps = 1e-5 }: GroupNormOptions): Layer<NormParams> {
  checkCount("groupNorm", { channels, groups });
  if (channels % groups !== 0)
    throw new RangeError(`groupNorm: ${channels} channels cannot be cut into ${groups} equal groups`);
  return {
    init: () => ({ scale: ones([channels]), bias: zeros([channels]) }),
    apply: ({ scale, bias }, x) => {
      if (x.rank < 2 || x.shape[1] !== channels) {
        throw new RangeError(`groupNorm: expected x of shape [batch, ${channels}, ...], got [${x.shape.join(", ")}]`);
      }
      const batch = x.shape[0] as number;
      const size = (x.size / Math.max(1, batch * groups)) | 0;
      const rows = reshape(x, [batch, groups, size]);
      const normal = reshape(layerNormalize(rows, ones([size], x.dtype), zeros([size], x.dtype), { eps }), x.shape);
      const perChannel = (p: Tensor): Tensor => reshape(p, [channels, ...x.shape.slice(2).map(() => 1)]);
      return add(mul(normal, perChannel(scale)), perChannel(bias));
    },
  };
}
