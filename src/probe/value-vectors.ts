/** The rows that hidden units add to the stream, and what they say in the vocabulary. */
import { cast, matmul, mean, mul, reshape, sub, type Tensor, transpose } from "../array/index.ts";
import { type DecoderConfig, type DecoderParams, type FfnPlace, ffnParams } from "../models/index.ts";

/** Thrown where a probe cannot be used on a model, for a reason that a reader can understand. */
export class NotApplicableError extends Error {
  override readonly name = "NotApplicableError";
}

/**
 * The value vectors of a feed-forward layer, `[hidden, width]`: row i is what hidden unit i adds to the stream where it
 * is 1, so that the layer's output is `Σ_i hidden_i·v_i` plus its bias. The scale of the sublayer is in them. For layers
 * whose last map is one matrix; throws `NotApplicableError` for others.
 * Source: Geva et al. 2022, arXiv:2203.14680, section 2.
 */
export function valueVectors(params: DecoderParams, place: FfnPlace): Tensor {
  const { down } = ffnParams(params, place) as { readonly down?: { readonly weight?: Tensor } };
  const weight = down?.weight;
  if (!weight || place.ffn.kind === "oneLayer")
    throw new NotApplicableError(
      `valueVectors: ${place.path} is of kind ${place.ffn.kind}, whose hidden units have no rows of one matrix`,
    );
  // Layers cut into experts hold their units in groups.
  const rows = weight.rank === 3 ? reshape(weight, [-1, weight.shape[2] as number]) : weight;
  const values = cast(rows, "float32");
  return place.scale === 1 ? values : mul(values, place.scale);
}

/** The vectors that logits are products with, float32 `[vocabulary, width]`; a bias of the logits is not in them. */
export const outputEmbedding = ({ head, embedding }: DecoderParams): Tensor =>
  cast(head ? transpose(head.weight) : embedding.weight, "float32");

/** What is done to a vector before its products with the output embedding. */
export type ProjectionNorm = "gain" | "none";

/**
 * Vectors `[rows, width]` as the last norm passes them on, but for its division by the scale of the stream: centred where
 * it is a layer norm, times its gain. With `norm: "none"`, as they are.
 */
export function throughLastNorm(
  { norm: kind = "layer" }: Pick<DecoderConfig, "norm">,
  params: DecoderParams,
  vectors: Tensor,
  { norm = "gain" }: { readonly norm?: ProjectionNorm } = {},
): Tensor {
  const last = params.norm as { readonly scale: Tensor } | undefined;
  if (norm === "none" || !last) return vectors;
  const centred = kind === "layer" ? sub(vectors, mean(vectors, { axis: -1, keepDims: true })) : vectors;
  return mul(centred, cast(last.scale, "float32"));
}

/**
 * The logits of vectors `[rows, width]`: `[rows, vocabulary]`, what adding a vector to the last stream adds to the logits.
 * With `norm: "gain"`, the default, the last norm's gain is applied, after the mean is taken off if it is a layer norm:
 * the linear part of the norm, which leaves out its division by the scale of the stream and, of course, its bias. Signs
 * and ranks are then exact at the last layer, sizes are up to a factor that differs from token to token. `norm: "none"`
 * leaves the norm out, which is exact for models that end without one, and skewed for others.
 */
export const vocabularyProjection = (
  config: Pick<DecoderConfig, "norm">,
  params: DecoderParams,
  vectors: Tensor,
  options: { readonly norm?: ProjectionNorm } = {},
): Tensor => matmul(throughLastNorm(config, params, vectors, options), outputEmbedding(params), { transposeB: true });

/** The logits of the value vectors of a layer: `[hidden, vocabulary]`; see `vocabularyProjection`. */
export const valueVectorLogits = (
  config: Pick<DecoderConfig, "norm">,
  params: DecoderParams,
  place: FfnPlace,
  options: { readonly norm?: ProjectionNorm } = {},
): Tensor => vocabularyProjection(config, params, valueVectors(params, place), options);
