/** Text from models: generation, batches of requests, and a server. */
export type { BatchRequest, BatchToken } from "./batch-row.ts";
export { Batcher, type BatcherOptions, BusyError } from "./batcher.ts";
export { type CompletionsApp, type CompletionsOptions, completionsApp } from "./completions.ts";
export { type GeneratedStep, type GenerateOptions, generate } from "./generate.ts";
export {
  type Penalties,
  penalize,
  probabilitiesOf,
  randomSource,
  sampleOnHost,
  type TokenProbability,
} from "./host-sampling.ts";
export { hostInUrl, type Listening, type ListenOptions, listen, within } from "./listen.ts";
export {
  type DecodeCosts,
  decodeCosts,
  type MeasuredModel,
  type MeasureOptions,
  type ModelFigures,
  measureModels,
} from "./measure.ts";
export { RowCaches, type RowCachesOptions } from "./row-caches.ts";
export { checkSampling, type SampleOptions, sample } from "./sample.ts";
export { type RunningServer, type ServerOptions, startServer } from "./server.ts";
export {
  type GeneratedText,
  type GenerateTextOptions,
  type GenerateTextsOptions,
  generateText,
  generateTexts,
  promptTokens,
  type TextModel,
  type TextPiece,
  TextWriter,
  type TextWriterOptions,
} from "./text.ts";
export { nextToken, type TranslateOptions, translate } from "./translate.ts";
