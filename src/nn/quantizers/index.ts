/** Quantizers of a bottleneck: finite scalar, and learned codebooks. */
export {
  boundChannels,
  codesToIndices,
  finiteScalarQuantize,
  finiteScalarQuantizer,
  indicesToCodes,
  straightThroughRound,
} from "./finite-scalar.ts";
export { digitsToIndices, gridSize, indicesToDigits } from "./mixed-radix.ts";
export type { Quantized, Quantizer } from "./quantizer.ts";
export { codebookPerplexity, codebookUsage } from "./usage.ts";
export {
  type EmaVectorQuantizerOptions,
  emaVectorQuantizer,
  nearestCodes,
  type VectorQuantizerOptions,
  vectorQuantizer,
} from "./vector.ts";
