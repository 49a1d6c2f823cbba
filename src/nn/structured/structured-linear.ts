/** Affine maps whose matrix is a product of smaller or sparser ones. */
import { add, eye, type Key, type Tensor, type Tree } from "../../array/index.ts";
import { checkLast } from "../checks.ts";
import type { Initializer } from "../initializers.ts";
import type { Layer } from "../layer.ts";
import type { LinearParams } from "../linear.ts";

/**
 * Parameters of a structured affine map: `inner` is applied to the input, `weight` to what comes of it; their shapes
 * depend on the form. `bias: [outputs]` unless it was left out.
 */
export type FactorParams<B extends boolean = true> = LinearParams<B> & { readonly inner: Tensor };

/** What every structured affine map may be told. */
export interface StructuredOptions<B extends boolean = true> {
  /** Extent of the last axis of the input. */
  readonly inputs: number;
  /** Extent of the last axis of the output. */
  readonly outputs: number;
  /** Whether there is a bias; true by default. */
  readonly bias?: B;
  /** How the bias is drawn; uniform in `±1/√inputs` by default. */
  readonly initBias?: Initializer;
}

/** A structured affine map `y = x·W + b`, `x: [..., inputs]` to `[..., outputs]`, with parameters `P`. */
export interface StructuredLinear<B extends boolean = true, P extends Tree = FactorParams<B>> extends Layer<P> {
  readonly inputs: number;
  readonly outputs: number;
  /** `x·W`, without the bias. */
  product(params: P, x: Tensor): Tensor;
  /** The parameters that remain after training. */
  factors(params: P): FactorParams<B>;
}

/** The layer of two factors: how they are drawn, which shapes they have, and how they are applied. */
export function factored<B extends boolean>(
  name: string,
  { inputs, outputs }: Pick<StructuredOptions, "inputs" | "outputs">,
  form: {
    readonly shapes: { readonly inner: readonly number[]; readonly weight: readonly number[] };
    init(key: Key): FactorParams<B>;
    apply(factors: { readonly inner: Tensor; readonly weight: Tensor }, x: Tensor): Tensor;
  },
): StructuredLinear<B> {
  const product = (params: FactorParams<B>, x: Tensor): Tensor => {
    checkLast(name, x, inputs);
    for (const factor of ["inner", "weight"] as const) {
      const [got, wanted] = [params[factor].shape.join(", "), form.shapes[factor].join(", ")];
      if (got !== wanted) throw new RangeError(`${name}: expected ${factor} of shape [${wanted}], got [${got}]`);
    }
    return form.apply(params, x);
  };
  return {
    inputs,
    outputs,
    init: form.init,
    product,
    factors: (params) => params,
    apply: (params, x) => {
      const y = product(params, x);
      return "bias" in params ? add(y, params.bias) : y;
    },
  };
}

/**
 * The parameters of the `linear` layer that computes the same: `weight: [inputs, outputs]` is the product of the
 * factors. One dense product is quicker than two structured ones for a few rows. Equal up to rounding, since there is
 * nothing between the factors.
 * Source: Wei et al. 2024, arXiv:2406.16450, section on pre-merging.
 */
export function mergeFactors<B extends boolean, P extends Tree>(
  layer: StructuredLinear<B, P>,
  params: P,
): LinearParams<B> {
  const factors = layer.factors(params);
  const weight = layer.product(params, eye(layer.inputs, factors.weight.dtype));
  return ("bias" in factors ? { weight, bias: factors.bias } : { weight }) as LinearParams<B>;
}
