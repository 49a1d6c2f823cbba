/** Layers of neural operators: maps between functions on a domain, whatever the grid they are given on. */
export { type OperatorBlockOptions, operatorBlock } from "./block.ts";
export { type DiscFunction, filterBasis, type PolarBasis, type SampledBasis, sampledBasis } from "./filter-basis.ts";
export {
  type FiniteDifferenceOptions,
  type FiniteDifferenceParams,
  finiteDifferenceConvolution,
  type LocalIntegralOptions,
  type LocalIntegralParams,
  type LocalLayer,
  localIntegral,
  padPeriodic,
  periodicConv,
} from "./local.ts";
export { type Modes, type ModeTransform, modeTransform } from "./modes.ts";
export { type PointwiseOptions, pointwise } from "./pointwise.ts";
export { type SpectralConvOptions, type SpectralConvParams, spectralConv } from "./spectral-conv.ts";
export { type SphericalConvOptions, type SphericalConvParams, sphericalConv } from "./spherical-conv.ts";
export { type SphericalLocalIntegralOptions, sphericalLocalIntegral } from "./spherical-local.ts";
export {
  type SpectralInit,
  spectralChannelMix,
  spectralDeviation,
  type TransformOnceOptions,
  type TransformOnceParams,
  transformOnceLayer,
} from "./transform-once.ts";
