/** Convolution with a kernel that is learned by its lowest frequencies. */
import { concat, fold, type Key, matmul, neg, normal, type Tensor } from "../../array/index.ts";
import { checkCount } from "../checks.ts";
import type { Layer } from "../layer.ts";
import { checkGrid, type Modes, modeTransform } from "./modes.ts";

export interface SpectralConvOptions {
  /** Channels of the input. */
  readonly inputs: number;
  /** Channels of the output. */
  readonly outputs: number;
  /** Frequencies kept along each axis. Along the first of two axes, as many negative ones are kept beside them. */
  readonly modes: Modes;
  /** Standard deviation of real and imaginary parts of new weights; `1/√(inputs + outputs)` by default. */
  readonly std?: number;
}

/** Real and imaginary parts of a matrix for each kept frequency: `[modes or 2·modes[0]·modes[1], inputs, outputs]`. */
export type SpectralConvParams = { readonly re: Tensor; readonly im: Tensor };

/**
 * Spectral convolution: `y = F⁻¹(R_k · (F x)_k)`, a matrix `R_k: [inputs, outputs]` of complex numbers for each of the
 * lowest frequencies k, and 0 for the others. It is the convolution with a smooth periodic kernel that is defined on the
 * domain, not on its grid: the same weights serve any grid with at least two points for each mode.
 * `x: [batch, inputs, ...grid]` with one or two axes gives `[batch, outputs, ...grid]`.
 * Source: Li et al. 2020, arXiv:2010.08895, section 4; both transforms are products with cosines and sines of the kept
 * frequencies alone.
 */
export function spectralConv({
  inputs,
  outputs,
  modes,
  std = 1 / Math.sqrt(inputs + outputs),
}: SpectralConvOptions): Layer<SpectralConvParams> {
  checkCount("spectralConv", { inputs, outputs });
  const transform = modeTransform("spectralConv", modes);
  const draw = (key: Key) => normal(key, [transform.count, inputs, outputs], { std });
  return {
    init: (key) => ({ re: draw(fold(key, "re")), im: draw(fold(key, "im")) }),
    apply: ({ re, im }, x) => {
      checkGrid("spectralConv", x, inputs, modes.length);
      // Complex products as real ones: (a + ib)(c + id) is [a, b] times [[c, d], [-d, c]].
      const weight = concat([concat([re, im], { axis: 2 }), concat([neg(im), re], { axis: 2 })], { axis: 1 });
      return transform.inverse(matmul(transform.forward(x), weight), x.shape.slice(2));
    },
  };
}
