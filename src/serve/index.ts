/** Text from models: generation, batches of requests, and a server. */
export { Batcher, type BatcherOptions, type BatchRequest, BusyError } from "./batcher.ts";
export { type GeneratedStep, type GenerateOptions, generate } from "./generate.ts";
export { randomSource, sampleOnHost } from "./host-sampling.ts";
export { checkSampling, type SampleOptions, sample } from "./sample.ts";
export { completionsApp, type RunningServer, type ServerOptions, startServer } from "./server.ts";
export {
  type GenerateTextOptions,
  generateText,
  promptTokens,
  type TextModel,
  type TextPiece,
  textPieces,
} from "./text.ts";
export { nextToken, type TranslateOptions, translate } from "./translate.ts";
