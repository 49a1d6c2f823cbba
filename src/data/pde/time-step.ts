/** Steps in time of spectra with a linear part that is integrated exactly. */
import { type ComplexArray, complexArray } from "./fourier.ts";

/** `x += factor·y` */
export function accumulate(x: ComplexArray, y: ComplexArray, factor: number): void {
  for (let i = 0; i < x.re.length; i++) {
    (x.re[i] as number) += factor * (y.re[i] as number);
    (x.im[i] as number) += factor * (y.im[i] as number);
  }
}

/**
 * One step in place of `x' = decay·x + slope(x)`, where `half(i)` is the factor by which element i decays in half a step:
 * the Runge-Kutta method of order 4 on what the decay leaves.
 */
export function rungeKutta(
  slope: (x: ComplexArray, out: ComplexArray) => void,
  length: number,
  half: (index: number) => number,
  dt: number,
): (x: ComplexArray) => void {
  const decay = Float64Array.from({ length }, (_, i) => half(i));
  const [point, k, sum] = [complexArray(length), complexArray(length), complexArray(length)];
  const scale = (z: ComplexArray): void => {
    for (let i = 0; i < length; i++) {
      (z.re[i] as number) *= decay[i] as number;
      (z.im[i] as number) *= decay[i] as number;
    }
  };
  const set = (z: ComplexArray, from: ComplexArray): void => {
    z.re.set(from.re);
    z.im.set(from.im);
  };
  return (x) => {
    slope(x, k);
    set(sum, x);
    accumulate(sum, k, dt / 6);
    set(point, x);
    accumulate(point, k, dt / 2);
    // From here on all that belongs to the beginning has decayed over half a step.
    for (const z of [sum, point, x]) scale(z);
    slope(point, k);
    accumulate(sum, k, dt / 3);
    set(point, x);
    accumulate(point, k, dt / 2);
    slope(point, k);
    accumulate(sum, k, dt / 3);
    set(point, x);
    accumulate(point, k, dt);
    for (const z of [sum, point]) scale(z);
    slope(point, k);
    set(x, sum);
    accumulate(x, k, dt / 6);
  };
}
