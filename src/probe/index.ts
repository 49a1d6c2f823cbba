/** Measurements on models. */

export { type BleuOptions, type BleuScore, bleu } from "./bleu.ts";
export {
  type ReconstructionScore,
  reconstructImages,
  scoreReconstruction,
  type TrainedAutoencoder,
} from "./reconstruction.ts";
export {
  conditionalAgreement,
  type RoutedHits,
  type RoutedLayers,
  type RoutedScore,
  routedHits,
  routedScores,
  usageEntropy,
} from "./routing.ts";
export { linearCka, localNeighborhoodSimilarity, type NeighborhoodOptions } from "./similarity.ts";
