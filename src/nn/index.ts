/** Layers with typed parameters. */

export { type ActivationName, activationNames, activations } from "./activations.ts";
export {
  type AttendOptions,
  type AttentionCache,
  type AttentionOptions,
  type AttentionParams,
  type AttentionWeights,
  attend,
  attentionWeights,
  joinHeads,
  multiHeadAttention,
  type SelfAttention,
  splitHeads,
} from "./attention.ts";
export { entropyMargin, rowSumPenalty } from "./attention-penalties.ts";
export { magnitudeActivation, modRelu } from "./complex-activations.ts";
export {
  type ConvolutionOptions,
  convolution,
  type TransposedConvolutionOptions,
  transposedConvolution,
} from "./convolution.ts";
export { parameterCount } from "./count.ts";
export {
  type CrossAttention,
  type CrossAttentionOptions,
  type CrossAttentionParams,
  type CrossInput,
  crossAttention,
  type Memory,
} from "./cross-attention.ts";
export { drop, dropout } from "./dropout.ts";
export { type EmbeddingOptions, type EmbeddingParams, embedding } from "./embedding.ts";
export { type Ensemble, ensemble, initMembers } from "./ensemble.ts";
export { type ChosenExpertsOptions, chosenExperts, type ExpertParams, separateExperts } from "./ffn/chosen-experts.ts";
export {
  type DecisionParams,
  decisionEntropy,
  hardDescend,
  leafProbabilities,
  reachedLeaf,
} from "./ffn/decision-tree.ts";
export {
  type DeepFfnOptions,
  type DeepFfnParams,
  deepFfn,
  type FfnOptions,
  type FfnParams,
  ffn,
  type OneLayerFfnParams,
  oneLayerFfn,
  type ThreeLayerFfnParams,
  threeLayerFfn,
} from "./ffn/dense.ts";
export {
  type FastFeedForward,
  type FastFeedForwardOptions,
  type FastFeedForwardParams,
  fastFeedForward,
  type TreeRouting,
} from "./ffn/fast-feed-forward.ts";
export { type GatedFfnParams, gatedFfn } from "./ffn/gated.ts";
export { type HourglassOptions, type HourglassParams, hourglassFfn } from "./ffn/hourglass.ts";
export { type KeyValueMemoryOptions, type KeyValueMemoryParams, keyValueMemory } from "./ffn/key-value-memory.ts";
export { type MoefiedFfnOptions, type MoefiedFfnParams, moefiedFfn } from "./ffn/moefied.ts";
export {
  expertOutputs,
  type PriorOptions,
  priorApproximateLoss,
  priorErrors,
  priorTargets,
} from "./ffn/prior-approximate.ts";
export { loadBalanceLoss, type RoutedLayer, type Routing } from "./ffn/routing.ts";
export { type SharedExpertParams, sharedExpert } from "./ffn/shared-expert.ts";
export { type SplitFfnOptions, type SplitFfnParams, type SplitInward, splitFfn } from "./ffn/split.ts";
export {
  expertMask,
  hiddenUnits,
  interleave,
  isGated,
  type TopExpertsOptions,
  topExperts,
  type UnitGroups,
  unitsFrom,
  weightedExperts,
} from "./ffn/top-experts.ts";
export {
  bestExperts,
  expertScores,
  initRouter,
  type RouterKind,
  routerKinds,
  type UnitRouterParams,
  unitSums,
} from "./ffn/unit-routers.ts";
export * from "./fields/index.ts";
export {
  constantOf,
  type Fans,
  fanInUniform,
  glorotUniform,
  heNormal,
  type Initializer,
  lecunNormal,
  normalOf,
  zerosOf,
} from "./initializers.ts";
export {
  type AnyLayer,
  type Bound,
  compose,
  type Layer,
  type Mode,
  modeOf,
  type NoParams,
  type ParamsOf,
  type Part,
  parallel,
  repeat,
  residual,
  sequential,
  stateless,
  type Tap,
  type TensorLayer,
  tap,
  tapsUnder,
} from "./layer.ts";
export { type LinearOptions, type LinearParams, linear, timesWeight } from "./linear.ts";
export {
  fourierMixer,
  type MaskedFourierCache,
  type MaskedFourierOptions,
  maskedFourierMixer,
} from "./mixers/fourier.ts";
export {
  type ImplicitFilter,
  type ImplicitFilterOptions,
  type ImplicitFilterParams,
  implicitFilter,
} from "./mixers/implicit-filter.ts";
export {
  type LongConvolutionCache,
  type LongConvolutionOptions,
  type LongConvolutionParams,
  longConvolutionMixer,
} from "./mixers/long-convolution.ts";
export {
  type CacheOptions,
  isMaskedMixer,
  isTokenMixer,
  type MaskedMixer,
  newPositions,
  type TokenMixer,
  visibleBefore,
  writeCache,
} from "./mixers/mixer.ts";
export { type MixerOptions, mlpMixer } from "./mixers/mlp-mixer.ts";
export {
  type SpectralActivation,
  type SpectralFilterOptions,
  type SpectralFilterParams,
  spectralActivations,
  spectralFilterMixer,
} from "./mixers/spectral-filter.ts";
export { movingAverageMixer, type WindowCache, type WindowOptions, windowFourierMixer } from "./mixers/window.ts";
export { type GroupNormOptions, groupNorm, layerNorm, type NormOptions, type NormParams, rmsNorm } from "./norm.ts";
export * from "./operators/index.ts";
export * from "./quantizers/index.ts";
export { type RandomProjectionOptions, randomProjection } from "./random-projection.ts";
export { type RotaryOptions, type RotaryScaling, rotary } from "./rotary.ts";
export * from "./structured/index.ts";
