/** Training that has left the finite numbers. */
import { flatten, isFloat, type Tree } from "../array/index.ts";

/** Thrown when the loss or a parameter is NaN or infinite. */
export class DivergedError extends Error {
  /** The step, counted from 1, whose loss is not finite. */
  readonly step: number;

  constructor(what: string, step: number, kept: string) {
    super(`train: ${what} at step ${step}; ${kept}lower the learning rate or clip the gradients`);
    this.name = "DivergedError";
    this.step = step;
  }
}

/** The path of the first tensor that holds a NaN or an infinity, or null. */
export function nonFinitePath(tree: Tree): string | null {
  const { leaves, paths } = flatten(tree);
  const found = leaves.findIndex(({ dtype, data }) => {
    if (!isFloat(dtype)) return false;
    // In float16 bits an exponent of all ones marks both NaN and infinity.
    if (dtype === "float16") return (data as Uint16Array).some((bits) => (bits & 0x7c00) === 0x7c00);
    return !(data as Float32Array).every(Number.isFinite);
  });
  return found < 0 ? null : (paths[found] as string);
}
