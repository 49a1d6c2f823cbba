/**
 * Decoding of sparse-graph codes by peeling: bins hold sums of unknown items; a bin with one item gives it away, which is
 * then taken out of all other bins that hold it, until none has one item left.
 */

/** Bins and what may be in them. `Item` is what a bin with a single item tells of it. */
export interface Bins<Item> {
  readonly count: number;
  /** The only item of a bin; null if it is empty or holds several. */
  single(bin: number): Item | null;
  /** All bins that hold an item. */
  holding(item: Item): readonly number[];
  /** Takes an item out of a bin. */
  remove(bin: number, item: Item): void;
}

/**
 * The items that peeling finds, in the order in which it finds them. Bins are looked at again only after something was
 * taken out of them. It ends for any input: after `most` items, by default four for each bin, it gives up.
 */
export function peel<Item>(bins: Bins<Item>, { most = 4 * bins.count }: { readonly most?: number } = {}): Item[] {
  const found: Item[] = [];
  const waiting = Array.from({ length: bins.count }, (_, i) => i);
  const isWaiting = new Uint8Array(bins.count).fill(1);
  for (let next = 0; next < waiting.length && found.length < most; next++) {
    const bin = waiting[next] as number;
    isWaiting[bin] = 0;
    const item = bins.single(bin);
    if (item === null) continue;
    found.push(item);
    for (const other of bins.holding(item)) {
      bins.remove(other, item);
      if (isWaiting[other] === 1) continue;
      isWaiting[other] = 1;
      waiting.push(other);
    }
  }
  return found;
}

/**
 * How many bins a group needs for each item, so that peeling finds all but a vanishing share of many items that are in one
 * random bin of each of `groups` groups: below it `p = (1 - e^(-p/ratio))^(groups-1)` has a solution above 0. 0.4073 for 3
 * groups, 0.3237 for 4. Source: density evolution as in Li et al. 2015 (SPRIGHT), arXiv:1508.06336.
 */
export function densityEvolutionThreshold(groups: number): number {
  if (!Number.isInteger(groups) || groups < 3)
    throw new RangeError(
      `densityEvolutionThreshold: groups is a whole number of at least 3, got ${groups}; with 2, peeling has no threshold`,
    );
  // Solutions are at items per bin of -ln(1 - p^(1/(groups-1)))/p: the least of these is where they begin.
  const load = (p: number) => -Math.log1p(-(p ** (1 / (groups - 1)))) / p;
  let [low, high] = [1e-9, 1 - 1e-9];
  for (let i = 0; i < 200; i++) {
    const [a, b] = [low + (high - low) / 3, high - (high - low) / 3];
    if (load(a) < load(b)) high = b;
    else low = a;
  }
  return 1 / load((low + high) / 2);
}
