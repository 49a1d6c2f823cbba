/** Cosine transforms. */
import type { Tensor } from "../array/index.ts";
import { type AxisOptions, coefficientsIn, valuesFrom } from "./orthonormal-rows.ts";

export type DctOptions = AxisOptions;

/** The k-th cosine at a point of a grid. The angle is reduced in whole numbers, which keeps it exact. */
const cosineAt = (k: number, t: number, n: number): number =>
  Math.sqrt((k === 0 ? 1 : 2) / n) * Math.cos((Math.PI * ((k * (2 * t + 1)) % (4 * n))) / (2 * n));

/**
 * Orthonormal cosine transform (DCT-II): `X_k = c_k·Σ_t x_t cos(π·k·(2t + 1)/2n)`, `c_0 = √(1/n)`, else `√(2/n)`: sums of
 * squares are kept. It takes x for one half of an even periodic function. Only the lowest `frequencies` are computed; all
 * n by default. A product with a matrix: any length, at a cost of n times the frequencies.
 * Source: Ahmed et al. 1974, "Discrete cosine transform".
 */
export const dct = (
  x: Tensor,
  { axis = -1, frequencies }: DctOptions & { readonly frequencies?: number } = {},
): Tensor => coefficientsIn(cosineAt, x, axis, frequencies, { operation: "dct", coefficients: "frequencies" });

/**
 * Inverse of `dct`: `length` values (by default as many as there are frequencies) from the lowest frequencies; those that
 * are missing are zeros, which cost nothing.
 */
export const idct = (z: Tensor, { axis = -1, length }: DctOptions & { readonly length?: number } = {}): Tensor =>
  valuesFrom(cosineAt, z, axis, length, { operation: "idct", coefficients: "frequencies" });
