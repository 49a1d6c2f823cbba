/** Kernels of small support that are defined on the domain, so that they serve any grid. */
import {
  add,
  concat,
  conv,
  type DType,
  fold,
  matmul,
  mul,
  normal,
  reshape,
  slice,
  sub,
  sum,
  type Tensor,
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
}: FiniteDifferenceOptions): Layer<FiniteDifferenceParams> {
  checkCount("finiteDifferenceConvolution", { inputs, outputs, kernel, size });
  if (kernel % 2 === 0 || kernel < 3)
    throw new RangeError(`finiteDifferenceConvolution: kernel must be odd and at least 3, got ${kernel}`);
  const taps = kernel ** dimensions;
  const shape = [outputs, inputs, ...Array<number>(dimensions).fill(kernel)];
  return {
    init: (key) => ({
      weight: fanInUniform(fold(key, "weight"), shape, { fanIn: inputs * taps, fanOut: outputs * taps }),
    }),
    apply: ({ weight }, x) => {
      checkGrid("finiteDifferenceConvolution", x, inputs, dimensions);
      const n = squareSize("finiteDifferenceConvolution", x);
      const centre = concat([
        zeros([taps >> 1], x.dtype),
        tensor([1], { dtype: x.dtype }),
        zeros([taps >> 1], x.dtype),
      ]);
      const total = sum(weight, { axis: shape.map((_, axis) => axis).slice(2), keepDims: true });
      const differences = sub(weight, mul(total, reshape(centre, [1, 1, ...shape.slice(2)])));
      return conv(padPeriodic(x, kernel >> 1), mul(differences, n / size));
    },
  };
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

/** Parameters of `localIntegral`: a factor for each function of the basis, and a bias `[outputs]`. */
export type LocalIntegralParams = {
  /** `[outputs, inputs, functions]` */
  readonly weight: Tensor;
  readonly bias: Tensor;
};

/**
 * Local integral layer, the discrete-continuous convolution on a periodic plane: `y(p) = ∫ κ(q - p)·x(q) dq + bias` over
 * `|q - p| ≤ radius`, with `κ = Σ_b θ_b ψ_b` and fixed functions ψ_b of unit integral. Each grid samples the same kernel.
 * `x: [batch, inputs, n, n]` gives `[batch, outputs, n, n]`. Throws where the radius is below one cell of the grid.
 * Sources: Liu-Schiaffini et al. 2024, arXiv:2402.16845, section 4.2; Ocampo et al. 2022, arXiv:2209.13603.
 */
export function localIntegral({
  inputs,
  outputs,
  radius,
  basis = { rings: 2, directions: 4 },
}: LocalIntegralOptions): Layer<LocalIntegralParams> {
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
  return {
    init: (key) => ({
      weight: normal(fold(key, "weight"), [outputs, inputs, functions.length], { std: 1 / Math.sqrt(inputs) }),
      bias: zeros([outputs]),
    }),
    apply: ({ weight, bias }, x) => {
      checkGrid("localIntegral", x, inputs, 2);
      const table = samples(squareSize("localIntegral", x), x.dtype);
      const extent = Math.sqrt(table.shape[1] as number);
      const kernel = reshape(matmul(reshape(weight, [outputs * inputs, functions.length]), table), [
        outputs,
        inputs,
        extent,
        extent,
      ]);
      return add(conv(padPeriodic(x, extent >> 1), kernel), reshape(bias, [outputs, 1, 1]));
    },
  };
}

/** Points along an axis of a grid that has as many along each. */
function squareSize(layer: string, x: Tensor): number {
  const [n, ...others] = x.shape.slice(2) as [number, ...number[]];
  if (others.every((other) => other === n)) return n;
  throw new RangeError(`${layer}: expected as many points along each axis of the grid, got [${x.shape.join(", ")}]`);
}
