/** Networks whose activation is a sine. */
import { add, fold, matmul, mul, sin, type Tensor, type Tree, uniform } from "../../array/index.ts";
import { checkCount, checkLast } from "../checks.ts";
import type { Layer } from "../layer.ts";
import type { LinearParams } from "../linear.ts";

export interface SirenOptions {
  readonly inputs: number;
  readonly outputs: number;
  /** Units of a hidden layer. */
  readonly hidden: number;
  /** Hidden layers. */
  readonly layers: number;
  /** Factor w₀ inside the sine of the first layer; 30 by default. That of the others is 1. */
  readonly frequency?: number;
}

/**
 * Sinusoidal representation network: hidden layers `sin(w₀·(W·x + b))`, then an affine map. Weights are drawn so that sines
 * keep their distribution from layer to layer: uniform in `±1/inputs` in the first, in `±√(6/inputs)` in the others; so are
 * the biases. `x: [..., inputs]` gives `[..., outputs]`.
 * Source: Sitzmann et al. 2020, arXiv:2006.09661.
 */
export function siren({
  inputs,
  outputs,
  hidden,
  layers,
  frequency = 30,
}: SirenOptions): Layer<readonly LinearParams[]> {
  checkCount("siren", { inputs, outputs, hidden, layers });
  const widths = [inputs, ...Array<number>(layers).fill(hidden), outputs];
  return {
    init: (key) =>
      widths.slice(1).map((wide, i) => {
        const fanIn = widths[i] as number;
        const bound = i === 0 ? 1 / fanIn : Math.sqrt(6 / fanIn);
        const draw = (name: string, shape: readonly number[]): Tensor =>
          uniform(fold(fold(key, i), name), shape, { min: -bound, max: bound });
        return { weight: draw("weight", [fanIn, wide]), bias: draw("bias", [wide]) };
      }),
    apply: (params: readonly (Tree & LinearParams)[], x) => {
      checkLast("siren", x, inputs);
      return params.reduce((h, { weight, bias }, i) => {
        const y = add(matmul(h, weight), bias);
        return i === params.length - 1 ? y : sin(i === 0 ? mul(y, frequency) : y);
      }, x);
    },
  };
}
