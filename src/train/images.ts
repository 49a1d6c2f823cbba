/** Labelled images that stay in the graph as bytes, taken there by index. */
import { arange, cast, mul, sub, type Tensor, take, tensor } from "../array/index.ts";
import type { Images } from "../data/index.ts";

/** Rows of pixels `[..., height · width · channels]` and their labels, int32 `[...]`. */
export interface LabelledRows {
  readonly x: Tensor;
  readonly labels: Tensor;
}

/** A set of images inside traced functions. */
export interface GraphImages {
  readonly count: number;
  /** The images at these indices, standardized: (pixel - mean) / std. */
  take(indices: Tensor): LabelledRows;
}

/**
 * Images as a constant of traced functions: a batch is then a list of indices, and the bytes are neither copied to the
 * runtime nor turned into floats before they are needed. `mean` and `std` are on the scale from 0 to 1, usually
 * `pixelStatistics` of the training images.
 */
export function imagesInGraph(
  images: Images,
  { mean, std }: { readonly mean: number; readonly std: number },
): GraphImages {
  if (!(std > 0)) throw new RangeError(`imagesInGraph: std must be above 0, got ${std}`);
  const { count, height, width, channels } = images;
  const bytes = tensor(images.images, { shape: [count, height * width * channels] });
  const labels = tensor(Int32Array.from(images.labels));
  return {
    count,
    take: (indices) => ({
      x: mul(sub(mul(cast(take(bytes, indices), "float32"), 1 / 255), mean), 1 / std),
      labels: take(labels, indices),
    }),
  };
}

/** The indices from `start` on, as a batch for `totalOver`. */
export const indexRange = (start: number, count: number): { readonly indices: Tensor } => ({
  indices: arange({ start, stop: start + count }),
});
