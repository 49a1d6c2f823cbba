/** Search among vectors, and vectors of fewer numbers for it. */
export { type CompareReductionsOptions, compareReductions, type ReductionScore, reduceRows } from "./compare.ts";
export {
  type EmbeddingIndex,
  type EmbeddingIndexOptions,
  embeddingIndex,
  type Neighbors,
  recallAtK,
} from "./embedding-index.ts";
export {
  type Reduction,
  type ReductionFamily,
  type ReductionName,
  reductionFamily,
  reductionMethods,
} from "./reductions.ts";
