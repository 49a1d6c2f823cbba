/** Dense feed-forward blocks of any number of layers. */
import { gelu, type Tensor } from "../../array/index.ts";
import type { Initializer } from "../initializers.ts";
import { compose, type Layer, tap, tapsUnder } from "../layer.ts";
import { type LinearParams, linear } from "../linear.ts";

export interface FfnOptions<B extends boolean = true> {
  /** Extent of the last axis of the input. */
  readonly width: number;
  /** Extent of the layer, or the layers, between. */
  readonly hidden: number;
  /** Extent of the last axis of the output; `width` by default. */
  readonly outputs?: number;
  /** Function after each layer but the last; exact GELU by default. */
  readonly activation?: (x: Tensor) => Tensor;
  /** Whether the layers have biases; true by default. */
  readonly bias?: B;
  /** How the weights are drawn; as in `linear` by default. */
  readonly init?: Initializer;
}

/** Parameters of `ffn`. */
export type FfnParams<B extends boolean = true> = { readonly up: LinearParams<B>; readonly down: LinearParams<B> };

/**
 * Feed-forward block: `y = σ(x·U + a)·D + b`.
 * `x: [..., width]` gives `[..., outputs]`; U: `[width, hidden]`, a: `[hidden]`, D: `[hidden, outputs]`, b: `[outputs]`.
 * Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.3 (there σ is ReLU).
 */
export const ffn = <const B extends boolean = true>(options: FfnOptions<B>): Layer<FfnParams<B>> =>
  layersInRow(["up", "down"], options) as Layer<FfnParams<B>>;

/** Parameters of `threeLayerFfn`. */
export type ThreeLayerFfnParams<B extends boolean = true> = FfnParams<B> & { readonly middle: LinearParams<B> };

/**
 * Feed-forward block with a second hidden layer: `y = σ(σ(x·U + a)·M + c)·D + b`.
 * `x: [..., width]` gives `[..., outputs]`; U: `[width, hidden]`, M: `[hidden, hidden]`, D: `[hidden, outputs]`, and
 * biases a, c: `[hidden]`, b: `[outputs]`.
 * Source: Gerber 2025, arXiv:2505.06633, there with `hidden = 4·width`.
 */
export const threeLayerFfn = <const B extends boolean = true>(options: FfnOptions<B>): Layer<ThreeLayerFfnParams<B>> =>
  layersInRow(["up", "middle", "down"], options) as Layer<ThreeLayerFfnParams<B>>;

/** Parameters of `deepFfn`: `middle`, `middle2`, … as many as there are layers above two. */
export type DeepFfnParams<B extends boolean = true> = FfnParams<B> & { readonly [middle: string]: LinearParams<B> };

export interface DeepFfnOptions<B extends boolean = true> extends FfnOptions<B> {
  /** Number of linear layers, at least 2. */
  readonly layers: number;
}

/**
 * Feed-forward block of `layers` linear layers: `ffn` for 2, `threeLayerFfn` for 3, and `layers - 2` maps from `hidden`
 * to `hidden` between the first and the last in general. `x: [..., width]` gives `[..., outputs]`. There is no residual
 * sum within, so what passes through many layers depends on `init`. Throws for fewer than two.
 */
export function deepFfn<const B extends boolean = true>({
  layers,
  ...options
}: DeepFfnOptions<B>): Layer<DeepFfnParams<B>> {
  if (!Number.isInteger(layers) || layers < 2)
    throw new RangeError(
      `deepFfn: layers must be a whole number of at least 2, got ${layers}; oneLayerFfn is the block of one layer, and a block of none is left out`,
    );
  const middle = Array.from({ length: layers - 2 }, (_, i) => (i === 0 ? "middle" : `middle${i + 1}`));
  return layersInRow(["up", ...middle, "down"], options) as Layer<DeepFfnParams<B>>;
}

/** Parameters of `oneLayerFfn`. */
export type OneLayerFfnParams<B extends boolean = true> = { readonly down: LinearParams<B> };

/**
 * Feed-forward block of one layer with its activation: `y = σ(x·D + b)`.
 * `x: [..., width]` gives `[..., outputs]`; D: `[width, outputs]`, b: `[outputs]`.
 * Source: Gerber 2025, arXiv:2505.06633.
 */
export function oneLayerFfn<const B extends boolean = true>(
  options: Omit<FfnOptions<B>, "hidden">,
): Layer<OneLayerFfnParams<B>> {
  const { width, outputs = width, activation = gelu, ...rest } = options;
  return compose({ down: linear({ inputs: width, outputs, ...rest }) }, ({ down }, x: Tensor, mode) =>
    activation(tap(mode, "preactivation", down(x))),
  ) as Layer<OneLayerFfnParams<B>>;
}

/** Linear layers under these names, the activation between them. */
function layersInRow(names: readonly string[], options: FfnOptions<boolean>): Layer<DeepFfnParams<boolean>> {
  const { width, hidden, outputs = width, activation = gelu, ...rest } = options;
  const layers = names.map((name, i) => {
    const [inputs, after] = [i === 0 ? width : hidden, i === names.length - 1 ? outputs : hidden];
    return [name, linear({ inputs, outputs: after, ...rest })] as const;
  });
  return compose(Object.fromEntries(layers), (parts, x: Tensor, mode) =>
    names.reduce((h, name, i) => {
      const part = parts[name] as (x: Tensor) => Tensor;
      if (i === 0) return part(h);
      // Units are named after their layer, except those that the last map reads: these have short names in all blocks.
      const at = i === names.length - 1 ? mode : tapsUnder(mode, names[i - 1] as string);
      return part(tap(at, "hidden", activation(tap(at, "preactivation", h))));
    }, x),
  ) as Layer<DeepFfnParams<boolean>>;
}
