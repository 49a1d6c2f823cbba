/** Models and their checkpoints. */

export {
  fromPatches,
  type PatchAutoencoderOptions,
  patchAutoencoder,
  type QuantizedAutoencoder,
  type QuantizedParams,
  quantizedAutoencoder,
  toPatches,
} from "./autoencoder.ts";
export { type Checkpoint, loadTree, saveTree } from "./checkpoint.ts";
export {
  type ClassifierKind,
  type ClassifierParams,
  classifierKinds,
  type ImageClassifier,
  type ImageClassifierOptions,
  imageClassifier,
  type Representations,
} from "./classifier.ts";
export { EMBEDDED_MODEL, modelFolder } from "./embedded.ts";
export { decoderOnnx, decoderStepOnnx, visionOnnx } from "./export-onnx.ts";
export { type FieldUnetOptions, fieldUnet } from "./field-unet.ts";
export { findModel } from "./find-model.ts";
export {
  type GridPoints,
  type NeuralOperatorOptions,
  neuralOperator,
  type TransformOnce,
  type TransformOnceModelOptions,
  transformOnce,
  withCoordinates,
  withLatitude,
} from "./neural-operator.ts";
export {
  loadPretrained,
  type Pretrained,
  type SavePretrainedOptions,
  savePretrained,
} from "./pretrained/pretrained.ts";
export {
  type ImageScaling,
  loadVision,
  type PretrainedVision,
  saveVision,
  scaledImages,
} from "./pretrained/vision.ts";
export {
  type HostTensor,
  openSafetensors,
  parseSafetensors,
  readSafetensors,
  type Safetensors,
  type TensorToWrite,
  writeSafetensors,
} from "./safetensors.ts";
export type { SafetensorsDType, SafetensorsEntry } from "./safetensors-header.ts";
export { openWeights, writeWeights } from "./sharded.ts";
export * from "./tokenizer/index.ts";
export { activationsOf, intervene, observe, type Replacement } from "./transformer/activations.ts";
export type { StackCache, StackParams } from "./transformer/blocks.ts";
export {
  type Decoder,
  type DecoderConfig,
  type DecoderParams,
  decoder,
  decoderSchema,
} from "./transformer/decoder.ts";
export {
  type CrossConfig,
  type CrossSublayer,
  type EncoderDecoder,
  type EncoderDecoderConfig,
  type EncoderDecoderParams,
  encoderDecoder,
  encoderDecoderSchema,
  type RememberedSource,
  type SourceAndTarget,
} from "./transformer/encoder-decoder.ts";
export { type FfnConfig, ffns } from "./transformer/ffns.ts";
export { type MixerConfig, mixers } from "./transformer/mixers.ts";
export { type FfnPlace, ffnParams, ffnPlaces } from "./transformer/places.ts";
export type { Sublayer } from "./transformer/sublayers.ts";
export { imagePatches, type Vit, type VitConfig, type VitParams, vit, vitSchema } from "./vit.ts";
