/** Shuffled batches of indices, for data sets that stay in the graph and for several models at once. */
import { type Tensor, tensor } from "../array/index.ts";
import { permutation } from "../data/index.ts";
import type { BatchSource } from "./loop.ts";

/** Which examples each member sees: int32 `[members, batch]` in a step, `[steps, members, batch]` as stacked batches. */
export type IndexBatch = { readonly indices: Tensor };

/**
 * Batches of the indices 0 to `count - 1`, in an order of its own for each seed: a member of an ensemble with seed s
 * sees what a model trained alone with seed s would see. A pure function of the step; an epoch visits no example twice
 * and leaves out those that do not fill its last batch, other ones in every epoch.
 */
export function indexBatches(options: {
  readonly count: number;
  readonly batch: number;
  readonly seeds: readonly number[];
}): BatchSource<IndexBatch> & { readonly stepsPerEpoch: number } {
  const { count, batch, seeds } = options;
  if (!Number.isInteger(batch) || batch < 1 || batch > count) {
    throw new RangeError(`indexBatches: batch must be a whole number from 1 to the ${count} examples, got ${batch}`);
  }
  const stepsPerEpoch = Math.floor(count / batch);
  const orders = new Map<number, Uint32Array[]>();
  const ordersOf = (epoch: number): Uint32Array[] => {
    const known = orders.get(epoch);
    if (known) return known;
    const made = seeds.map((seed) => permutation(count, seed, epoch));
    // Steps are asked for in order, so one older epoch is all that may be needed again.
    for (const old of orders.keys()) if (old < epoch - 1) orders.delete(old);
    orders.set(epoch, made);
    return made;
  };
  return {
    stepsPerEpoch,
    examples: batch * seeds.length,
    at: (step, steps) => {
      const indices = new Int32Array(steps * seeds.length * batch);
      for (let k = 0; k < steps; k++) {
        const first = ((step + k) % stepsPerEpoch) * batch;
        ordersOf(Math.floor((step + k) / stepsPerEpoch)).forEach((order, member) => {
          indices.set(order.subarray(first, first + batch), (k * seeds.length + member) * batch);
        });
      }
      return { indices: tensor(indices, { shape: [steps, seeds.length, batch] }) };
    },
  };
}
