/** Losses, optimizers and the training loop. */
export { type AdamWOptions, type AdamWState, adamW } from "./adamw.ts";
export { type CompareArmsOptions, type ComparedArm, compareArms, type OnProgress } from "./arms.ts";
export { type IndexBatch, indexBatches } from "./batches.ts";
export { checkpointPath, loadCheckpoint, type Progressed, saveCheckpoint } from "./checkpoints.ts";
export { clipByGlobalNorm, clipped, globalNorm } from "./clip.ts";
export { curveOf, curvesFigure, endOfCurve } from "./curves.ts";
export { type DistillLanguageOptions, distillLanguageModel } from "./distill.ts";
export { DivergedError } from "./diverged.ts";
export { type FitOptions, type FitResult, fit } from "./fit.ts";
export {
  type ClassifierArm,
  type ClassifierComparison,
  type ClassifierOutcome,
  type CompareClassifiersOptions,
  classifierFigures,
  compareClassifiers,
  type ImageBudget,
  testAccuracies,
} from "./image-arms.ts";
export { type GraphImages, imagesInGraph, indexRange, type LabelledRows } from "./images.ts";
export {
  type FitLanguageOptions,
  fitLanguageModel,
  inputsAndTargets,
  type LanguageModel,
  type LanguageScore,
  type LanguageTraining,
  languageModelFlops,
  languageOptimizer,
  languageSchedule,
  type ScoreLanguageOptions,
  scoreLanguageModel,
  tokenLosses,
} from "./language.ts";
export {
  type CompareLanguageOptions,
  compareLanguageModels,
  type LanguageArm,
  type LanguageBudget,
  type LanguageComparison,
  type LanguageOutcome,
  languageFigures,
  testLosses,
} from "./language-arms.ts";
export { type LanguageSetting, languageSettings, languageText } from "./language-setting.ts";
export { type GradientTimesOptions, gradientTimes } from "./language-times.ts";
export {
  type BatchSource,
  type History,
  type LoopOptions,
  type LoopResult,
  type Progress,
  type Scores,
  type TrainLoopOptions,
  trainLoop,
} from "./loop.ts";
export {
  accuracy,
  binaryCrossEntropy,
  type CrossEntropyOptions,
  crossEntropy,
  klDivergence,
  meanSquaredError,
  type Reduction,
} from "./losses.ts";
export { type Match, type MatchOptions, matchBudget } from "./match.ts";
export * from "./operators/index.ts";
export type { Optimizer, Rate } from "./optimizer.ts";
export { type PairBatch, type PairBatchOptions, pairBatch, pairBatches } from "./pair-batches.ts";
export { pieceProgress } from "./piece-progress.ts";
export {
  type BestScore,
  type Recipe,
  type RecipeResult,
  type RecipeStart,
  readRecipe,
  recipeSchema,
  type TrainRecipeOptions,
  trainRecipe,
} from "./recipe.ts";
export {
  constant,
  cosine,
  type DecayOptions,
  geometric,
  linearSchedule,
  phases,
  type Schedule,
  stepwise,
  warmup,
} from "./schedules.ts";
export { searchRates } from "./search.ts";
export { type SgdOptions, sgd } from "./sgd.ts";
export { type FitStatefulOptions, type FitStatefulResult, fitStateful } from "./stateful.ts";
export { type CompiledSteps, compileSteps, type Metrics, type Step, type StepContext } from "./steps.ts";
export { type FitTogetherOptions, type FitTogetherResult, fitTogether, type Trainee } from "./together.ts";
export {
  type EvaluationWindows,
  evaluationWindows,
  type SpreadWindows,
  type StridedWindows,
  spreadWindows,
  stridedWindows,
  type TokenBatch,
  type TokenBatchOptions,
  tokenBatches,
} from "./token-batches.ts";
export { eachPiece, type PieceOf, type TotalOptions, totalOver } from "./total.ts";
export {
  type FitTranslationOptions,
  fitTranslationModel,
  scoreTranslationModel,
  type TargetTotals,
  type TranslationScore,
  targetTotals,
} from "./translation.ts";
