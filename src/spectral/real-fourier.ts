/** The Fourier transform of real values as a rotation: real values in, real values out, sums of squares kept. */
import type { Tensor } from "../array/index.ts";
import { type AxisOptions, coefficientsIn, valuesFrom } from "./orthonormal-rows.ts";

export type RealFourierOptions = AxisOptions;

/** The mean, then cosine and sine of each frequency. The angle is reduced in whole numbers, which keeps it exact. */
function waveAt(k: number, t: number, n: number): number {
  const frequency = Math.ceil(k / 2);
  const angle = (2 * Math.PI * ((frequency * t) % n)) / n;
  const alone = frequency === 0 || 2 * frequency === n;
  return Math.sqrt((alone ? 1 : 2) / n) * (k % 2 === 1 || k === 0 ? Math.cos(angle) : -Math.sin(angle));
}

/**
 * Orthonormal Fourier transform of n real values: `√(1/n)·Σ_t x_t`, then for each frequency f the pair
 * `√(2/n)·Σ_t x_t cos(2π·f·t/n)` and `-√(2/n)·Σ_t x_t sin(2π·f·t/n)`, and last, for even n, `√(1/n)·Σ_t (-1)^t x_t`. These
 * are the numbers of `rfft`, weighed so that inner products are kept, in the order of FFTPACK. Only the first
 * `coefficients`, the lowest frequencies, are computed; all n by default. A product with a matrix: any length, at a cost
 * of n times the coefficients.
 */
export const realFourier = (
  x: Tensor,
  { axis = -1, coefficients }: RealFourierOptions & { readonly coefficients?: number } = {},
): Tensor => coefficientsIn(waveAt, x, axis, coefficients, { operation: "realFourier", coefficients: "coefficients" });

/**
 * Inverse of `realFourier`: `length` values (by default as many as there are coefficients) from the first coefficients;
 * those that are missing are zeros, which cost nothing.
 */
export const inverseRealFourier = (
  z: Tensor,
  { axis = -1, length }: RealFourierOptions & { readonly length?: number } = {},
): Tensor => valuesFrom(waveAt, z, axis, length, { operation: "inverseRealFourier", coefficients: "coefficients" });
