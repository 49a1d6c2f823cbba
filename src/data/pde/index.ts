/** Solvers of partial differential equations in float64 on the host, the same to the bit on every machine. */
export { type Burgers, type BurgersOptions, burgers1d } from "./burgers.ts";
export { darcyFlow2d } from "./darcy.ts";
export { complexArray, shiftedField2d, squarePlan, waveNumber } from "./fourier.ts";
export { type NavierStokes, type NavierStokesOptions, navierStokes2d } from "./navier-stokes.ts";
export {
  type FieldOptions,
  type FieldSpectrum,
  neumannField2d,
  periodicField1d,
  periodicField2d,
} from "./random-field.ts";
