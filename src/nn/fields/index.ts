/** Networks and encodings for fields: functions of a place. */
export {
  cartesianEncoding,
  directEncoding,
  type FrequencyOptions,
  gridEncoding,
  type LocationEncoding,
  placesOf,
  sphericalHarmonicEncoding,
  theoryEncoding,
  wrapEncoding,
} from "./locations.ts";
export { residualNetwork } from "./residual.ts";
export { type SirenOptions, siren } from "./siren.ts";
