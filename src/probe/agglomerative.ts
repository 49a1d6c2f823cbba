/** Hierarchical clustering of a few thousand items. */
import { div, matmul, maximum, mean, mul, sqrt, sub, sum, type Tensor } from "../array/index.ts";

/**
 * Agglomerative clustering with average linkage: starts from single items and joins the two clusters whose items are
 * nearest on average, until `clusters` are left. `distances: [items, items]`, symmetric. Gives a cluster number for each
 * item, numbered in the order of their first items. Memory is a copy of the distances; time grows with their number, since
 * chains of nearest neighbours find the same joins as comparing all pairs would (Murtagh 1983, for linkages that are
 * reducible, as this one is). Packages that compare all pairs at each join need a step for each pair and each of the
 * thousands of items.
 */
export function agglomerativeClusters(distances: Float32Array, items: number, clusters: number): Int32Array {
  if (distances.length !== items * items)
    throw new RangeError(`agglomerativeClusters: expected ${items} × ${items} distances, got ${distances.length}`);
  if (!(Number.isInteger(clusters) && clusters >= 1 && clusters <= items))
    throw new RangeError(`agglomerativeClusters: clusters must be a whole number from 1 to ${items}, got ${clusters}`);
  const joins = joinsOf(Float32Array.from(distances), items).sort((a, b) => a.distance - b.distance);
  const parent = Int32Array.from({ length: items }, (_, i) => i);
  const rootOf = (item: number): number => {
    let root = item;
    while (parent[root] !== root) root = parent[root] as number;
    parent[item] = root;
    return root;
  };
  // Chains find joins out of order; the lowest ones, as many as leave so many clusters, are the first of the tree.
  for (const { a, b } of joins.slice(0, items - clusters)) parent[rootOf(b)] = rootOf(a);
  const numbers = new Map<number, number>();
  return Int32Array.from({ length: items }, (_, item) => {
    const root = rootOf(item);
    if (!numbers.has(root)) numbers.set(root, numbers.size);
    return numbers.get(root) as number;
  });
}

interface Join {
  /** Items of the two clusters, one of each. */
  readonly a: number;
  readonly b: number;
  readonly distance: number;
}

/** All joins down to one cluster; overwrites the distances with those between clusters. */
function joinsOf(d: Float32Array, items: number): Join[] {
  const sizes = new Float64Array(items).fill(1);
  const active = new Set(Array.from({ length: items }, (_, i) => i));
  const joins: Join[] = [];
  const chain: number[] = [];
  while (active.size > 1) {
    if (chain.length === 0) chain.push(active.values().next().value as number);
    const last = chain.at(-1) as number;
    const before = chain.at(-2);
    // Among equals the cluster before in the chain, or the chain would never end.
    let nearest = before ?? -1;
    let least = before === undefined ? Number.POSITIVE_INFINITY : (d[last * items + before] as number);
    for (const other of active) {
      const distance = d[last * items + other] as number;
      if (other !== last && distance < least) [nearest, least] = [other, distance];
    }
    if (nearest !== before) {
      chain.push(nearest);
      continue;
    }
    chain.length -= 2;
    joins.push({ a: nearest, b: last, distance: least });
    const [m, n] = [sizes[nearest] as number, sizes[last] as number];
    active.delete(last);
    for (const other of active) {
      if (other === nearest) continue;
      const joined = (m * (d[nearest * items + other] as number) + n * (d[last * items + other] as number)) / (m + n);
      d[nearest * items + other] = joined;
      d[other * items + nearest] = joined;
    }
    sizes[nearest] = m + n;
  }
  return joins;
}

/**
 * Cosine distances between rows, after the mean row is taken off, so that what all have in common does not make them
 * alike: `[rows, extent]` gives `[rows, rows]`, from 0 to 2. With a `metric` `[extent, extent]` products are `x·M·yᵀ`: of
 * `EᵀE` they are those of the rows times Eᵀ, which may be much longer. A function in the array language.
 */
export function cosineDistances(vectors: Tensor, metric?: Tensor): Tensor {
  const centred = sub(vectors, mean(vectors, { axis: 0, keepDims: true }));
  const turned = metric ? matmul(centred, metric) : centred;
  const length = sqrt(maximum(sum(mul(turned, centred), { axis: -1, keepDims: true }), 1e-24));
  const products = matmul(div(turned, length), div(centred, length), { transposeB: true });
  return sub(1, products);
}
