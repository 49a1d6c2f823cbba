/** The affine map whose matrix has low rank. */
import { fold, matmul } from "../../array/index.ts";
import { checkCount } from "../checks.ts";
import { fanInUniform } from "../initializers.ts";
import { spectralFactors } from "./spectral.ts";
import { type FactorParams, factored, type StructuredLinear, type StructuredOptions } from "./structured-linear.ts";

export interface LowRankOptions<B extends boolean = true> extends StructuredOptions<B> {
  /** Rank of the matrix, at most the lesser of `inputs` and `outputs`. */
  readonly rank: number;
  /** Deviation of the dense normal matrix to which a new product is the best approximation; `1/√inputs` by default. */
  readonly std?: number;
}

/**
 * Affine map of low rank: `y = (x·A)·C + b`.
 * `x: [..., inputs]` gives `[..., outputs]`; `inner` A: `[inputs, rank]`, `weight` C: `[rank, outputs]`, b: `[outputs]`.
 * It takes fewer operations than a dense map for `rank < inputs·outputs/(inputs + outputs)`. New factors are those of
 * `spectralFactors`. Throws one sentence for a rank that does not fit.
 * Source: Wei et al. 2024, arXiv:2406.16450 and arXiv:2407.09835.
 */
export function lowRankLinear<const B extends boolean = true>(options: LowRankOptions<B>): StructuredLinear<B> {
  const { inputs, outputs, rank, bias = true, initBias = fanInUniform, std = 1 / Math.sqrt(inputs) } = options;
  checkCount("lowRankLinear", { inputs, outputs, rank });
  const most = Math.min(inputs, outputs);
  if (rank > most)
    throw new RangeError(
      `lowRankLinear: rank must be at most ${most}, the lesser of ${inputs} inputs and ${outputs} outputs, got ${rank}`,
    );
  return factored("lowRankLinear", options, {
    shapes: { inner: [inputs, rank], weight: [rank, outputs] },
    init: (key) =>
      ({
        ...spectralFactors(key, { inputs, outputs, rank, std }),
        ...(bias ? { bias: initBias(fold(key, "bias"), [outputs], { fanIn: inputs, fanOut: outputs }) } : {}),
      }) as FactorParams<B>,
    apply: ({ inner, weight }, x) => matmul(matmul(x, inner), weight),
  });
}
