/** FFSplit: the hidden units that give most stay as they are, the others are compressed. */
import { evaluate, slice, type Tensor, type Tree, take, tensor } from "../array/index.ts";
import { permutation, type TokenFile } from "../data/index.ts";
import { decoder, type FfnConfig } from "../models/index.ts";
import type { SplitFfnParams, SplitInward } from "../nn/index.ts";
import { heaviestFirst, shareOfHeaviest, type UnitNorms, unitOutputNorms } from "../probe/index.ts";
import type { BlockParams } from "./experts.ts";
import { nearestLowRank } from "./low-rank.ts";
import { below, beside, columnsOf, rowsOf, submatrix } from "./matrices.ts";
import { type ConfiguredDecoder, replaceFfns } from "./replace.ts";

/** Which units are kept whole: those that give most, or as controls those that give least and any. */
export const selectKinds = ["heaviest", "random", "lightest"] as const;
/** What "most" means: by the mean of the norm, or by how often a unit is among the heaviest tenth. */
export const scoreKinds = ["mean", "frequency"] as const;

export interface RankOptions {
  /** Share of the units that are kept whole, 0 to 1. */
  readonly kept: number;
  readonly select?: (typeof selectKinds)[number];
  readonly score?: (typeof scoreKinds)[number];
  /** Seed of a random choice. */
  readonly seed?: number;
}

/** Units of a layer in the order in which they will stand, and how many of them are kept. */
interface Ranked {
  readonly order: Int32Array;
  readonly kept: number;
}

/** Orders units by what `unitOutputNorms` found. Throws one sentence for a share outside of 0 to 1. */
export function rankUnits(
  { mean, frequency, place }: UnitNorms,
  { kept, select = "heaviest", score = "mean", seed = 0 }: RankOptions,
): Ranked {
  if (!(kept >= 0 && kept <= 1)) throw new RangeError(`ffsplit: kept must be a share from 0 to 1, got ${kept}`);
  const scores = score === "mean" ? mean : frequency;
  const heavy = heaviestFirst(scores);
  const order =
    select === "heaviest"
      ? heavy
      : select === "lightest"
        ? heavy.toReversed()
        : Int32Array.from(permutation(heavy.length, seed, place.block));
  return { order, kept: Math.round(kept * heavy.length) };
}

/** The same block with its units in another order, which changes nothing that it computes. */
export function permuteUnits({ up, gate, down }: BlockParams, order: Int32Array): BlockParams {
  const places = tensor(order);
  const inward = ({ weight, bias }: BlockParams["up"]) => ({
    weight: take(weight, places, { axis: 1 }),
    ...(bias ? { bias: take(bias, places) } : {}),
  });
  return {
    up: inward(up),
    ...(gate ? { gate: inward(gate) } : {}),
    down: { ...down, weight: take(down.weight, places) },
  };
}

/** The rank with which a split layer has this share of a dense one's weights, biases aside; at most the full one. */
export function rankForBudget(
  { width, hidden, kept }: { readonly width: number; readonly hidden: number; readonly kept: number },
  budget: number,
): number {
  const [rest, all] = [hidden - kept, width * hidden];
  const rank = Math.floor((budget * all - width * kept) / (width + rest));
  if (!(rank >= 1))
    throw new RangeError(
      `ffsplit: ${kept} of ${hidden} whole units alone hold ${((100 * kept) / hidden).toFixed(1)} % of the weights, which leaves nothing for the others of a budget of ${(100 * budget).toFixed(1)} %; keep fewer or raise the budget`,
    );
  return Math.min(rank, width, rest);
}

/** A layer that can be split. */
type Known = Extract<FfnConfig, { readonly kind: "dense" | "gated" }>;

/**
 * Splits every dense or gated layer: its chosen units stay whole and stand first, the maps of the others become products
 * of the largest rank, which changes nothing yet; `withRank` cuts it. With `aware`, factors are those that lose least on
 * what the layers read, of which `norms` must hold the products. All units kept: the layer with its units in order.
 * Source: Liu et al. 2024, arXiv:2401.04044; the factors by inputs are not from there.
 */
export async function splitFfns(
  model: ConfiguredDecoder,
  norms: readonly UnitNorms[],
  options: RankOptions & { readonly aware?: boolean },
): Promise<ConfiguredDecoder> {
  const params = await evaluate(model.params);
  const made = replaceFfns({ ...model, params }, ({ ffn, params: own }, place) => {
    const found = normsAt(norms, place);
    if (!found || (ffn.kind !== "dense" && ffn.kind !== "gated")) return null;
    return splitLayer(ffn, own as BlockParams, found, options);
  });
  return { config: decoder(made.config).config, params: await evaluate(made.params) };
}

/** What is known of the layer at a place. */
export const normsAt = (norms: readonly UnitNorms[], place: string): UnitNorms | undefined =>
  norms.find(({ place: { block, name } }) => place === `blocks[${block}].${name}`);

function splitLayer(
  ffn: Known,
  block: BlockParams,
  norms: UnitNorms,
  options: RankOptions & { readonly aware?: boolean },
): { readonly ffn: FfnConfig; readonly params: Tree } {
  const { order, kept } = rankUnits(norms, options);
  const { hidden, activation, bias } = ffn as Required<Known>;
  if (kept === hidden) return { ffn, params: permuteUnits(block, order) };
  if (options.aware && !norms.products) throw new Error("ffsplit: norms without products cannot tell what layers read");
  const products = options.aware ? norms.products : undefined;
  const [first, others] = [order.subarray(0, kept), order.subarray(kept)];
  const width = block.up.weight.shape[0] as number;
  const rank = Math.min(width, others.length);
  const inward = ({ weight, bias: shift }: BlockParams["up"]): SplitInward => {
    const { inner, weight: expand } = nearestLowRank(columnsOf(weight, others), rank, products?.inputs);
    const whole = columnsOf(weight, first);
    return {
      inward: kept === 0 ? inner : beside(whole, inner),
      expand,
      ...(shift
        ? {
            bias: tensor(
              Float32Array.from(order, (u) => Number(shift.data[u])),
              { shape: [hidden] },
            ),
          }
        : {}),
    };
  };
  const { inner: contract, weight: out } = nearestLowRank(
    rowsOf(block.down.weight, others),
    rank,
    products && submatrix(products.units, hidden, others),
  );
  const outward = kept === 0 ? out : below(rowsOf(block.down.weight, first), out);
  const split: SplitFfnParams = {
    up: inward(block.up),
    ...(block.gate ? { gate: inward(block.gate) } : {}),
    down: { contract, outward, ...(block.down.bias ? { bias: block.down.bias } : {}) },
  };
  const gated = ffn.kind === "gated";
  return { ffn: { kind: "split", hidden, kept, rank, activation, gated, bias }, params: split };
}

/**
 * The same split model with maps of at most this rank: the first factors of each. `rank` may depend on the layer, as a
 * budget does (`rankForBudget`).
 */
export async function withRank(
  model: ConfiguredDecoder,
  rankOf: (layer: { readonly width: number; readonly hidden: number; readonly kept: number }) => number,
): Promise<ConfiguredDecoder> {
  const { width } = model.config;
  const cut = replaceFfns(model, ({ ffn, params }) => {
    if (ffn.kind !== "split") return null;
    const { hidden, kept } = ffn;
    const rank = Math.min(ffn.rank, rankOf({ width, hidden, kept }));
    const { up, gate, down } = params as SplitFfnParams;
    const first = (x: Tensor, count: number, axis: 0 | 1) => slice(x, { starts: [0], stops: [count], axes: [axis] });
    const inward = (map: SplitInward): SplitInward => ({
      ...map,
      inward: first(map.inward, kept + rank, 1),
      expand: first(map.expand, rank, 0),
    });
    const shorter: SplitFfnParams = {
      up: inward(up),
      ...(gate ? { gate: inward(gate) } : {}),
      down: { ...down, contract: first(down.contract, rank, 1), outward: first(down.outward, kept + rank, 0) },
    };
    return { ffn: { ...ffn, rank }, params: shorter as Tree };
  });
  return { config: cut.config, params: await evaluate(cut.params) };
}

/** What is known of a layer's units, for records. */
export const heavyFigures = (norms: readonly UnitNorms[], kept: number) =>
  norms.map(({ place, mean, frequency }) => ({
    layer: place.path,
    units: mean.length,
    /** What the kept share of the units gives of the summed norms, by either score. */
    shareByMean: shareOfHeaviest(mean, kept),
    shareByFrequency: shareOfHeaviest(frequency, kept),
  }));

/** Measures the units of a model on text; see `unitOutputNorms`. */
export const measureUnits = (
  model: ConfiguredDecoder,
  text: TokenFile,
  options: Parameters<typeof unitOutputNorms>[3],
): Promise<readonly UnitNorms[]> => unitOutputNorms(decoder(model.config), model.params, text, options);
