/** Blocks of neural operators: global and local kernels side by side. */
import { add, gelu, pad, type Tensor, type Tree } from "../../array/index.ts";
import { convolution } from "../convolution.ts";
import { compose, type Layer } from "../layer.ts";
import {
  type FiniteDifferenceOptions,
  finiteDifferenceConvolution,
  type LocalIntegralOptions,
  type LocalLayer,
  localIntegral,
  periodicConv,
  squareSize,
} from "./local.ts";
import type { Modes } from "./modes.ts";
import { pointwise } from "./pointwise.ts";
import { spectralConv } from "./spectral-conv.ts";
import { type SphericalConvOptions, sphericalConv } from "./spherical-conv.ts";
import { type SphericalLocalIntegralOptions, sphericalLocalIntegral } from "./spherical-local.ts";

/** What a block is made of; at least one kernel. */
export interface OperatorBlockOptions {
  /** Channels of input and output. */
  readonly width: number;
  /** Axes of the grid; 2 by default. */
  readonly dimensions?: 1 | 2;
  /** Frequencies of the spectral convolution; none without it. */
  readonly modes?: Modes;
  /** Options of a `sphericalConv`, for fields on a grid on the sphere; none without it. */
  readonly spherical?: Pick<SphericalConvOptions, "degree" | "grid" | "weights">;
  /** Options of a `finiteDifferenceConvolution`; none without it. */
  readonly differential?: Pick<FiniteDifferenceOptions, "kernel" | "size">;
  /** Options of a `localIntegral`; none without it. */
  readonly integral?: Pick<LocalIntegralOptions, "radius" | "basis">;
  /** Options of a `sphericalLocalIntegral`, for fields on a grid on the sphere; none without it. */
  readonly sphericalIntegral?: Pick<SphericalLocalIntegralOptions, "radius" | "grid" | "basis">;
  /** Extent of an ordinary periodic convolution, which is tied to the grid it was trained on; none without it. */
  readonly pixels?: number;
  /** Function after the sum; exact GELU by default. */
  readonly activation?: (x: Tensor) => Tensor;
}

/**
 * Block of a neural operator: `y = activation(W·x + b + Σ kernels(x))`, a pointwise affine map beside the kernels that are
 * asked for. With a spectral convolution alone it is the Fourier layer of Li et al. 2020, arXiv:2010.08895, equation 2;
 * with local kernels beside it, the block of Liu-Schiaffini et al. 2024, arXiv:2402.16845; with a spherical convolution in
 * its place, one of the spherical Fourier neural operator of Bonev et al. 2023, arXiv:2306.03838. All kernels but the
 * spherical ones take both axes as periodic.
 * `x: [batch, width, ...grid]` gives the same shape.
 */
export function operatorBlock(options: OperatorBlockOptions): Layer<{ readonly [name: string]: Tree }> {
  const { width, dimensions = 2, modes, spherical, differential, integral, sphericalIntegral, pixels } = options;
  const { activation = gelu } = options;
  const both = { inputs: width, outputs: width };
  if (modes && modes.length !== dimensions)
    throw new RangeError(`operatorBlock: expected modes for ${dimensions} axes, got ${modes.length}`);
  const inTwo = {
    "local integrals": integral,
    "spherical convolutions": spherical,
    "local integrals on the sphere": sphericalIntegral,
  };
  for (const [name, given] of Object.entries(inTwo))
    if (given && dimensions !== 2) throw new RangeError(`operatorBlock: ${name} need a grid of 2 axes`);
  const local: Record<string, LocalLayer<Tree>> = {
    ...(differential ? { differential: finiteDifferenceConvolution({ ...both, dimensions, ...differential }) } : {}),
    ...(integral ? { integral: localIntegral({ ...both, ...integral }) } : {}),
    ...(pixels ? { pixels: pixelKernel(width, dimensions, pixels) } : {}),
  };
  const parts: Record<string, Layer<Tree>> = {
    pointwise: pointwise(both),
    ...(modes ? { spectral: spectralConv({ ...both, modes }) } : {}),
    ...(spherical ? { spherical: sphericalConv({ ...both, ...spherical }) } : {}),
    ...(sphericalIntegral ? { sphericalIntegral: sphericalLocalIntegral({ ...both, ...sphericalIntegral }) } : {}),
    ...local,
  };
  if (Object.keys(parts).length === 1)
    throw new RangeError(
      "operatorBlock: expected at least one of modes, spherical, differential, integral, sphericalIntegral and pixels",
    );
  return compose(parts, (part, x: Tensor, _, params) => {
    const call = (name: string): Tensor => (part[name] as (x: Tensor) => Tensor)(x);
    const summands = ["pointwise", "spectral", "spherical", "sphericalIntegral"]
      .filter((name) => name in parts)
      .map(call);
    const kernels = Object.entries(local).map(([name, layer]) =>
      layer.kernel(params[name] as Tree, squareSize("operatorBlock", x)),
    );
    // Convolutions of one input are one convolution with the sum of their kernels.
    if (kernels.length > 0) summands.push(periodicConv(x, sumOfKernels(kernels)));
    return activation(summands.reduce((total, y) => add(total, y)));
  });
}

/** Kernels of odd extents with a common centre, added. */
function sumOfKernels(kernels: readonly Tensor[]): Tensor {
  const extent = Math.max(...kernels.map(({ shape }) => shape.at(-1) as number));
  return kernels
    .map((kernel) => {
      const around = kernel.shape.map((n, axis) => (axis < 2 ? 0 : (extent - n) >> 1));
      return extent === kernel.shape.at(-1) ? kernel : pad(kernel, { before: around, after: around });
    })
    .reduce((total, kernel) => add(total, kernel));
}

/** The kernel of an ordinary convolution, the same number of pixels on any grid. */
function pixelKernel(width: number, dimensions: number, extent: number): LocalLayer<Tree> {
  if (extent % 2 === 0) throw new RangeError(`operatorBlock: pixels must be odd, got ${extent}`);
  const kernel = Array<number>(dimensions).fill(extent);
  const layer = convolution({ inputs: width, outputs: width, kernel, bias: false });
  const weightOf = (params: Tree): Tensor => (params as { readonly weight: Tensor }).weight;
  return { init: layer.init, kernel: weightOf, apply: (params, x) => periodicConv(x, weightOf(params)) };
}
