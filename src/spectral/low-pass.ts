/** Filters with few frequencies. */
import { irfft, rfft, slice, type Tensor } from "../array/index.ts";

/**
 * The lowest frequencies of kernels `[..., taps]`, as taps again: of the spectrum of each kernel, continued by as many
 * zeros, the share `keep` remains, at least one frequency. What the filter then has before its first tap is dropped, so
 * it stays causal, which a convolution with `keep` does not.
 */
export function lowPassKernel(kernel: Tensor, keep: number): Tensor {
  if (!(keep > 0 && keep <= 1)) throw new RangeError(`lowPassKernel: keep is a share above 0 and up to 1, got ${keep}`);
  const taps = kernel.shape.at(-1) as number;
  const length = 2 * taps;
  const frequencies = Math.max(1, Math.round(keep * (taps + 1)));
  const smooth = irfft(rfft(kernel, { length, frequencies }), { length });
  return slice(smooth, { starts: [0], stops: [taps], axes: [-1] });
}
