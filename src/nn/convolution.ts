/** Convolutions in any number of dimensions, with a learned kernel. */
import { add, type ConvGeometry, conv, convTranspose, fold, reshape, type Shape, type Tensor } from "../array/index.ts";
import { checkCount } from "./checks.ts";
import { type Fans, fanInUniform, type Initializer } from "./initializers.ts";
import type { Layer } from "./layer.ts";
import type { LinearParams } from "./linear.ts";

interface KernelOptions<B extends boolean> {
  /** Channels of the input. */
  readonly inputs: number;
  /** Channels of the output. */
  readonly outputs: number;
  /** Extent of the kernel along each spatial axis: `[3]` for sequences, `[3, 3]` for images, `[3, 3, 3]` for volumes. */
  readonly kernel: readonly number[];
  /** Whether there is a bias; true by default. */
  readonly bias?: B;
  /** How the kernel is drawn; `fanInUniform` by default. */
  readonly init?: Initializer;
  /** How the bias is drawn; `fanInUniform` by default. */
  readonly initBias?: Initializer;
}

/** Stride, padding, dilation and groups are those of `conv`. */
export type ConvolutionOptions<B extends boolean = true> = KernelOptions<B> & ConvGeometry;

/** Stride, padding, output padding, dilation and groups are those of `convTranspose`. */
export type TransposedConvolutionOptions<B extends boolean = true> = KernelOptions<B> &
  NonNullable<Parameters<typeof convTranspose>[2]>;

/**
 * Convolution: `y[b, o, p] = Σ_{i, k} W[o, i, k]·x[b, i, p·stride + k·dilation] + bias[o]`.
 * `x: [batch, inputs, ...spatial]` gives `[batch, outputs, ...positions]`; W: `[outputs, inputs/groups, ...kernel]`,
 * bias: `[outputs]`. With as many groups as inputs it is a depthwise convolution.
 * Source: LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition".
 */
export function convolution<const B extends boolean = true>(options: ConvolutionOptions<B>): Layer<LinearParams<B>> {
  const { inputs, outputs, kernel, bias, init, initBias, ...shape } = options;
  const groups = checkGroups("convolution", inputs, outputs, shape.groups);
  return kernelLayer(options, [outputs, inputs / groups, ...kernel], groups, (x, weight, bias) =>
    conv(x, weight, { ...shape, ...(bias ? { bias } : {}) }),
  );
}

/**
 * Transposed convolution, which enlarges: the linear map from outputs of a convolution with these options back to its
 * inputs, plus a bias. `x: [batch, inputs, ...spatial]` gives `[batch, outputs, ...]` with extents
 * `(n - 1)·stride + (kernel - 1)·dilation + 1 - padding + outputPadding`; W: `[inputs, outputs/groups, ...kernel]`,
 * bias: `[outputs]`.
 * Source: Zeiler et al. 2010, "Deconvolutional networks".
 */
export function transposedConvolution<const B extends boolean = true>(
  options: TransposedConvolutionOptions<B>,
): Layer<LinearParams<B>> {
  const { inputs, outputs, kernel, bias, init, initBias, ...shape } = options;
  const groups = checkGroups("transposedConvolution", inputs, outputs, shape.groups);
  return kernelLayer(options, [inputs, outputs / groups, ...kernel], groups, (x, weight, bias) => {
    const y = convTranspose(x, weight, shape);
    return bias ? add(y, reshape(bias, [outputs, ...kernel.map(() => 1)])) : y;
  });
}

function checkGroups(layer: string, inputs: number, outputs: number, groups = 1): number {
  checkCount(layer, { inputs, outputs, groups });
  if (inputs % groups !== 0 || outputs % groups !== 0) {
    throw new RangeError(`${layer}: groups must divide the ${inputs} inputs and ${outputs} outputs, got ${groups}`);
  }
  return groups;
}

function kernelLayer<B extends boolean>(
  options: KernelOptions<B>,
  shape: Shape,
  groups: number,
  product: (x: Tensor, weight: Tensor, bias?: Tensor) => Tensor,
): Layer<LinearParams<B>> {
  const { inputs, outputs, kernel, bias = true, init = fanInUniform, initBias = fanInUniform } = options;
  kernel.forEach((extent, axis) => {
    checkCount("convolution", { [`kernel[${axis}]`]: extent });
  });
  const taps = kernel.reduce((total, extent) => total * extent, 1);
  const fans: Fans = { fanIn: (inputs / groups) * taps, fanOut: (outputs / groups) * taps };
  return {
    init: (key) => {
      const weight = init(fold(key, "weight"), shape, fans);
      return (bias ? { weight, bias: initBias(fold(key, "bias"), [outputs], fans) } : { weight }) as LinearParams<B>;
    },
    apply: ({ weight, bias }: { readonly weight: Tensor; readonly bias?: Tensor }, x) => product(x, weight, bias),
  };
}
