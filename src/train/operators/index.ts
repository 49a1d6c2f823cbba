/** Learning of operators: data from simulations, losses, rollouts, comparisons and their figures. */
export {
  compareOperators,
  type OperatorArm,
  type OperatorBudget,
  type OperatorData,
  type OperatorOutcome,
  type OperatorTimesOptions,
  type OperatorTrained,
  operatorError,
  operatorErrors,
  operatorTimes,
  trainOperator,
} from "./compare.ts";
export { type FieldFiguresOptions, fieldFigures, pixelsOf, ringSpectrum } from "./figures.ts";
export { type RelativeErrorOptions, relativeError } from "./losses.ts";
export {
  coarsen,
  coarsenPairs,
  type FieldPairs,
  fieldDeviation,
  firstTimes,
  pairCount,
  pairsInGraph,
  scaleFields,
  someFields,
  somePairs,
  successivePairs,
} from "./pairs.ts";
export {
  type FreeRollout,
  freeRollout,
  rolloutErrors,
  rolloutLoss,
  rowErrors,
  type TrainedOperator,
} from "./rollout.ts";
export { type Fields, type SimulatedOptions, simulated } from "./simulated.ts";
export { type NamedField, type SphereFiguresOptions, sphereFigure } from "./sphere-figures.ts";
