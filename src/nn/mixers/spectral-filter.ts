/** Mixing of positions by a filter on their spectrum, which may depend on what is filtered. */
import {
  add,
  type Complex,
  fold,
  full,
  gelu,
  irfft,
  type Key,
  mean,
  mul,
  ones,
  reshape,
  rfft,
  slice,
  type Tensor,
} from "../../array/index.ts";
import { checkCount, checkLast } from "../checks.ts";
import { magnitudeActivation, modRelu } from "../complex-activations.ts";
import { type FfnParams, ffn } from "../ffn/dense.ts";
import type { Layer } from "../layer.ts";

/** What `spectralFilterMixer` does to a spectrum after its filter. */
export const spectralActivations = ["identity", "magnitudeGelu", "modRelu"] as const;
export type SpectralActivation = (typeof spectralActivations)[number];

export interface SpectralFilterOptions<A extends boolean = true> {
  /** Extent of the last axis. */
  readonly width: number;
  /** Number of positions: filters have a number for each of their frequencies, so it is fixed. */
  readonly positions: number;
  /** Groups of features that share a filter, a divisor of `width`; 1 by default. */
  readonly heads?: number;
  /** Whether the mean over positions changes the filter; true by default. */
  readonly adaptive?: A;
  /**
   * What follows the filter: `magnitudeGelu` (the default) adds the bias, a real number, and applies GELU to magnitudes;
   * `identity` adds the bias and no more; `modRelu` has the bias as its threshold.
   */
  readonly activation?: SpectralActivation;
}

/**
 * `filter` (ones at first) and `bias` (-0.1): `[frequencies, heads]`. `context`, of adaptive filters: from the mean over
 * positions to what changes the filter, and but for `modRelu` also the bias.
 */
export type SpectralFilterParams<A extends boolean = true> = {
  readonly filter: Tensor;
  readonly bias: Tensor;
} & (A extends true ? { readonly context: FfnParams } : unknown);

/** Biases of new filters. */
const BIAS = -0.1;

/**
 * A filter on frequencies over positions, a real number for each frequency and head:
 * `y = F⁻¹ a(F x ⊙ filter·(1 + s) + bias + t)` with the orthonormal transform F over positions, an activation a of
 * complex values, and `(s, t) = ffn(mean of x over positions)`, both 0 where filters are not adaptive. Every position
 * sees all others, around the ends. `x: [..., positions, width]` gives the same shape. Throws one sentence for another
 * number of positions. Source: Fein-Ashley et al. 2025 (FFTNet), arXiv:2502.18394: with `magnitudeGelu` as in the
 * published code, with `modRelu` as in the abstract, where `a` has the bias and nothing is added.
 */
export function spectralFilterMixer<const A extends boolean = true>(
  options: SpectralFilterOptions<A>,
): Layer<SpectralFilterParams<A>> {
  const { width, positions, heads = 1, activation = "magnitudeGelu" } = options;
  const adaptive = options.adaptive ?? true;
  checkCount("spectralFilterMixer", { width, positions, heads });
  if (width % heads !== 0)
    throw new RangeError(`spectralFilterMixer: heads must divide the width ${width}, got ${heads}`);
  if (!spectralActivations.includes(activation))
    throw new RangeError(
      `spectralFilterMixer: activation is one of ${spectralActivations.join(", ")}, got ${JSON.stringify(activation)}`,
    );
  const frequencies = Math.floor(positions / 2) + 1;
  const changed = activation === "modRelu" ? 1 : 2;
  const context = ffn({ width, hidden: width, outputs: changed * frequencies * heads });

  /** What the mean over positions makes of the filter and the bias: `[..., frequencies, heads]` each. */
  const adapted = (params: SpectralFilterParams<A>, x: Tensor): readonly [filter: Tensor, bias: Tensor] => {
    if (!("context" in params)) return [params.filter, params.bias];
    const outer = x.shape.slice(0, -2);
    const given = context.apply(params.context as FfnParams, mean(x, { axis: -2 }));
    const all = reshape(given, [...outer, changed, frequencies, heads]);
    const part = (i: number): Tensor =>
      reshape(slice(all, { starts: [i], stops: [i + 1], axes: [-3] }), [...outer, frequencies, heads]);
    return [mul(params.filter, add(part(0), 1)), changed === 2 ? add(params.bias, part(1)) : params.bias];
  };

  return {
    init: (key: Key) =>
      ({
        filter: ones([frequencies, heads]),
        bias: full([frequencies, heads], BIAS),
        ...(adaptive ? { context: context.init(fold(key, "context")) } : {}),
      }) as SpectralFilterParams<A>,
    apply: (params, x) => {
      checkLast("spectralFilterMixer", x, width);
      if (x.rank < 2 || x.shape.at(-2) !== positions)
        throw new RangeError(
          `spectralFilterMixer: the filter was made for ${positions} positions, got x of shape [${x.shape.join(", ")}]`,
        );
      const [filter, bias] = adapted(params, x).map((y) => reshape(y, [...y.shape, 1])) as [Tensor, Tensor];
      const scale = 1 / Math.sqrt(positions);
      const spectrum = rfft(mul(x, scale), { axis: -2 });
      const byHead = (y: Tensor): Tensor => reshape(y, [...y.shape.slice(0, -1), heads, width / heads]);
      const filtered: Complex = { re: mul(byHead(spectrum.re), filter), im: mul(byHead(spectrum.im), filter) };
      const acted = activated(filtered, bias, activation);
      const joined = (y: Tensor): Tensor => reshape(y, [...y.shape.slice(0, -2), width]);
      const back = irfft({ re: joined(acted.re), im: joined(acted.im) }, { axis: -2, length: positions });
      return mul(back, 1 / scale);
    },
  };
}

function activated(z: Complex, bias: Tensor, activation: SpectralActivation): Complex {
  if (activation === "modRelu") return modRelu(z, bias);
  const shifted = { re: add(z.re, bias), im: z.im };
  return activation === "identity" ? shifted : magnitudeActivation(shifted, (m) => gelu(m));
}
