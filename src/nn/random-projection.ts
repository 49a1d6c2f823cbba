/** A linear map that is drawn once and never trained. */
import { key, matmul, normal } from "../array/index.ts";
import { checkCount, checkLast } from "./checks.ts";
import { type Layer, type NoParams, stateless } from "./layer.ts";

export interface RandomProjectionOptions {
  /** Extent of the last axis of the input. */
  readonly inputs: number;
  /** Extent of the last axis of the output. */
  readonly outputs: number;
  /** Says which matrix it is: the same seed gives the same one everywhere; 0 by default. */
  readonly seed?: number;
}

/**
 * Random linear map of the last axis: `y = x·W`, with W normal of variance `1/inputs`, a function of `seed` alone. It
 * has no parameters, so there is nothing to train or to store; gradients pass through to x.
 * `x: [..., inputs]` gives `[..., outputs]`.
 * Source: the fixed input projection of arXiv:2510.01796; random features go back to Rahimi and Recht 2007.
 */
export function randomProjection({ inputs, outputs, seed = 0 }: RandomProjectionOptions): Layer<NoParams> {
  checkCount("randomProjection", { inputs, outputs });
  return stateless((x) => {
    checkLast("randomProjection", x, inputs);
    return matmul(x, normal(key(seed), [inputs, outputs], { std: 1 / Math.sqrt(inputs), dtype: x.dtype }));
  });
}
