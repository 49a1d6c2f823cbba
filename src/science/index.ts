/** Differential equations and the numbers that judge methods for them. */
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
export { attraction, drift, type Particles } from "./particles.ts";
export { type Flow, integrate, lieTrotter, strang } from "./splitting.ts";
