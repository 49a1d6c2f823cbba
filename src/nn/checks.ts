/** Checks that layers share. */
import type { Tensor } from "../array/index.ts";

/** Throws unless each option is a whole number of at least 1. */
export function checkCount(layer: string, options: { readonly [name: string]: number }): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError(`${layer}: ${name} must be a whole number of at least 1, got ${value}`);
  }
}

/** Throws unless the last axis of the input has the extent that the layer was made for. */
export function checkLast(layer: string, x: Tensor, width: number): void {
  if (x.shape.at(-1) !== width) {
    throw new RangeError(`${layer}: expected x with a last axis of ${width}, got shape [${x.shape.join(", ")}]`);
  }
}

/** Throws unless `value` is a probability below 1. */
export function checkRate(layer: string, rate: number): void {
  if (!(rate >= 0 && rate < 1)) throw new RangeError(`${layer}: the rate must be at least 0 and below 1, got ${rate}`);
}
