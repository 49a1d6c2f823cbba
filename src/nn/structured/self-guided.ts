/** Training of a structured map beside a dense one that fades. */
import {
  add,
  cast,
  cond,
  cos,
  eye,
  fold,
  less,
  matmul,
  minimum,
  mul,
  sub,
  type Tensor,
  type Tree,
  uniform,
} from "../../array/index.ts";
import type { StructuredLinear } from "./structured-linear.ts";

/** Parameters of `selfGuided`: those of the structured layer, and the dense `weight: [inputs, outputs]` of its guide. */
export type GuidedParams<P extends Tree> = { readonly factors: P; readonly guide: { readonly weight: Tensor } };

export interface SelfGuidedOptions {
  /** Share of training in which the guide fades, above 0 and at most 1; 0.5 by default. */
  readonly until?: number;
  /** Whether the guide is left out of random steps, the more the further it has faded; true by default. */
  readonly skip?: boolean;
}

/**
 * The weight of the guide: a half cosine from 1 at the start of training to 0 at `until` of it, and 0 after.
 * `progress`: float scalar from 0 to 1.
 */
export const guidance = (progress: Tensor, until: number): Tensor =>
  mul(add(cos(mul(minimum(mul(progress, 1 / until), 1), Math.PI)), 1), 0.5);

/**
 * A structured layer with a dense guide G in training: `y = α·x·G + (1 - α)·x·W + b`, with W the product of the factors
 * and α from `guidance`. G starts as W, so that nothing changes at first, and learns with it. With `skip`, a step leaves
 * G out with probability `1 - α` and gives `x·W + b`; then its product is not computed, nor in the gradient, so that the
 * guide costs half of what it would on average. In inference G is left out, and `factors` are what remains.
 * Training needs a mode with `key` and `progress`; throws one sentence without.
 * Source: Wei et al. 2024, arXiv:2406.16450 (self-guided training).
 */
export function selfGuided<B extends boolean, P extends Tree>(
  layer: StructuredLinear<B, P>,
  { until = 0.5, skip = true }: SelfGuidedOptions = {},
): StructuredLinear<B, GuidedParams<P>> {
  if (!(until > 0 && until <= 1))
    throw new RangeError(`selfGuided: until must be above 0 and at most 1, a share of training, got ${until}`);
  return {
    inputs: layer.inputs,
    outputs: layer.outputs,
    init: (key) => {
      const factors = layer.init(key);
      return { factors, guide: { weight: layer.product(factors, eye(layer.inputs)) } };
    },
    product: ({ factors }, x) => layer.product(factors, x),
    factors: ({ factors }) => layer.factors(factors),
    apply: ({ factors, guide }, x, mode) => {
      if (!mode?.training) return layer.apply(factors, x, mode);
      if (!mode.progress || !mode.key)
        throw new Error(
          `selfGuided: training needs a mode with ${mode.key ? "progress, how far training has come from 0 to 1" : "a key"}`,
        );
      const alpha = guidance(mode.progress, until);
      const structured = layer.product(factors, x);
      const weight = cast(alpha, x.dtype);
      const mixed = (): Tensor => add(mul(matmul(x, guide.weight), weight), mul(structured, sub(1, weight)));
      const y = skip
        ? cond(less(uniform(fold(mode.key, "guide"), []), cast(alpha, "float32")), mixed, () => structured)
        : mixed();
      const { bias } = layer.factors(factors) as { readonly bias?: Tensor };
      return bias ? add(y, bias) : y;
    },
  };
}
