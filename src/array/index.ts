/**
 * The differentiable array language. Programs are functions over tensors; `compile` turns one into a single ONNX model,
 * and `grad` and its relatives turn one into another.
 */

export {
  and,
  cast,
  equal,
  greater,
  greaterEqual,
  isFinite,
  isNaN,
  less,
  lessEqual,
  not,
  notEqual,
  or,
  where,
  xor,
} from "./compare.ts";
export {
  type Compiled,
  type CompileOptions,
  compile,
  dispose,
  evaluate,
  type OnnxOptions,
  onDevice,
  ownsMemory,
  releaseSessions,
  setDefaults,
  toOnnx,
} from "./compile.ts";
export { type Complex, complexMul } from "./complex.ts";
export { item, type Nested, tensor, toNested, type Values } from "./construct.ts";
export { cond, type ScanOptions, scan, whileLoop } from "./control.ts";
export { type ConvGeometry, type ConvOptions, conv, convTranspose, type Padding } from "./convolution.ts";
export { bytesOf, type DType, dtypes, fromFloat16Bits, type HostArray, isFloat, toFloat16Bits } from "./dtype.ts";
export { einsum } from "./einsum.ts";
export * from "./elementwise.ts";
export { type ExpertActivation, expertActivations, expertSum } from "./experts.ts";
export {
  type Fft2Options,
  type FftOptions,
  fft,
  fft2,
  ifft,
  ifft2,
  irfft,
  irfft2,
  type RfftOptions,
  rfft,
  rfft2,
} from "./fft.ts";
export { flopCount } from "./flops.ts";
export { frozen } from "./frozen.ts";
export { checkpoint, customGradient, grad, jvp, stopGradient, valueAndGrad, vjp } from "./gradient.ts";
export { checkGraph, printGraph } from "./graph.ts";
export { groupedMatmul } from "./grouped.ts";
export {
  argSort,
  at,
  oneHot,
  type SortOptions,
  scatterAdd,
  scatterAddAlong,
  sort,
  take,
  takeAlong,
  topK,
} from "./indexing.ts";
export * from "./layout.ts";
export { matmul } from "./linear.ts";
export { layerNormalize, logSoftmax, softmax } from "./neural.ts";
export type { TensorLike } from "./operands.ts";
export { averagePool, maxPool, type PoolOptions } from "./pooling.ts";
export { type Profile, type ProfileEntry, profiled } from "./profile.ts";
export {
  type QuantizedBits,
  type QuantizedMatrix,
  type QuantizeMatrixOptions,
  quantizedBits,
  quantizedMatmul,
  quantizeMatrix,
} from "./quantized.ts";
export {
  bernoulli,
  categorical,
  fold,
  type Key,
  key,
  normal,
  permutation,
  randomBits,
  randomInteger,
  split as splitKey,
  type UniformOptions,
  uniform,
} from "./random.ts";
export * from "./reduce.ts";
export { type Device, devices } from "./runtime/runtime.ts";
export type { Shape } from "./shape.ts";
export type { Frame } from "./site.ts";
export { Tensor, type TensorType } from "./tensor.ts";
export { bytesMade, bytesRead } from "./traffic.ts";
export { type Flat, flatten, mapTree, type Static, type Tree, type TreeLike, zipTrees } from "./tree.ts";
