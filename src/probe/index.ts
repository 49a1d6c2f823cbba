/** Measurements on models. */

export { type BleuOptions, type BleuScore, bleu } from "./bleu.ts";
export { type Covariance, type CovarianceOptions, covarianceOf, type Moments, momentsOf } from "./covariance.ts";
export { symmetricEigenvalues } from "./eigenvalues.ts";
export {
  type FeatureNoiseKind,
  type FeatureNoiseOptions,
  type FeatureScale,
  featureNoise,
  featureNoiseKinds,
} from "./feature-noise.ts";
export { compression, effectiveDimension, extrapolatedDimension, type SampledDimension } from "./geometry.ts";
export { type PrincipalComponents, pcaProjection, principalComponents } from "./pca.ts";
export {
  type ReconstructionScore,
  reconstructImages,
  scoreReconstruction,
  type TrainedAutoencoder,
} from "./reconstruction.ts";
export {
  type OverTextOptions,
  overText,
  recordActivations,
  type SeenText,
  totalOverText,
  windowsOf,
} from "./record.ts";
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
export {
  componentsFor,
  participationRatio,
  participationRatioOf,
  type SpectralScores,
  shannonEffectiveRank,
  spectralConcentration,
  spectralScores,
  spectralUtilizationIndex,
} from "./spectrum.ts";
