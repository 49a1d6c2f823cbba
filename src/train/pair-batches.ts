/** Batches of pairs of sequences. */
import { type Tensor, tensor } from "../array/index.ts";
import { type Pair, padPairs, permutation, type Rewriting } from "../data/index.ts";
import type { BatchSource } from "./loop.ts";

/**
 * Rows with padding: `source`, int32 `[batch, length.source]`, ends included; `target`, int32
 * `[batch, length.target + 1]`, from its beginning to its end.
 */
export type PairBatch = { readonly source: Tensor; readonly target: Tensor };

export interface PairBatchOptions {
  /** Pairs in a batch. */
  readonly batch: number;
  /** Room for the longest source and the longest target, each with its end. */
  readonly length: Rewriting["length"];
  /** Seed of the order; 0 by default. */
  readonly seed?: number;
}

/**
 * Batches for training, in a new order in each epoch; a pure function of the step. An epoch sees no pair twice and
 * leaves out those that do not fill its last batch. Throws one sentence if there are fewer pairs than a batch needs.
 */
export function pairBatches(
  pairs: readonly Pair[],
  { batch, length, seed = 0 }: PairBatchOptions,
): BatchSource<PairBatch> & { readonly stepsPerEpoch: number } {
  if (!Number.isInteger(batch) || batch < 1 || batch > pairs.length)
    throw new RangeError(`pairBatches: batch must be a whole number from 1 to the ${pairs.length} pairs, got ${batch}`);
  const stepsPerEpoch = Math.floor(pairs.length / batch);
  const orders = new Map<number, Uint32Array>();
  const orderOf = (epoch: number): Uint32Array => {
    const known = orders.get(epoch);
    if (known) return known;
    const made = permutation(pairs.length, seed, epoch);
    // Steps are asked for in order, so one older epoch is all that may be needed again.
    for (const old of orders.keys()) if (old < epoch - 1) orders.delete(old);
    orders.set(epoch, made);
    return made;
  };
  return {
    stepsPerEpoch,
    examples: batch,
    at: (step, steps) => {
      const chosen = Array.from({ length: steps * batch }, (_, i) => {
        const at = step + Math.floor(i / batch);
        const place = (at % stepsPerEpoch) * batch + (i % batch);
        return pairs[orderOf(Math.floor(at / stepsPerEpoch))[place] as number] as Pair;
      });
      const { source, target } = padPairs(chosen, length);
      return {
        source: tensor(source, { shape: [steps, batch, length.source] }),
        target: tensor(target, { shape: [steps, batch, length.target + 1] }),
      };
    },
  };
}

/** Pairs as one batch. */
export function pairBatch(pairs: readonly Pair[], length: Rewriting["length"]): PairBatch {
  const { source, target } = padPairs(pairs, length);
  return {
    source: tensor(source, { shape: [pairs.length, length.source] }),
    target: tensor(target, { shape: [pairs.length, length.target + 1] }),
  };
}
