/** Value vectors of a whole model put into clusters by what they say in the vocabulary. */
import { compile, concat, matmul, mean, sub } from "../array/index.ts";
import type { Decoder, DecoderParams, FfnPlace } from "../models/index.ts";
import { agglomerativeClusters, cosineDistances } from "./agglomerative.ts";
import { outputEmbedding, throughLastNorm, valueVectors } from "./value-vectors.ts";

/**
 * The cluster of each value vector of these layers, by path: agglomerative, of cosine distances between the vectors' logits
 * (centred over the vocabulary and over the vectors). All layers are clustered together. Memory grows with the square of
 * the number of vectors: 10,000 take 800 MB.
 * Source: Geva et al. 2022, arXiv:2203.14680, section 6.2, there 200 clusters.
 */
export async function clusterValueVectors(
  model: Decoder,
  params: DecoderParams,
  places: readonly FfnPlace[],
  clusters: number,
): Promise<ReadonlyMap<string, Int32Array>> {
  const { sizes, distances } = await compile((weights: DecoderParams) => {
    const each = places.map((place) => throughLastNorm(model.config, weights, valueVectors(weights, place)));
    const embedding = outputEmbedding(weights);
    const centred = sub(embedding, mean(embedding, { axis: 0, keepDims: true }));
    const metric = matmul(centred, centred, { transposeA: true });
    return {
      sizes: each.map(({ shape }) => shape[0] as number),
      distances: cosineDistances(concat(each, { axis: 0 }), metric),
    };
  })(params);
  const all = agglomerativeClusters(distances.data as Float32Array, distances.shape[0] as number, clusters);
  let first = 0;
  return new Map(
    places.map(({ path }, i) => {
      const from = first;
      first += sizes[i] as number;
      return [path, all.slice(from, first)];
    }),
  );
}
