/** Random removal of values in training. */
import { less, mul, randomBits, type Tensor, where } from "../array/index.ts";
import { checkRate } from "./checks.ts";
import { type Layer, type Mode, type NoParams, stateless } from "./layer.ts";

/**
 * Dropout as a layer: in training each element is zero with probability `rate` and divided by `1 - rate` otherwise; in
 * inference `x` is given unchanged. Training needs `mode.key`.
 * Source: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", scaled in
 * training instead of inference.
 */
export function dropout(rate: number): Layer<NoParams> {
  checkRate("dropout", rate);
  return stateless((x: Tensor, mode) => drop(x, rate, mode));
}

/** Dropout as a function; see `dropout`. */
export function drop(x: Tensor, rate: number, mode: Mode | undefined): Tensor {
  if (!mode?.training || rate === 0) return x;
  if (!mode.key) throw new Error("dropout: training needs a key; pass { training: true, key }");
  // A random word is below this bound with probability 1 - rate, to within 2^-32.
  const bound = Math.round((1 - rate) * 2 ** 32) - 2 ** 31;
  return where(less(randomBits(mode.key, x.shape), Math.min(bound, 2 ** 31 - 1)), mul(x, 1 / (1 - rate)), 0);
}
