/** Kernels of small support that are defined on the domain, so that they serve any grid. */
import {
  concat,
  conv,
  type DType,
  fold,
  matmul,
  mul,
  normal,
  ones,
  reshape,
  slice,
  sub,
  sum,
  type Tensor,
  type Tree,
  tensor,
  zeros,
} from "../../array/index.ts";
import { checkCount } from "../checks.ts";
import { fanInUniform } from "../initializers.ts";
import type { Layer } from "../layer.ts";
import { filterBasis, type PolarBasis, sampledBasis } from "./filter-basis.ts";
import { checkGrid } from "./modes.ts";

/** `x` with `reach` elements of its other end before and after it, along each axis of the grid. */
export function padPeriodic(x: Tensor, reach: number): Tensor {
  return Array.from({ length: x.rank - 2 }, (_, i) => i + 2).reduce((padded, axis) => {
    const n = padded.shape[axis] as number;
    if (reach > n) throw new RangeError(`padPeriodic: ${reach} elements are more than the ${n} of axis ${axis}`);
    if (reach === 0) return padded;
    const part = (start: number, stop: number) => slice(padded, { starts: [start], stops: [stop], axes: [axis] });
    return concat([part(n - reach, n), padded, part(0, reach)], { axis });
  }, x);
}

/** A layer that is a periodic convolution on each grid. */
export interface LocalLayer<P extends Tree> extends Layer<P> {
  /** Its kernel on a grid of n points along each axis, `[outputs, inputs, ...extents]`, odd extents. */
  kernel(params: P, n: number): Tensor;
}

function localLayer<P extends Tree>(
  name: string,
  inputs: number,
  dimensions: number,
  { init, kernel }: Pick<LocalLayer<P>, "init" | "kernel">,
): LocalLayer<P> {
  return {
    init,
    kernel,
    apply: (params, x) => {
      checkGrid(name, x, inputs, dimensions);
      return periodicConv(x, kernel(params, squareSize(name, x)));
    },
  };
}

/** Convolution without ends: `y_p = Σ_k w_k·x_(p + k)`, `w: [outputs, inputs, ...extents]` with odd extents, all the same. */
export const periodicConv = (x: Tensor, w: Tensor): Tensor => conv(padPeriodic(x, (w.shape[2] as number) >> 1), w);

export interface FiniteDifferenceOptions {
  /** Channels of the input. */
  readonly inputs: number;
  /** Channels of the output. */
  readonly outputs: number;
  /** Axes of the grid, 1 or 2. */
  readonly dimensions: 1 | 2;
  /** Extent of the kernel along each axis, odd; 3 by default. */
  readonly kernel?: number;
  /** Points along each axis of the grid whose spacing counts as 1, usually that of the training data. */
  readonly size: number;
}

/** Parameters of `finiteDifferenceConvolution`: `weight: [outputs, inputs, ...kernel]`. */
export type FiniteDifferenceParams = { readonly weight: Tensor };

/**
 * Differential layer: `y = 1/h·Σ_k K_k·(x_(p + k) - x_p)` on a periodic grid, the convolution with a kernel less its sum
 * at the centre, over the spacing `h = size/n` of the grid. Constants give 0, and as the grid is refined it becomes the
 * derivative `Σ_k K_k·k · ∇x`. `x: [batch, inputs, ...grid]` gives `[batch, outputs, ...grid]`, where all axes of the grid
 * have n points.
 * Source: Liu-Schiaffini et al. 2024, arXiv:2402.16845, section 4.1.
 */
export function finiteDifferenceConvolution({
  inputs,
  outputs,
  dimensions,
  kernel = 3,
  size,
}: FiniteDifferenceOptions): LocalLayer<FiniteDifferenceParams> {
  checkCount("finiteDifferenceConvolution", { inputs, outputs, kernel, size });
  if (kernel % 2 === 0 || kernel < 3)
    throw new RangeError(`finiteDifferenceConvolution: kernel must be odd and at least 3, got ${kernel}`);
  const taps = kernel ** dimensions;
  const shape = [outputs, inputs, ...Array<number>(dimensions).fill(kernel)];
  return localLayer("finiteDifferenceConvolution", inputs, dimensions, {
    init: (key) => ({
      weight: fanInUniform(fold(key, "weight"), shape, { fanIn: inputs * taps, fanOut: outputs * taps }),
    }),
    kernel: ({ weight }, n) => {
      const ring = zeros([taps >> 1], weight.dtype);
      const centre = reshape(concat([ring, ones([1], weight.dtype), ring]), [1, 1, ...shape.slice(2)]);
      const total = sum(weight, { axis: shape.map((_, axis) => axis).slice(2), keepDims: true });
      return mul(sub(weight, mul(total, centre)), n / size);
    },
  });
}

export interface LocalIntegralOptions {
  /** Channels of the input. */
  readonly inputs: number;
  /** Channels of the output. */
  readonly outputs: number;
  /** Radius of the kernel, as a share of the extent of the domain. */
  readonly radius: number;
  /** Functions that the kernel is made of; 2 rings of 4 directions, which are 4 functions, by default. */
  readonly basis?: PolarBasis;
}

/** Parameters of `localIntegral`: factors of the functions of the basis, `weight: [outputs, inputs, functions]`. */
export type LocalIntegralParams = { readonly weight: Tensor };

/**
 * Local integral layer, the discrete-continuous convolution on a periodic plane: `y(p) = ∫ κ(q - p)·x(q) dq` over
 * `|q - p| ≤ radius`, with `κ = Σ_b θ_b ψ_b` and fixed functions ψ_b of unit integral. Each grid samples the same kernel.
 * `x: [batch, inputs, n, n]` gives `[batch, outputs, n, n]`. Throws where the radius is below one cell of the grid.
 * Sources: Liu-Schiaffini et al. 2024, arXiv:2402.16845, section 4.2; Ocampo et al. 2022, arXiv:2209.13603.
 */
export function localIntegral({
  inputs,
  outputs,
  radius,
  basis = { rings: 2, directions: 4 },
}: LocalIntegralOptions): LocalLayer<LocalIntegralParams> {
  checkCount("localIntegral", { inputs, outputs });
  if (!(radius > 0 && radius < 0.5))
    throw new RangeError(`localIntegral: radius must be above 0 and below half of the domain, got ${radius}`);
  const functions = filterBasis(basis);
  const known = new Map<string, Tensor>();
  const samples = (n: number, dtype: DType): Tensor => {
    const key = `${n} ${dtype}`;
    const { values, extent } = sampledBasis(functions, radius, n);
    const found =
      known.get(key) ??
      tensor(dtype === "float64" ? values : Float32Array.from(values), {
        shape: [functions.length, extent ** 2],
        dtype,
      });
    known.set(key, found);
    return found;
  };
  return localLayer("localIntegral", inputs, 2, {
    init: (key) => ({
      weight: normal(fold(key, "weight"), [outputs, inputs, functions.length], { std: 1 / Math.sqrt(inputs) }),
    }),
    kernel: ({ weight }, n) => {
      const table = samples(n, weight.dtype);
      const extent = Math.sqrt(table.shape[1] as number);
      const kernel = matmul(reshape(weight, [outputs * inputs, functions.length]), table);
      return reshape(kernel, [outputs, inputs, extent, extent]);
    },
  });
}

/** Points along an axis of a grid that has as many along each. */
export function squareSize(layer: string, x: Tensor): number {
  const [n, ...others] = x.shape.slice(2) as [number, ...number[]];
  if (others.every((other) => other === n)) return n;
  throw new RangeError(`${layer}: expected as many points along each axis of the grid, got [${x.shape.join(", ")}]`);
}
