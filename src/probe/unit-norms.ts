/** How much hidden units give: the norms of what each adds to the stream of vectors. */
import { add, cast, greaterEqual, matmul, reshape, slice, sum, type Tensor, topK } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { type Decoder, type DecoderParams, type FfnPlace, ffnParams, ffnPlaces } from "../models/index.ts";
import { type OverTextOptions, totalOverText, windowsOf } from "./record.ts";
import { subUpdateContribution } from "./vocabulary.ts";

export interface UnitNormOptions extends OverTextOptions {
  /** Share of the units of a token that count as its heaviest; 0.1 by default. */
  readonly top?: number;
  /** Whether to sum the products of what maps read, too; false by default. */
  readonly products?: boolean;
}

/** Norms of the units of one layer over a text. */
export interface UnitNorms {
  readonly place: FfnPlace;
  readonly tokens: number;
  /** Mean over tokens of `|h_i|·|D_i|`: `[units]`. */
  readonly mean: Float64Array;
  /** Share of the tokens for which the unit is among the heaviest: `[units]`. */
  readonly frequency: Float64Array;
  /** Mean of `xᵀx` of the layer's inputs and of `hᵀh` of its hidden units, row by row, if they were asked for. */
  readonly products?: { readonly inputs: Float64Array; readonly units: Float64Array };
}

/**
 * What the hidden units of dense and gated layers give on a text: unit i adds `h_i·D_i` to the stream, with the row `D_i`
 * of the map out of the units, so its norm is `|h_i|·|D_i|`. A mean may come from few tokens; the frequency says how many.
 * Throws one sentence for a text without tokens, or a share outside of 0 to 1.
 * Source: Liu et al. 2024 (FFSplit), arXiv:2401.04044.
 */
export async function unitOutputNorms(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  { top = 0.1, products = false, ...options }: UnitNormOptions = {},
): Promise<readonly UnitNorms[]> {
  if (!(top > 0 && top <= 1)) throw new RangeError(`unitOutputNorms: top must be above 0 and at most 1, got ${top}`);
  if (text.length < 2) throw new RangeError("unitOutputNorms: the text has no tokens to measure on");
  const { tokens } = windowsOf(model, text, options);
  const places = ffnPlaces(model.config).filter(({ ffn }) => ffn.kind === "dense" || ffn.kind === "gated");
  const norms: UnitNorms[] = [];
  // Layer by layer: products of units are large.
  for (const place of places) {
    const { down } = ffnParams(params, place) as { readonly down: { readonly weight: Tensor } };
    const names = [`${place.path}.hidden`, `${place.path}.input`];
    const rowsOf = (x: Tensor): Tensor => reshape(x, [-1, x.shape.at(-1) as number]);
    const gram = (x: Tensor): Tensor => cast(matmul(x, x, { transposeA: true }), "float64");
    const totals = await totalOverText(
      model,
      params,
      text,
      names,
      ({ activations: seen }) => {
        const [hidden, inputs] = names.map((name) => rowsOf(seen[name] as Tensor)) as [Tensor, Tensor];
        const each = subUpdateContribution(hidden, down.weight);
        const units = each.shape[1] as number;
        const count = Math.max(1, Math.round(top * units));
        const least = slice(topK(each, count).values, { starts: [count - 1], stops: [count], axes: [-1] });
        // A unit that gives nothing is not among the heaviest even where fewer than that give something.
        const heavy = cast(greaterEqual(each, add(least, 1e-30)), "float64");
        return {
          mean: sum(cast(each, "float64"), { axis: 0 }),
          frequency: sum(heavy, { axis: 0 }),
          ...(products ? { inputs: gram(inputs), units: gram(hidden) } : {}),
        };
      },
      options,
    );
    const mean = (x: Tensor): Float64Array => Float64Array.from(Array.from(x.data, Number), (value) => value / tokens);
    norms.push({
      place,
      tokens,
      mean: mean(totals.mean),
      frequency: mean(totals.frequency),
      ...(totals.inputs && totals.units
        ? { products: { inputs: mean(totals.inputs), units: mean(totals.units) } }
        : {}),
    });
  }
  return norms;
}

/** Units by falling score, equal ones in order. */
export const heaviestFirst = (scores: ArrayLike<number>): Int32Array =>
  Int32Array.from(
    Array.from(scores, (_, unit) => unit).sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b),
  );

/** What the heaviest share of the units gives, of the sum over all. */
export function shareOfHeaviest(scores: ArrayLike<number>, share: number): number {
  const order = heaviestFirst(scores);
  const kept = order.subarray(0, Math.round(share * order.length));
  const sumOf = (units: Iterable<number>) => {
    let total = 0;
    for (const unit of units) total += scores[unit] as number;
    return total;
  };
  return sumOf(kept) / sumOf(order);
}

/** Likeness of two sets: members of both over members of either, 0 to 1. Source: Jaccard 1912. */
export function jaccard(a: Iterable<number>, b: Iterable<number>): number {
  const [one, other] = [new Set(a), new Set(b)];
  const common = [...one].filter((x) => other.has(x)).length;
  return common / (one.size + other.size - common);
}
