/** Feed-forward block of narrow networks in a row, each with a residual sum at the width of the stream. */
import { add, fold, mul, relu, silu, type Tensor } from "../../array/index.ts";
import { checkCount } from "../checks.ts";
import { fanInUniform, type Initializer } from "../initializers.ts";
import { type Layer, modeOf } from "../layer.ts";
import { layerNorm, rmsNorm } from "../norm.ts";
import { ffn } from "./dense.ts";
import { gatedFfn } from "./gated.ts";

export interface HourglassOptions {
  /** Extent of the last axis of the input and of the output. */
  readonly width: number;
  /** Extent of the narrow layer of each network; below `width` for an hourglass, though any count works. */
  readonly hidden: number;
  /** How many networks stand in a row. */
  readonly depth: number;
  /** Whether each network has a multiplicative gate; true by default. */
  readonly gated?: boolean;
  /** What normalizes the input of each network; root mean square by default. */
  readonly norm?: "rms" | "layer" | "none";
  /** Function of the gate, or between the two layers where there is none; SiLU with a gate and ReLU without by default. */
  readonly activation?: (x: Tensor) => Tensor;
  /** Whether the linear maps have biases; false by default. */
  readonly bias?: boolean;
  /** How the weights are drawn; as in `linear` by default. Those that write to the stream are divided by `√depth`. */
  readonly init?: Initializer;
}

type Linear = { readonly weight: Tensor; readonly bias?: Tensor };

/**
 * Parameters of `hourglassFfn`, one entry for each network: `gate` (if gated) and `up`, `[width, hidden]`, `down`,
 * `[hidden, width]`, and `norm` unless there is none.
 */
export type HourglassParams = readonly {
  readonly norm?: { readonly scale: Tensor; readonly bias?: Tensor };
  readonly ffn: { readonly gate?: Linear; readonly up: Linear; readonly down: Linear };
}[];

/**
 * Stack of residual networks that are wide at both ends and narrow within: `x_k = x_{k-1} + U_k·φ(D_k·norm_k(x_{k-1}))`
 * for k from 1 to `depth`, or with a gate `U_k·(σ(G_k·n) ⊙ D_k·n)`.
 *
 * It gives what the stack adds to its input, `x_depth - x_0`, so that it stands in a block where other feed-forward
 * layers stand: `residual(hourglassFfn(options))` is the stack. In a block with norms before sublayers the stack is the
 * same function as `depth` narrow feed-forward sublayers, one after the other.
 * `x: [..., width]` gives the same shape; `depth·width·hidden` times 2 weights, 3 with gates.
 * Source: arXiv:2602.06471; the shape is that of arXiv:2510.01796. That each network has a norm and a gate of its own is
 * our reading, hence the options.
 */
export function hourglassFfn(options: HourglassOptions): Layer<HourglassParams> {
  const { width, hidden, depth, gated = true, norm = "rms", bias = false, init = fanInUniform } = options;
  checkCount("hourglassFfn", { width, hidden, depth });
  const shape = { width, hidden, bias, init, activation: options.activation ?? (gated ? silu : relu) };
  const part = (gated ? gatedFfn(shape) : ffn(shape)) as Layer<HourglassParams[number]["ffn"]>;
  const normalize = { rms: rmsNorm, layer: layerNorm, none: () => null }[norm]({ width }) as Layer<{
    scale: Tensor;
  }> | null;
  return {
    init: (key) =>
      Array.from({ length: depth }, (_, k) => {
        const { down, ...inner } = part.init(fold(fold(key, k), "ffn"));
        return {
          ...(normalize ? { norm: normalize.init(fold(fold(key, k), "norm")) } : {}),
          ffn: { ...inner, down: { ...down, weight: mul(down.weight, 1 / Math.sqrt(depth)) } },
        };
      }),
    apply: (params, x, mode) => {
      if (params.length !== depth)
        throw new RangeError(`hourglassFfn: expected parameters of ${depth} networks, got ${params.length}`);
      const branches: Tensor[] = [];
      // The stream is rebuilt from x: what is given back must be the sum of the branches, not a difference of sums.
      let stream = x;
      params.forEach((own, k) => {
        const input = normalize && own.norm ? normalize.apply(own.norm, stream) : stream;
        const branch = part.apply(own.ffn, input, modeOf(mode, k));
        branches.push(branch);
        if (k < depth - 1) stream = add(stream, branch);
      });
      return branches.reduce((total, branch) => add(total, branch));
    },
  };
}
