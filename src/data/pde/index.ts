/** Solvers of partial differential equations in float64 on the host, the same to the bit on every machine. */
export { type Burgers, type BurgersOptions, burgers1d } from "./burgers.ts";
export { darcyFlow2d } from "./darcy.ts";
export { complexArray, fourierPlan, shiftedField2d, squarePlan, waveNumber } from "./fourier.ts";
export { type NavierStokes, type NavierStokesOptions, navierStokes2d } from "./navier-stokes.ts";
export {
  type FieldOptions,
  type FieldSpectrum,
  neumannField2d,
  periodicField1d,
  periodicField2d,
} from "./random-field.ts";
export {
  EARTH,
  type RandomFlowOptions,
  randomFlow,
  type ShallowWater,
  type ShallowWaterFields,
  type ShallowWaterOptions,
  type ShallowWaterState,
  shallowWater,
} from "./shallow-water.ts";
export { type SphereGridOptions, type SpherePlan, spherePlan, type TangentArray } from "./sphere.ts";
