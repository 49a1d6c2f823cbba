/** Feed-forward blocks whose two maps are structured. */
import { gelu, type Tensor, type Tree } from "../../array/index.ts";
import { checkCount } from "../checks.ts";
import type { FfnParams } from "../ffn/dense.ts";
import { compose, type Layer, tap } from "../layer.ts";
import { blockDenseLinear } from "./block-dense.ts";
import { blockShuffleLinear } from "./block-shuffle.ts";
import { lowRankLinear } from "./low-rank.ts";
import { type GuidedParams, type SelfGuidedOptions, selfGuided } from "./self-guided.ts";
import { type FactorParams, mergeFactors, type StructuredLinear, type StructuredOptions } from "./structured-linear.ts";

/** A form of structured map with what it is told beside its extents. */
export type Structure =
  | { readonly form: "lowRank"; readonly rank: number }
  | { readonly form: "blockShuffle"; readonly blocks: number }
  | { readonly form: "blockDense"; readonly blocks: number; readonly rank: number };

/** The structured affine map of a form: `lowRankLinear`, `blockShuffleLinear` or `blockDenseLinear`. */
export function structuredLinear<const B extends boolean = true>(
  options: StructuredOptions<B> & Structure,
): StructuredLinear<B> {
  switch (options.form) {
    case "lowRank":
      return lowRankLinear(options);
    case "blockShuffle":
      return blockShuffleLinear(options);
    case "blockDense":
      return blockDenseLinear(options);
  }
}

export type StructuredFfnOptions<B extends boolean = true, G extends Guides = undefined> = Structure & {
  /** Extent of the last axis of the input. */
  readonly width: number;
  /** Extent of the layer between. */
  readonly hidden: number;
  /** Extent of the last axis of the output; `width` by default. */
  readonly outputs?: number;
  /** Function after the first layer; exact GELU by default. */
  readonly activation?: (x: Tensor) => Tensor;
  /** Whether the layers have biases; true by default. */
  readonly bias?: B;
  /** Trains both maps beside dense guides that fade; see `selfGuided`. Without it there are no guides. */
  readonly guided?: G;
};

/** With guides, or without. */
type Guides = SelfGuidedOptions | undefined;

/** Parameters of one map of a structured block; with guides those of `selfGuided`. */
export type StructuredMapParams<B extends boolean, G extends Guides> = G extends SelfGuidedOptions
  ? GuidedParams<FactorParams<B>>
  : FactorParams<B>;

/** Parameters of `structuredFfn`. */
export type StructuredFfnParams<B extends boolean = true, G extends Guides = undefined> = {
  readonly up: StructuredMapParams<B, G>;
  readonly down: StructuredMapParams<B, G>;
};

/** A feed-forward block of structured maps. */
export interface StructuredFfn<B extends boolean = true, G extends Guides = undefined>
  extends Layer<StructuredFfnParams<B, G>> {
  /** The parameters of the `ffn` that computes the same, which is quicker for few rows; see `mergeFactors`. */
  merge(params: StructuredFfnParams<B, G>): FfnParams<B>;
  /** The parameters that remain after training: without guides. */
  factors(params: StructuredFfnParams<B, G>): StructuredFfnParams<B>;
}

/**
 * Feed-forward block `y = down(σ(up(x)))` with structured maps of one form, `x: [..., width]` to `[..., outputs]`.
 * With `hidden = 4·width`, low rank of `width/4` or four blocks leave 5/16 of the weights of a dense block.
 * Source: Wei et al. 2024, arXiv:2406.16450.
 */
export function structuredFfn<const B extends boolean = true, const G extends Guides = undefined>(
  options: StructuredFfnOptions<B, G>,
): StructuredFfn<B, G> {
  const {
    width,
    hidden,
    outputs = width,
    activation = gelu,
    guided,
    ...rest
  } = options as StructuredFfnOptions<B> & {
    readonly guided?: SelfGuidedOptions;
  };
  checkCount("structuredFfn", { width, hidden, outputs });
  const map = (inputs: number, after: number): StructuredLinear<B, Tree> => {
    const layer = structuredLinear({ ...rest, inputs, outputs: after } as StructuredOptions<B> & Structure);
    return guided ? selfGuided(layer, guided) : layer;
  };
  const maps = { up: map(width, hidden), down: map(hidden, outputs) };
  const each = <T>(params: StructuredFfnParams<B, G>, fn: (layer: StructuredLinear<B, Tree>, own: Tree) => T) => ({
    up: fn(maps.up, params.up),
    down: fn(maps.down, params.down),
  });
  return {
    ...(compose(maps, ({ up, down }, x: Tensor, mode) =>
      down(tap(mode, "hidden", activation(tap(mode, "preactivation", up(x))))),
    ) as Layer<StructuredFfnParams<B, G>>),
    merge: (params) => each(params, mergeFactors),
    factors: (params) => each(params, (layer, own) => layer.factors(own)),
  };
}
