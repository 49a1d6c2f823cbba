/** The affine map whose matrix is a product of two block-diagonal ones with a shuffle between them. */
import { fold, matmul, reshape, transpose } from "../../array/index.ts";
import { checkCount } from "../checks.ts";
import { fanInUniform } from "../initializers.ts";
import { asRows, blockProduct, checkBlocks } from "./blocks.ts";
import { orthonormal } from "./orthonormal.ts";
import { type FactorParams, factored, type StructuredLinear, type StructuredOptions } from "./structured-linear.ts";

export interface BlockShuffleOptions<B extends boolean = true> extends StructuredOptions<B> {
  /** Number of blocks of each factor, which divides `inputs` and `outputs`. */
  readonly blocks: number;
}

/**
 * Affine map by groups of neighbouring features, then by groups that take every `blocks`-th of what came of it:
 * `y = x·diag(A_1, …, A_n)·P·diag(C_1, …, C_n)·Pᵀ + b`, with P the shuffle that puts feature `r·blocks + l` at place `r`
 * of group `l`. With `m` the lesser of `inputs` and `outputs`, `x: [..., inputs]` gives `[..., outputs]`; `inner` A:
 * `[blocks, inputs/blocks, m/blocks]`, `weight` C: `[blocks, m/blocks, outputs/blocks]`, b: `[outputs]`. Every output
 * depends on every input if `blocks` is at most `m/blocks`. New blocks are orthonormal. Throws one sentence for a number
 * of blocks that does not fit.
 * Source: Dao et al. 2022 (Monarch), arXiv:2204.00595; Wei et al. 2024, arXiv:2406.16450 (BlockShuffle).
 */
export function blockShuffleLinear<const B extends boolean = true>(
  options: BlockShuffleOptions<B>,
): StructuredLinear<B> {
  const { inputs, outputs, blocks, bias = true, initBias = fanInUniform } = options;
  checkCount("blockShuffleLinear", { inputs, outputs, blocks });
  checkBlocks("blockShuffleLinear", blocks, { inputs, outputs });
  const between = Math.min(inputs, outputs) / blocks;
  const shapes = {
    inner: [blocks, inputs / blocks, between],
    weight: [blocks, between, outputs / blocks],
  };
  return factored("blockShuffleLinear", options, {
    shapes,
    init: (key) =>
      ({
        inner: orthonormal(fold(key, "inner"), shapes.inner, { fanIn: inputs / blocks, fanOut: between }),
        weight: orthonormal(fold(key, "weight"), shapes.weight, { fanIn: between, fanOut: outputs / blocks }),
        ...(bias ? { bias: initBias(fold(key, "bias"), [outputs], { fanIn: inputs, fanOut: outputs }) } : {}),
      }) as FactorParams<B>,
    apply: ({ inner, weight }, x) => {
      const grouped = blockProduct(asRows(x), inner);
      const rows = grouped.shape[1] as number;
      const places = between / blocks;
      // Feature (group, place) has index group·between + place. Where blocks divide a group, the shuffle takes one
      // transposition: index r·blocks + l with r = group·places + place/blocks and l = place mod blocks.
      const shuffled = Number.isInteger(places)
        ? reshape(transpose(reshape(grouped, [blocks, rows, places, blocks]), [3, 1, 0, 2]), [blocks, rows, between])
        : transpose(reshape(transpose(grouped, [1, 0, 2]), [rows, between, blocks]), [2, 0, 1]);
      return reshape(transpose(matmul(shuffled, weight), [1, 2, 0]), [...x.shape.slice(0, -1), outputs]);
    },
  });
}
