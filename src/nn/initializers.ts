/** How new weights are drawn. */
import { full, type Key, normal, type Shape, type Tensor, uniform, zeros } from "../array/index.ts";

/** What an initializer may know of a weight: its inputs to one output, and its outputs of one input. */
export interface Fans {
  readonly fanIn: number;
  readonly fanOut: number;
}

/** Draws a new weight. */
export type Initializer = (key: Key, shape: Shape, fans: Fans) => Tensor;

/** Uniform in `±1/√fanIn`: variance `1/(3·fanIn)`. The default of PyTorch's linear and convolution layers. */
export const fanInUniform: Initializer = (key, shape, { fanIn }) => {
  const bound = 1 / Math.sqrt(Math.max(1, fanIn));
  return uniform(key, shape, { min: -bound, max: bound });
};

/** Normal with variance `1/fanIn`. Source: LeCun et al. 1998, "Efficient BackProp". */
export const lecunNormal: Initializer = (key, shape, { fanIn }) =>
  normal(key, shape, { std: 1 / Math.sqrt(Math.max(1, fanIn)) });

/** Normal with variance `2/fanIn`, which keeps the scale of activations through ReLU. Source: He et al. 2015, arXiv:1502.01852. */
export const heNormal: Initializer = (key, shape, { fanIn }) =>
  normal(key, shape, { std: Math.sqrt(2 / Math.max(1, fanIn)) });

/** Uniform in `±√(6/(fanIn + fanOut))`. Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks". */
export const glorotUniform: Initializer = (key, shape, { fanIn, fanOut }) => {
  const bound = Math.sqrt(6 / Math.max(1, fanIn + fanOut));
  return uniform(key, shape, { min: -bound, max: bound });
};

/** Normal with the given standard deviation, whatever the shape. */
export const normalOf =
  (std: number): Initializer =>
  (key, shape) =>
    normal(key, shape, { std });

/** The same value everywhere. */
export const constantOf =
  (value: number): Initializer =>
  (_, shape) =>
    full(shape, value);

/** Zeros. */
export const zerosOf: Initializer = (_, shape) => zeros(shape);
