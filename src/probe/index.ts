/** Measurements on models. */

export { type Activity, type ActivityOptions, countActivity, isOnOff, unitsOf } from "./activity.ts";
export { agglomerativeClusters, cosineDistances } from "./agglomerative.ts";
export { type BleuOptions, type BleuScore, bleu } from "./bleu.ts";
export { type BlockDependencyOptions, blockDependency, windowDependency } from "./block-dependency.ts";
export {
  coherence,
  type DistributionalOptions,
  type DistributionalVectors,
  distributionalVectors,
  shareAbove,
} from "./coherence.ts";
export {
  type Covariance,
  type CovarianceOptions,
  covarianceOf,
  type Moments,
  momentsOf,
  rowCovariance,
} from "./covariance.ts";
export {
  type Detector,
  type DetectorRule,
  detectedTokens,
  favouredTokens,
  type NgramOptions,
  ngramDetectors,
  percentilesIn,
  type Suppression,
  tokenDetectors,
  triggerSuppression,
} from "./detectors.ts";
export {
  chooseConfidence,
  type ExitRule,
  type ExitScore,
  exitByClusters,
  exitByConfidence,
  type PredictionTrace,
  scoreExit,
} from "./early-exit.ts";
export { symmetricEigenvalues } from "./eigenvalues.ts";
export {
  type FeatureNoiseKind,
  type FeatureNoiseOptions,
  type FeatureScale,
  featureNoise,
  featureNoiseKinds,
} from "./feature-noise.ts";
export {
  type FeatureScore,
  featureScale,
  type NoiseResponse,
  type NoiseResponseOptions,
  noiseResponse,
  type PcaResponse,
  pcaResponse,
} from "./feature-response.ts";
export { compression, effectiveDimension, extrapolatedDimension, type SampledDimension } from "./geometry.ts";
export { type GeometryOptions, probeGeometry } from "./geometry-probe.ts";
export { chosenFfns, layerLabel } from "./layers.ts";
export {
  deadNeurons,
  frequencies,
  informationBias,
  type PositionalKind,
  positionalInformation,
  positionalKind,
  positionFrequencies,
  ruleOfThree,
} from "./neurons.ts";
export { analyzeNeurons, type LayerNeurons, type NeuronOptions, POSITIONAL } from "./neurons-probe.ts";
export { type PrincipalComponents, pcaProjection, principalComponents } from "./pca.ts";
export {
  ffnOfBlocks,
  LARGEST,
  predictionTraces,
  type RecordedPrediction,
  type TraceOptions,
} from "./prediction-traces.ts";
export { type ProbeContext, type ProbeResult, probeOf, probeSection, probes, runProbe } from "./probes.ts";
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
export * from "./retrieval/index.ts";
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
export { type ActivationSpectraOptions, type ActivationSpectrum, activationSpectra, hiddenUnits } from "./spectra.ts";
export { decayOf, probeSpectra, type SpectraOptions, spectrumPoints } from "./spectra-probe.ts";
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
export { listProbability, listScores, promptsBefore, steer, type UnitAt } from "./steering.ts";
export { subUpdateError } from "./sub-updates.ts";
export {
  heaviestFirst,
  jaccard,
  shareOfHeaviest,
  type UnitNormOptions,
  type UnitNorms,
  unitOutputNorms,
} from "./unit-norms.ts";
export { clusterValueVectors } from "./value-clusters.ts";
export {
  NotApplicableError,
  outputEmbedding,
  type ProjectionNorm,
  throughLastNorm,
  valueVectorLogits,
  valueVectors,
  vocabularyProjection,
} from "./value-vectors.ts";
export { logitLens, saturationLayer, setUnits, shareOfLargest, subUpdateContribution } from "./vocabulary.ts";
export { coherences, topTokens, topTokensOfRandom } from "./vocabulary-probe.ts";
