/** Products with block-diagonal matrices. */
import { matmul, reshape, type Tensor, transpose } from "../../array/index.ts";

/** Throws unless the number of blocks divides each of the extents. */
export function checkBlocks(layer: string, blocks: number, extents: { readonly [name: string]: number }): void {
  for (const [name, extent] of Object.entries(extents)) {
    if (extent % blocks !== 0)
      throw new RangeError(`${layer}: blocks must divide ${name}, got ${blocks} blocks and ${name} ${extent}`);
  }
}

/**
 * Rows of neighbouring features, cut into one group for each block and each multiplied by its block:
 * `x: [rows, groups·p]` and `blocks: [groups, p, q]` give `[groups, rows, q]`.
 */
export function blockProduct(x: Tensor, blocks: Tensor): Tensor {
  const [groups, p] = blocks.shape as [number, number, number];
  return matmul(transpose(reshape(x, [x.shape[0] as number, groups, p]), [1, 0, 2]), blocks);
}

/** The axes before the last as one axis of rows. */
export const asRows = (x: Tensor): Tensor =>
  reshape(x, [x.size / (x.shape.at(-1) as number), x.shape.at(-1) as number]);
