/** How layers of experts route, and what their routing costs in accuracy. */
import { argMax, cast, equal, expandDims, sum, type Tensor, type Tree } from "../array/index.ts";
import type { RoutedLayer } from "../nn/index.ts";
import { type GraphImages, indexRange, totalOver } from "../train/index.ts";

/** Counts over the rows of a batch; all have the axes of the members of an ensemble first. */
export type RoutedHits = {
  /** Rows that the mixture of all experts classifies correctly: `[...]`. */
  readonly soft: Tensor;
  /** Rows that their chosen expert classifies correctly, which is what inference does: `[...]`. */
  readonly hard: Tensor;
  /** Rows that chose each expert: `[..., experts]`. */
  readonly used: Tensor;
};

/**
 * Hits of a routed classifier under its mixture and under its hard choice, and the use of its experts.
 * `x: [..., batch, width]`, `labels: int32 [batch]`. All experts are computed once for both figures.
 */
export function routedHits<P extends Tree>(layer: RoutedLayer<P>, params: P, x: Tensor, labels: Tensor): RoutedHits {
  const { probabilities, chosen } = layer.route(params, x);
  const wanted = cast(labels, "int64");
  const hits = (weights: Tensor): Tensor => {
    const predicted = argMax(layer.mix(params, x, weights), { axis: -1 });
    return sum(cast(equal(predicted, wanted), "float32"), { axis: -1 });
  };
  return { soft: hits(probabilities), hard: hits(chosen), used: sum(chosen, { axis: -2 }) };
}

/** Figures of a routed classifier for each member of an ensemble. */
export interface RoutedScore {
  /** Percent of images that the mixture classifies correctly. */
  readonly soft: readonly number[];
  /** Percent of images that the chosen expert classifies correctly. */
  readonly hard: readonly number[];
  /** Images by the expert that they chose. */
  readonly used: readonly (readonly number[])[];
}

/** Ensembles of routed classifiers, by name. */
export type RoutedLayers = { readonly [name: string]: RoutedLayer<Tree> };

/** Scores ensembles of routed classifiers on the same images, in one pass over them. */
export async function routedScores(
  layers: RoutedLayers,
  params: { readonly [name: string]: Tree },
  images: GraphImages,
  { members, signal }: { readonly members: number; readonly signal?: AbortSignal },
): Promise<{ readonly [name: string]: RoutedScore }> {
  const measure = (all: typeof params, { indices }: { readonly indices: Tensor }) => {
    const { x, labels } = images.take(indices);
    // All members see the same rows.
    const rows = expandDims(x, 0);
    return mapValues(layers, (layer, name) => routedHits(layer, all[name] as Tree, rows, labels));
  };
  const options = { count: images.count, piece: 500, batch: indexRange, ...(signal ? { signal } : {}) };
  return mapValues(await totalOver(measure, params, options), ({ soft, hard, used }) => {
    const percent = (hits: Tensor) => Array.from(hits.data as Float64Array, (n) => (100 * n) / images.count);
    const counts = Array.from(used.data as Float64Array);
    const experts = counts.length / members;
    const byMember = Array.from({ length: members }, (_, i) => counts.slice(i * experts, (i + 1) * experts));
    return { soft: percent(soft), hard: percent(hard), used: byMember };
  });
}

const mapValues = <T, R>(
  record: { readonly [name: string]: T },
  fn: (value: T, name: string) => R,
): { readonly [name: string]: R } =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, fn(value, name)]));

/** Percent of images for which inference predicts what computing all experts and keeping the chosen one predicts. */
export async function conditionalAgreement<P extends Tree>(
  layer: RoutedLayer<P>,
  params: P,
  images: GraphImages,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<number> {
  const predict = (logits: Tensor) => argMax(logits, { axis: -1 });
  const measure = (own: P, { indices }: { readonly indices: Tensor }) => {
    const { x } = images.take(indices);
    const all = layer.mix(own, x, layer.route(own, x).chosen);
    return { same: sum(cast(equal(predict(layer.apply(own, x)), predict(all)), "float32")) };
  };
  const options = { count: images.count, piece: 1000, batch: indexRange, ...(signal ? { signal } : {}) };
  const { same } = await totalOver(measure, params, options);
  return (100 * Number(same.data[0])) / images.count;
}

/**
 * How evenly experts are used: the entropy of their shares of the rows, divided by that of even use, from 0 (one expert
 * does everything) to 1 (all do the same); 1 for a single expert. `counts` are rows by expert.
 */
export function usageEntropy(counts: readonly number[]): number {
  const total = counts.reduce((a, b) => a + b, 0);
  if (!(total > 0)) throw new RangeError("usageEntropy: expected at least one row");
  if (counts.length === 1) return 1;
  const entropy = counts.reduce((rest, n) => (n > 0 ? rest - (n / total) * Math.log(n / total) : rest), 0);
  return entropy / Math.log(counts.length);
}
