/** Changes to trained models that keep what they compute, or close to it. */
export { type RecordedInputs, type RecordOptions, recordFfnInputs } from "./calibrate.ts";
export { deepenFfns, insertIdentityLayer } from "./deepen.ts";
export { factorizeFfns, mergeFfns, truncatedSvd } from "./factorize.ts";
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
export { type ConfiguredDecoder, type ConfiguredFfn, replaceFfns } from "./replace.ts";
