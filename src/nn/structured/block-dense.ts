/** The affine map whose matrix is a block-diagonal one times a dense one. */
import { fold, matmul, reshape, transpose } from "../../array/index.ts";
import { checkCount } from "../checks.ts";
import { fanInUniform } from "../initializers.ts";
import { asRows, blockProduct, checkBlocks } from "./blocks.ts";
import { orthonormal } from "./orthonormal.ts";
import { type FactorParams, factored, type StructuredLinear, type StructuredOptions } from "./structured-linear.ts";

export interface BlockDenseOptions<B extends boolean = true> extends StructuredOptions<B> {
  /** Number of blocks, which divides `inputs` and `rank`. */
  readonly blocks: number;
  /** Extent between the factors, at most the lesser of `inputs` and `outputs`. */
  readonly rank: number;
}

/**
 * Affine map by groups of neighbouring features, then by all of them: `y = (x·diag(A_1, …, A_n))·C + b`.
 * `x: [..., inputs]` gives `[..., outputs]`; `inner` A: `[blocks, inputs/blocks, rank/blocks]`, `weight` C:
 * `[rank, outputs]`, b: `[outputs]`. One block makes it a map of low rank. New blocks and C are orthonormal. Throws one
 * sentence for a rank or a number of blocks that does not fit.
 * Source: Wei et al. 2024, arXiv:2406.16450 (BlockDense).
 */
export function blockDenseLinear<const B extends boolean = true>(options: BlockDenseOptions<B>): StructuredLinear<B> {
  const { inputs, outputs, blocks, rank, bias = true, initBias = fanInUniform } = options;
  checkCount("blockDenseLinear", { inputs, outputs, blocks, rank });
  checkBlocks("blockDenseLinear", blocks, { inputs, rank });
  const most = Math.min(inputs, outputs);
  if (rank > most)
    throw new RangeError(
      `blockDenseLinear: rank must be at most ${most}, the lesser of ${inputs} inputs and ${outputs} outputs, got ${rank}`,
    );
  const shapes = { inner: [blocks, inputs / blocks, rank / blocks], weight: [rank, outputs] };
  return factored("blockDenseLinear", options, {
    shapes,
    init: (key) =>
      ({
        inner: orthonormal(fold(key, "inner"), shapes.inner, { fanIn: inputs / blocks, fanOut: rank / blocks }),
        weight: orthonormal(fold(key, "weight"), shapes.weight, { fanIn: rank, fanOut: outputs }),
        ...(bias ? { bias: initBias(fold(key, "bias"), [outputs], { fanIn: inputs, fanOut: outputs }) } : {}),
      }) as FactorParams<B>,
    apply: ({ inner, weight }, x) => {
      const between = reshape(transpose(blockProduct(asRows(x), inner), [1, 0, 2]), [...x.shape.slice(0, -1), rank]);
      return matmul(between, weight);
    },
  });
}
