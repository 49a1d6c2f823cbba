/** Arithmetic of pairs of tensors that are complex numbers. */
import { add, type Complex, mul, sub } from "../array/index.ts";

/** `a·b`, element by element, with broadcasting. */
export const complexProduct = (a: Complex, b: Complex): Complex => ({
  re: sub(mul(a.re, b.re), mul(a.im, b.im)),
  im: add(mul(a.re, b.im), mul(a.im, b.re)),
});
