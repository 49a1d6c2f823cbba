/** Differential equations and the numbers that judge methods for them; matter in the universe and its angular spectra. */
export {
  type FlatSkyOptions,
  type FullSkyOptions,
  flatSky,
  fullSky,
  limber,
  type Projection,
} from "./angular-power.ts";
export { type ConvergenceFit, convergenceOrder, type ErrorAtStep } from "./convergence.ts";
export {
  euler,
  type Field,
  linearFlow,
  matrixExponential,
  matrixProduct,
  matrixVector,
  rungeKutta4,
  type SquareMatrix,
  type Vector,
} from "./flows.ts";
export {
  type Cosmology,
  type Expansion,
  expansion,
  HUBBLE_LENGTH,
  linearMatterPower,
  transferFunction,
} from "./matter-power.ts";
export { attraction, drift, type Particles } from "./particles.ts";
export {
  lineOfSightKernel,
  type PowerLawOptions,
  type PowerLaws,
  powerLaws,
  sumOfPowerLaws,
} from "./power-laws.ts";
export { sphericalBessel } from "./spherical-bessel.ts";
export { type Flow, integrate, lieTrotter, strang } from "./splitting.ts";
