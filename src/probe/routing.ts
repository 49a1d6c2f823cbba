/** How a layer of experts routes, and what its routing costs in accuracy. */
import { argMax, cast, equal, sum, type Tensor, type Tree } from "../array/index.ts";
import type { RoutedLayer } from "../nn/index.ts";

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

/**
 * How evenly experts are used: the entropy of their shares of the rows, divided by that of even use, from 0 (one expert
 * does everything) to 1 (all do the same); 1 for a single expert. `counts` are rows by expert.
 */
export function usageEntropy(counts: ArrayLike<number>): number {
  const rows = Array.from(counts);
  const total = rows.reduce((a, b) => a + b, 0);
  if (!(total > 0)) throw new RangeError("usageEntropy: expected at least one row");
  if (rows.length === 1) return 1;
  const entropy = rows.reduce((rest, n) => (n > 0 ? rest - (n / total) * Math.log(n / total) : rest), 0);
  return entropy / Math.log(rows.length);
}
