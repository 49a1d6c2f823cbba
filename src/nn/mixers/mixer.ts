/** Layers that mix positions, and can go on from where they stopped. */
import {
  add,
  and,
  arange,
  broadcastTo,
  clip,
  concat,
  expandDims,
  greaterEqual,
  less,
  lessEqual,
  reshape,
  sub,
  type Tensor,
  type Tree,
  takeAlong,
  where,
  zipTrees,
} from "../../array/index.ts";
import type { Layer, Mode } from "../layer.ts";

export interface CacheOptions {
  /** Rows that are generated side by side. */
  readonly batch: number;
  /** Positions that there is room for. */
  readonly length: number;
}

/** A layer over `[batch, time, width]` whose output at a position depends on that position and earlier ones only. */
export interface TokenMixer<P extends Tree = Tree, C extends Tree = Tree> extends Layer<P> {
  /** What it must remember of earlier positions, before there are any: tensors `[batch, ..., length, extent]`. */
  cache(options: CacheOptions): C;
  /**
   * The output at new positions, and what the cache must hold of them: `x: [batch, new, width]`, of which row b stands at
   * positions `seen[b]`, `seen[b] + 1`, … (`seen`: int32 `[batch]`). The second is a tree as the cache, of tensors
   * `[batch, ..., new, extent]`, for `writeCache` or for whoever keeps caches outside of the graph, where they need not be
   * copied at each step. Only the first `seen[b]` positions of a row are read; where none has seen anything, a cache of
   * length 0 will do. Position by position it gives what `apply` gives for the whole sequence, up to rounding.
   */
  extend(params: P, x: Tensor, cache: C, seen: Tensor): readonly [Tensor, C];
}

/** Whether a layer can be extended. */
export const isTokenMixer = (layer: Layer<Tree>): layer is TokenMixer =>
  "extend" in layer && typeof layer.extend === "function";

/** A layer over `[batch, time, width]` that can leave positions out, such as padding. */
export interface MaskedMixer<P extends Tree = Tree> extends Layer<P> {
  /** `apply` where only the positions for which `visible`, bool `[batch, time]`, is true are looked at. */
  applyVisible(params: P, x: Tensor, visible: Tensor, mode?: Mode): Tensor;
}

/** Whether a layer can leave positions out. */
export const isMaskedMixer = (layer: Layer<Tree>): layer is MaskedMixer =>
  "applyVisible" in layer && typeof layer.applyVisible === "function";

/** The numbers of new positions: int32 `[batch, count]`, from `seen: [batch]` on. */
export const newPositions = (seen: Tensor, count: number): Tensor =>
  add(reshape(seen, [-1, 1]), arange(count, "int32"));

/**
 * A cache with new positions in it: tensors `[batch, ..., length, extent]` and, as `extend` gives them, `[batch, ..., new,
 * extent]`, whose row b goes to positions `seen[b]` on. Positions beyond the cache are lost. All of it is copied.
 */
export const writeCache = <C extends Tree>(cache: C, fresh: C, seen: Tensor): C =>
  zipTrees("writeCache", [cache, fresh], (before, after) => written(before as Tensor, after as Tensor, seen));

function written(cache: Tensor, fresh: Tensor, seen: Tensor): Tensor {
  const [batch, length, width] = [cache.shape[0], cache.shape.at(-2), cache.shape.at(-1)] as [number, number, number];
  const count = fresh.shape.at(-2) as number;
  const inner = cache.shape.slice(1, -2).map(() => 1);
  // Which of the new positions belongs at each place of the cache; outside 0 to new - 1, none does.
  const from = reshape(sub(arange(length, "int32"), reshape(seen, [-1, 1])), [batch, ...inner, length, 1]);
  const isNew = and(greaterEqual(from, 0), less(from, count));
  if (count === 1) return where(isNew, fresh, cache);
  const index = broadcastTo(clip(from, 0, count - 1), [...cache.shape.slice(0, -1), width]);
  return where(isNew, takeAlong(fresh, index, { axis: -2 }), cache);
}

/**
 * Which of the places of a cache, and of the new positions after them, each new position may see: bool
 * `[batch, new, length + new]`, true where something was before it, and at itself.
 */
export function visibleBefore(seen: Tensor, count: number, length: number): Tensor {
  const batch = seen.shape[0] as number;
  const cached = less(arange(length, "int32"), reshape(seen, [batch, 1, 1]));
  const fresh = lessEqual(arange(count, "int32"), reshape(arange(count, "int32"), [count, 1]));
  return concat(
    [broadcastTo(cached, [batch, count, length]), broadcastTo(expandDims(fresh, 0), [batch, count, count])],
    {
      axis: -1,
    },
  );
}
