/** Exact search among vectors by cosine, and how much of it another search finds. */
import {
  cast,
  compile,
  div,
  greater,
  matmul,
  sqrt,
  square,
  sum,
  type Tensor,
  tensor,
  topK,
  where,
} from "../../array/index.ts";

/** What a search found: a row of `neighbors` for each query, the nearest first. */
export interface Neighbors {
  readonly neighbors: number;
  /** Rows of the vectors searched, `[queries, neighbors]`; of equally near ones the earlier comes first. */
  readonly indices: Int32Array;
  /** Their cosines with the query. */
  readonly cosines: Float32Array;
}

/** Vectors that can be searched. */
export interface EmbeddingIndex {
  readonly count: number;
  readonly width: number;
  /** Bytes of the vectors, float32. */
  readonly bytes: number;
  /** The nearest vectors of each query, `[queries, width]`. Every vector is looked at, so the result is exact. */
  search(queries: Tensor, neighbors: number): Promise<Neighbors>;
  /** Cosines of all queries with all vectors, or with the first so many: `[queries, count]` in row order. */
  cosines(queries: Tensor, options?: { readonly first?: number }): Promise<Float32Array>;
}

/** Cosines that are held at once in a search. */
const PIECE = 2 ** 23;

const lengths = compile((x: Tensor) => sqrt(sum(square(x), { axis: 1, keepDims: true })));
/** Zeros stay zeros. */
const scaled = compile((x: Tensor, length: Tensor) => div(x, where(greater(length, 0), length, 1)));
const products = compile((queries: Tensor, vectors: Tensor) => matmul(queries, vectors, { transposeB: true }));
const nearest = compile((queries: Tensor, vectors: Tensor, neighbors: number) => {
  const found = topK(matmul(queries, vectors, { transposeB: true }), neighbors, { axis: 1 });
  return { indices: cast(found.indices, "int32"), cosines: found.values };
});

/** Rows scaled to length 1; throws for a row without direction. */
async function unitRows(what: string, x: Tensor, allowZeros: boolean): Promise<Tensor> {
  const length = await lengths(x);
  const bad = (length.data as Float32Array).findIndex(
    (v) => !((v > 0 || (allowZeros && v === 0)) && Number.isFinite(v)),
  );
  if (bad >= 0)
    throw new RangeError(
      `embeddingIndex: row ${bad} of the ${what} ${length.data[bad] === 0 ? "is all zeros" : "holds NaN or infinity"}, so it has no cosine`,
    );
  return scaled(x, length);
}

/** Rows of a float32 matrix with values from `start` to before `stop`, or its end: a view, nothing is copied. */
export function rowsOf(x: Tensor, start: number, stop: number): Tensor {
  const [count, width] = x.shape as [number, number];
  const rows = Math.min(stop, count) - start;
  return tensor((x.data as Float32Array).subarray(start * width, (start + rows) * width), { shape: [rows, width] });
}

export interface EmbeddingIndexOptions {
  /** Takes vectors and queries of zeros for orthogonal to everything, with a cosine of 0; refused by default. */
  readonly allowZeros?: boolean;
}

/**
 * An index of vectors `[count, width]`, float32 with values, searched by cosine. Throws one sentence for anything else,
 * and for a vector of zeros or with NaN, which has no cosine.
 */
export async function embeddingIndex(
  vectors: Tensor,
  { allowZeros = false }: EmbeddingIndexOptions = {},
): Promise<EmbeddingIndex> {
  const [count, width] = vectors.shape as [number, number];
  if (vectors.rank !== 2 || vectors.dtype !== "float32" || count < 1 || width < 1)
    throw new RangeError(
      `embeddingIndex: expected vectors [count, width] of float32, got ${vectors.dtype} [${vectors.shape.join(", ")}]`,
    );
  const unit = await unitRows("vectors", vectors, allowZeros);
  const unitQueries = (queries: Tensor): Promise<Tensor> => {
    if (queries.rank !== 2 || queries.shape[1] !== width || queries.dtype !== "float32")
      throw new RangeError(
        `embeddingIndex: expected queries [queries, ${width}] of float32 as the vectors are, got ${queries.dtype} [${queries.shape.join(", ")}]`,
      );
    return unitRows("queries", queries, allowZeros);
  };
  return {
    count,
    width,
    bytes: 4 * count * width,
    async search(given, neighbors) {
      if (!Number.isInteger(neighbors) || neighbors < 1 || neighbors > count)
        throw new RangeError(
          `embeddingIndex: neighbors must be a whole number from 1 to the ${count} vectors, got ${neighbors}`,
        );
      const queries = await unitQueries(given);
      const total = queries.shape[0] as number;
      const result = {
        neighbors,
        indices: new Int32Array(total * neighbors),
        cosines: new Float32Array(total * neighbors),
      };
      const piece = Math.max(1, Math.floor(PIECE / count));
      for (let start = 0; start < total; start += piece) {
        const some = piece >= total ? queries : rowsOf(queries, start, start + piece);
        const { indices, cosines } = await nearest(some, unit, neighbors);
        result.indices.set(indices.data as Int32Array, start * neighbors);
        result.cosines.set(cosines.data as Float32Array, start * neighbors);
      }
      return result;
    },
    async cosines(given, { first = count } = {}) {
      const some = first >= count ? unit : rowsOf(unit, 0, first);
      return (await products(await unitQueries(given), some)).data as Float32Array;
    },
  };
}

/**
 * Recall at k: the share of the true nearest neighbours of a query that are among those found, averaged over queries;
 * from 0 to 1. Their order does not count. Throws one sentence unless both are of the same queries and number.
 */
export function recallAtK(found: Neighbors, truth: Neighbors): number {
  const k = truth.neighbors;
  if (found.neighbors !== k || found.indices.length !== truth.indices.length)
    throw new RangeError(
      `recallAtK: expected the same number of neighbours of the same queries, got ${found.neighbors} in ${found.indices.length} and ${k} in ${truth.indices.length}`,
    );
  let hits = 0;
  for (let start = 0; start < truth.indices.length; start += k) {
    const wanted = new Set(truth.indices.subarray(start, start + k));
    for (let i = start; i < start + k; i++) hits += Number(wanted.has(found.indices[i] as number));
  }
  return hits / truth.indices.length;
}
