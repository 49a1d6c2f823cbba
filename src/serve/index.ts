/** Text from models. */
export { type GeneratedStep, type GenerateOptions, generate } from "./generate.ts";
export { checkSampling, type SampleOptions, sample } from "./sample.ts";
export { type GenerateTextOptions, generateText, type TextModel, type TextPiece } from "./text.ts";
export { nextToken, type TranslateOptions, translate } from "./translate.ts";
