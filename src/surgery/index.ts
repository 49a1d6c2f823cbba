/** Changes to trained models that keep what they compute, or close to it. */
export { type RecordedInputs, type RecordOptions, recordFfnInputs } from "./calibrate.ts";
export { deepenFfns, insertIdentityLayer } from "./deepen.ts";
export { type DistillOptions, distillFactored, type LearnerKind, learnerKinds } from "./distill.ts";
export {
  type DropAttentionOptions,
  type DroppedAttention,
  dropAttention,
  type WithoutAttention,
} from "./drop-attention.ts";
export { type ExcisedLayer, exciseDeadNeurons, exciseNeurons } from "./excise.ts";
export { type BlockParams, contiguousGroups, cutIntoExperts, unitKeys } from "./experts.ts";
export { type FactoredLayer, factorFigures } from "./factor-figures.ts";
export { type FactorOptions, factorFfns, type SliceKind, sliceKinds } from "./factor-llm.ts";
export { factorizeFfns, mergeFfns, truncatedSvd } from "./factorize.ts";
export {
  type ChooseRunsOptions,
  chooseRuns,
  type Fused,
  type FuseModelOptions,
  type FusionFigures,
  fuseModel,
  heal,
} from "./ffn-fusion.ts";
export {
  heavyFigures,
  measureUnits,
  permuteUnits,
  type RankOptions,
  rankForBudget,
  rankUnits,
  scoreKinds,
  selectKinds,
  splitFfns,
  withRank,
} from "./ffsplit.ts";
export { foldNorms } from "./fold-norms.ts";
export { blocksSideBySide, type FfnRun, ffnRuns, ffnsSideBySide, fuseFfnRun, withoutFfns } from "./fuse.ts";
export {
  balancedKMeans,
  coactivationGroups,
  type Groups,
  inertiaOf,
  type KMeansResult,
  meansOf,
  membersOf,
  randomGroups,
  togetherWithin,
} from "./groups.ts";
export { nearestLowRank } from "./low-rank.ts";
export { type Conversion, type ConversionContext, conversions, convertModel } from "./methods.ts";
export {
  type Moefied,
  type MoefiedLayer,
  type MoefyOptions,
  moefy,
  type SplitKind,
  splitKinds,
  withActiveExperts,
} from "./moefication.ts";
export { packedBytes, type QuantizeOptions, quantizeFfns, roundedToBits } from "./quantize.ts";
export { type QuantizeLinearsOptions, quantizeLinears } from "./quantize-linears.ts";
export { type ConfiguredDecoder, type ConfiguredFfn, ffnAt, replaceFfns } from "./replace.ts";
export { type Basis, rotateStream } from "./rotate.ts";
export {
  type RotationKind,
  randomBasis,
  rotations,
  type Sliced,
  type SlicedPlace,
  type SliceOptions,
  slicedPerplexity,
  sliceStream,
} from "./slice.ts";
export type { Place } from "./sublayers.ts";
export {
  type ExpertMeasure,
  expertMeasures,
  expertsGive,
  type RouterLoss,
  routerLosses,
  type TeachRouterOptions,
  teachRouter,
} from "./teach-router.ts";
