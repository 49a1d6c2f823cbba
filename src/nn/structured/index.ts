/** Affine maps and feed-forward blocks with structured matrices. */
export { type BlockDenseOptions, blockDenseLinear } from "./block-dense.ts";
export { type BlockShuffleOptions, blockShuffleLinear } from "./block-shuffle.ts";
export { type LowRankOptions, lowRankLinear } from "./low-rank.ts";
export { orthonormal, polarFactor } from "./orthonormal.ts";
export { type GuidedParams, guidance, type SelfGuidedOptions, selfGuided } from "./self-guided.ts";
export { type LowRankFactors, spectralFactors, typicalSingularValues } from "./spectral.ts";
export {
  type Structure,
  type StructuredFfn,
  type StructuredFfnOptions,
  type StructuredFfnParams,
  structuredFfn,
  structuredLinear,
} from "./structured-ffn.ts";
export { type FactorParams, mergeFactors, type StructuredLinear, type StructuredOptions } from "./structured-linear.ts";
