/** How well an autoencoder with a quantizer rebuilds images, and how much of its codes it uses. */
import {
  add,
  evaluate,
  full,
  mul,
  reshape,
  scatterAdd,
  square,
  sub,
  sum,
  type Tensor,
  type Tree,
  zeros,
} from "../array/index.ts";
import type { QuantizedAutoencoder, QuantizedParams } from "../models/index.ts";
import { codebookPerplexity, codebookUsage } from "../nn/index.ts";
import { type GraphImages, indexRange, totalOver } from "../train/index.ts";

/** A trained autoencoder with a quantizer. */
export interface TrainedAutoencoder {
  readonly model: QuantizedAutoencoder;
  readonly params: QuantizedParams;
  readonly state: Tree;
}

export interface ReconstructionScore {
  /** Mean squared error an element. */
  readonly error: number;
  /** Share of the codes that at least one token became. */
  readonly usage: number;
  /** Number of equally used codes that would be as surprising. */
  readonly perplexity: number;
}

/** Scores the first `count` images. Use misleads unless there are many more tokens than codes. */
export async function scoreReconstruction(
  { model, params, state }: TrainedAutoencoder,
  images: GraphImages,
  { count = images.count, signal }: { readonly count?: number; readonly signal?: AbortSignal } = {},
): Promise<ReconstructionScore> {
  const measure = (trained: { params: QuantizedParams; state: Tree }, { indices: rows }: { indices: Tensor }) => {
    const { x } = images.take(rows);
    const { image, indices } = model.apply(trained.params, trained.state, x);
    const tokens = reshape(indices, [-1]);
    return {
      squares: sum(square(sub(image, x))),
      elements: full([], x.size),
      uses: scatterAdd(zeros([model.codes]), tokens, full(tokens.shape, 1)),
    };
  };
  const limit = Math.min(count, images.count);
  // Distances to thousands of codes fill the cache; small pieces are fastest.
  const totals = await totalOver(
    measure,
    { params, state },
    { count: limit, piece: Math.min(limit, 50), batch: indexRange, ...(signal ? { signal } : {}) },
  );
  const uses = totals.uses.data as Float64Array;
  return {
    error: Number(totals.squares.data[0]) / Number(totals.elements.data[0]),
    usage: codebookUsage(uses),
    perplexity: codebookPerplexity(uses),
  };
}

/** Reconstructions of the first `count` images as bytes, where 0 to 1 in the model is 0 to 255. */
export async function reconstructImages(
  { model, params, state }: TrainedAutoencoder,
  images: GraphImages,
  count: number,
): Promise<Uint8Array[]> {
  const { image } = model.apply(params, state, images.take(indexRange(0, count).indices).x);
  const { data } = await evaluate(add(mul(image, 255), 0.5));
  const size = data.length / count;
  // A clamped array limits to 0 and 255.
  return Array.from(
    { length: count },
    (_, i) =>
      new Uint8Array(Uint8ClampedArray.from(data.subarray(i * size, (i + 1) * size) as Float32Array, Math.floor)),
  );
}
