/**
 * Gaussian random fields: `u = Σ_k √λ_k ξ_k φ_k` with independent normal ξ and `λ_k = scale²·(κ² + τ²)^(-α)`, where κ² is
 * the eigenvalue of `-Δ` on the unit interval or square. A field depends on its seed and index alone: on a finer grid it
 * is the same field with more frequencies.
 */
import { hashOf, normalPair } from "../hash.ts";
import { checkGrid, complexArray, fourierPlan, squarePlan, waveNumber } from "./fourier.ts";

export interface FieldSpectrum {
  /** How fast frequencies fall; above half the dimension, so that the variance is finite. */
  readonly alpha: number;
  /** Frequencies below about τ/2π are equally strong. */
  readonly tau: number;
  /** Factor on the field; 1 by default. */
  readonly scale?: number;
  /** Whether the field has a random mean; false by default. */
  readonly mean?: boolean;
}

export interface FieldOptions extends FieldSpectrum {
  /** Points along each axis. */
  readonly size: number;
  readonly seed: number;
  /** Which of the fields of a seed; 0 by default. */
  readonly index?: number;
}

function deviation({ alpha, tau, scale = 1, mean = false }: FieldSpectrum, squared: number): number {
  if (squared === 0 && !mean) return 0;
  return scale * (squared + tau ** 2) ** (-alpha / 2);
}

function checkSpectrum(operation: string, { alpha, tau }: FieldSpectrum, dimension: number): void {
  if (!(alpha > dimension / 2))
    throw new RangeError(`${operation}: alpha must be above ${dimension / 2} for a finite variance, got ${alpha}`);
  if (!(tau > 0)) throw new RangeError(`${operation}: tau must be above 0, got ${tau}`);
}

/** A periodic field on the points `i/size` of the unit interval. The highest frequency, `size/2`, is left out. */
export function periodicField1d({ size, seed, index = 0, ...spectrum }: FieldOptions): Float64Array {
  checkGrid("periodicField1d", size);
  checkSpectrum("periodicField1d", spectrum, 1);
  const z = complexArray(size);
  z.re[0] = deviation(spectrum, 0) * normalPair(hashOf(seed, index, 0))[0];
  for (let k = 1; k < size / 2; k++) {
    // Cosine and sine of one frequency: the real part counts both it and its conjugate.
    const std = Math.SQRT2 * deviation(spectrum, (2 * Math.PI * k) ** 2);
    const [a, b] = normalPair(hashOf(seed, index, k));
    z.re[k] = std * a;
    z.im[k] = std * b;
  }
  fourierPlan(size).transform(z, { inverse: true });
  return z.re;
}

/** A periodic field on the points `i/size` of the unit square, `[y, x]`. Frequencies of `size/2` are left out. */
export function periodicField2d({ size, seed, index = 0, ...spectrum }: FieldOptions): Float64Array {
  checkGrid("periodicField2d", size);
  checkSpectrum("periodicField2d", spectrum, 2);
  const z = complexArray(size * size);
  for (let i = 0; i < size * size; i++) {
    const [kx, ky] = [waveNumber(Math.floor(i / size), size), waveNumber(i % size, size)];
    const isHalf = kx > 0 || (kx === 0 && ky >= 0);
    if (!isHalf || 2 * kx === -size || 2 * ky === -size) continue;
    const std = deviation(spectrum, (2 * Math.PI) ** 2 * (kx ** 2 + ky ** 2));
    const [a, b] = normalPair(hashOf(seed, index, kx, ky));
    const both = kx === 0 && ky === 0 ? 1 : Math.SQRT2;
    z.re[i] = both * std * a;
    z.im[i] = both * std * b;
  }
  const values = complexArray(size * size);
  squarePlan(size).inverse(z, values);
  return values.re;
}

/**
 * A field without slope across the borders of the unit square, on the centres `(i + ½)/size` of cells, `[y, x]`: a sum of
 * `cos(π·k·x)·cos(π·l·y)` for k and l below `size`.
 */
export function neumannField2d({ size, seed, index = 0, ...spectrum }: FieldOptions): Float64Array {
  checkGrid("neumannField2d", size);
  checkSpectrum("neumannField2d", spectrum, 2);
  const waves = Float64Array.from({ length: size * size }, (_, i) => {
    const [k, x] = [Math.floor(i / size), i % size];
    return (k === 0 ? 1 : Math.SQRT2) * Math.cos((Math.PI * ((k * (2 * x + 1)) % (4 * size))) / (2 * size));
  });
  const coefficients = Float64Array.from({ length: size * size }, (_, i) => {
    const [l, k] = [Math.floor(i / size), i % size];
    return deviation(spectrum, Math.PI ** 2 * (k ** 2 + l ** 2)) * normalPair(hashOf(seed, index, k, l))[0];
  });
  // [l, k] -> [l, x] -> [y, x]
  return transposedProduct(waves, product(coefficients, waves, size), size);
}

/** `A·B` of square matrices. */
function product(a: Float64Array, b: Float64Array, size: number): Float64Array {
  const c = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < size; k++) {
      const factor = a[i * size + k] as number;
      for (let j = 0; j < size; j++) (c[i * size + j] as number) += factor * (b[k * size + j] as number);
    }
  }
  return c;
}

/** `Aᵀ·B` of square matrices. */
function transposedProduct(a: Float64Array, b: Float64Array, size: number): Float64Array {
  const turned = Float64Array.from(a, (_, i) => a[(i % size) * size + Math.floor(i / size)] as number);
  return product(turned, b, size);
}
