/** Tables of vectors, looked up by number. */
import { fold, type Tensor, take } from "../array/index.ts";
import { checkCount } from "./checks.ts";
import { type Initializer, normalOf } from "./initializers.ts";
import type { Layer } from "./layer.ts";

/** Parameters of `embedding`: `weight: [count, width]`. */
export type EmbeddingParams = { readonly weight: Tensor };

export interface EmbeddingOptions {
  /** Number of vectors, e.g. the size of the vocabulary. */
  readonly count: number;
  /** Extent of a vector. */
  readonly width: number;
  /** How the table is drawn; normal with standard deviation 0.02 by default, as in GPT-2. */
  readonly init?: Initializer;
}

/**
 * Vectors by number: `y = W[x]`.
 * `x: [...]` (int32 or int64, from 0 to count - 1; others fail when the graph runs) gives `[..., width]`;
 * W: `[count, width]`.
 */
export function embedding({ count, width, init = normalOf(0.02) }: EmbeddingOptions): Layer<EmbeddingParams> {
  checkCount("embedding", { count, width });
  return {
    init: (key) => ({ weight: init(fold(key, "weight"), [count, width], { fanIn: width, fanOut: width }) }),
    apply: ({ weight }, x) => take(weight, x),
  };
}
