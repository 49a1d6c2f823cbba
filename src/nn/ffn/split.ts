/** A feed-forward block of which some hidden units are whole and the rest shares maps of low rank. */
import { add, concat, fold, matmul, mul, reshape, split, type Tensor, zeros } from "../../array/index.ts";
import { checkCount, checkLast } from "../checks.ts";
import { fanInUniform, type Initializer } from "../initializers.ts";
import type { Layer } from "../layer.ts";

export interface SplitFfnOptions {
  /** Extent of the last axis of input and output. */
  readonly width: number;
  /** Hidden units in all. */
  readonly hidden: number;
  /** Units that are whole; they stand first. From 0 to below `hidden`. */
  readonly kept: number;
  /** Rank of the maps into and out of the other units. */
  readonly rank: number;
  /** Function of the hidden units, or of their gates. */
  readonly activation: (x: Tensor) => Tensor;
  /** Whether hidden units are gated; false by default. */
  readonly gated?: boolean;
  /** Whether units and outputs have biases; true by default. */
  readonly bias?: boolean;
  /** How weights are drawn; as in `linear` by default. */
  readonly init?: Initializer;
}

/** A map into the hidden units. */
export type SplitInward = {
  /** `[width, kept + rank]`: to the whole units, and to the middle of the others. */
  readonly inward: Tensor;
  /** `[rank, hidden - kept]` */
  readonly expand: Tensor;
  /** `[hidden]` */
  readonly bias?: Tensor;
};

export type SplitFfnParams = {
  readonly up: SplitInward;
  readonly gate?: SplitInward;
  readonly down: {
    /** `[hidden - kept, rank]` */
    readonly contract: Tensor;
    /** `[kept + rank, width]` */
    readonly outward: Tensor;
    /** `[width]` */
    readonly bias?: Tensor;
  };
};

/**
 * `y = [σ(x·I₁ + b₁), σ(x·I₂·E + b₂)·C]·O + c`, with `[I₁, I₂]: [width, kept + rank]`, `E: [rank, rest]`,
 * `C: [rest, rank]`, `O: [kept + rank, width]`: a block whose first units are whole, and whose others read and write
 * through few numbers. The whole units share a product with the thin factors, so that there are four products and not
 * six. With a gate, σ of the gate's units times those of the value, each with maps of their own.
 * `x: [..., width]` gives the same shape. Source: Liu et al. 2024 (FFSplit), arXiv:2401.04044.
 */
export function splitFfn(options: SplitFfnOptions): Layer<SplitFfnParams> {
  const { width, hidden, kept, rank, activation, gated = false, bias = true, init = fanInUniform } = options;
  checkCount("splitFfn", { width, hidden, rank });
  if (!Number.isInteger(kept) || kept < 0 || kept >= hidden)
    throw new RangeError(`splitFfn: kept must be a whole number from 0 to below the ${hidden} units, got ${kept}`);
  const rest = hidden - kept;
  if (rank > Math.min(width, rest))
    throw new RangeError(
      `splitFfn: rank must be at most ${Math.min(width, rest)} for ${rest} units and width ${width}, got ${rank}`,
    );
  const parts = (x: Tensor, sizes: readonly [number, number]): readonly [Tensor | null, Tensor] => {
    if (kept === 0) return [null, x];
    return split(x, { axis: -1, sizes }) as [Tensor, Tensor];
  };
  /** Whole units and others before their activation. */
  const into = ({ inward, expand, bias: shift }: SplitInward, x: Tensor): readonly [Tensor | null, Tensor] => {
    const [whole, middle] = parts(matmul(x, inward), [kept, rank]);
    const others = matmul(middle, expand);
    if (!shift) return [whole, others];
    const [first, second] = parts(shift, [kept, rest]);
    return [whole && first ? add(whole, first) : null, add(others, second)];
  };
  return {
    init: (key) => {
      const draw = (name: string, shape: readonly [number, number]): Tensor =>
        init(fold(key, name), shape, { fanIn: shape[0], fanOut: shape[1] });
      const inward = (name: string): SplitInward => ({
        inward: draw(`${name}.inward`, [width, kept + rank]),
        expand: draw(`${name}.expand`, [rank, rest]),
        ...(bias ? { bias: zeros([hidden]) } : {}),
      });
      return {
        up: inward("up"),
        ...(gated ? { gate: inward("gate") } : {}),
        down: {
          contract: draw("down.contract", [rest, rank]),
          outward: draw("down.outward", [kept + rank, width]),
          ...(bias ? { bias: zeros([width]) } : {}),
        },
      };
    },
    apply: ({ up, gate, down }, x) => {
      checkLast("splitFfn", x, width);
      const rows = reshape(x, [-1, width]);
      const values = into(up, rows);
      const gates = gate ? into(gate, rows) : null;
      const unit = (i: 0 | 1): Tensor =>
        gates ? mul(activation(gates[i] as Tensor), values[i] as Tensor) : activation(values[i] as Tensor);
      const thin = matmul(unit(1), down.contract);
      const y = matmul(kept === 0 ? thin : concat([unit(0), thin], { axis: -1 }), down.outward);
      return reshape(down.bias ? add(y, down.bias) : y, x.shape);
    },
  };
}
