/** What reductions of vectors leave of a search among them, side by side. */
import { compile, type Tensor } from "../../array/index.ts";
import { spearman } from "../../report/index.ts";
import { embeddingIndex, recallAtK, rowsOf } from "./embedding-index.ts";
import { type ReductionFamily, reductionFamily } from "./reductions.ts";

/** One reduction to one size. */
export interface ReductionScore {
  readonly method: string;
  /** Numbers of a reduced vector. */
  readonly size: number;
  /** Share of the nearest vectors by cosine that are still found, from 0 to 1. */
  readonly recall: number;
  /** Spearman's correlation of the cosines of pairs before and after. */
  readonly spearman: number;
}

export interface CompareReductionsOptions {
  /** What is searched, `[count, width]`. */
  readonly vectors: Tensor;
  /** What is searched for, `[queries, width]`; not among the vectors, or each would find itself. */
  readonly queries: Tensor;
  /** Names of reductions; see `reductionFamily`. */
  readonly methods: readonly string[];
  /** Numbers of a reduced vector. A method that cannot give so many has no score for it. */
  readonly sizes: readonly number[];
  /** Nearest vectors that count; 10 by default. */
  readonly neighbors?: number;
  /** Seed of the random reductions; 0 by default. */
  readonly seed?: number;
  /** Stops between reductions, once it is aborted, by rejecting with its reason. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Pairs whose cosines are correlated: so many queries with so many vectors. */
const PAIRS = { queries: 20, vectors: 500 } as const;

/** A reduction of all rows of a tensor. */
export const reduceRows = async (family: ReductionFamily, size: number, x: Tensor): Promise<Tensor> =>
  compile(family.to(size).apply)(x);

/**
 * Reduces vectors and queries by each method to each size, searches again, and says how much of the search in the whole
 * vectors is left. What a method learns from vectors it learns from those that are searched, not from queries.
 */
export async function compareReductions({
  vectors,
  queries,
  methods,
  sizes,
  neighbors = 10,
  seed = 0,
  signal,
  onProgress,
}: CompareReductionsOptions): Promise<ReductionScore[]> {
  const whole = await embeddingIndex(vectors);
  const truth = await whole.search(queries, neighbors);
  const few = await rowsOf(queries, 0, PAIRS.queries);
  const cosines = Array.from(await whole.cosines(few, { first: PAIRS.vectors }));
  const scores: ReductionScore[] = [];
  for (const [i, method] of methods.entries()) {
    const family = await reductionFamily(method, vectors, { seed });
    for (const [j, size] of sizes.entries()) {
      signal?.throwIfAborted();
      if (size <= family.largest) {
        // What is left of a vector may be nothing: it is then found by chance alone.
        const index = await embeddingIndex(await reduceRows(family, size, vectors), { allowZeros: true });
        const reduced = await reduceRows(family, size, queries);
        const left = await index.cosines(await rowsOf(reduced, 0, PAIRS.queries), { first: PAIRS.vectors });
        scores.push({
          method,
          size,
          recall: recallAtK(await index.search(reduced, neighbors), truth),
          spearman: spearman(Array.from(left), cosines),
        });
      }
      onProgress?.(i * sizes.length + j + 1, methods.length * sizes.length);
    }
  }
  return scores;
}
