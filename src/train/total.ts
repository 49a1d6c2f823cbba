/** Sums over a whole data set, computed in pieces that fit memory. */
import { compile, flatten, type Tree, tensor } from "../array/index.ts";

export interface TotalOptions<B extends Tree> {
  /** Examples in all. */
  readonly count: number;
  /** Examples in a piece; the last piece may be smaller, which compiles a second graph. */
  readonly piece: number;
  /** The examples from `start` on. */
  readonly batch: (start: number, count: number) => B;
  /** Stops between pieces, once it is aborted, by rejecting with its reason. */
  readonly signal?: AbortSignal;
  /** Called after each piece with the examples that are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What `measure` gives for a piece of the examples. */
export interface PieceOf<R> {
  readonly start: number;
  readonly count: number;
  readonly result: R;
}

/**
 * What `measure` gives for each piece of all examples, in order. Parameters are passed as they are, without a copy.
 */
export async function* eachPiece<P extends Tree, B extends Tree, R extends Tree>(
  measure: (params: P, batch: B) => R,
  params: P,
  { count, piece, batch, signal, onProgress }: TotalOptions<B>,
): AsyncGenerator<PieceOf<R>> {
  for (const [name, value] of Object.entries({ count, piece })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`totalOver: ${name} must be a whole number of at least 1, got ${value}`);
  }
  const run = compile(measure);
  for (let start = 0; start < count; start += piece) {
    signal?.throwIfAborted();
    const size = Math.min(piece, count - start);
    yield { start, count: size, result: await run(params, batch(start, size)) };
    onProgress?.(start + size, count);
  }
}

/** What `measure` gives for all examples, summed in float64 over the pieces of `eachPiece`: counts of hits, losses, uses. */
export async function totalOver<P extends Tree, B extends Tree, R extends Tree>(
  measure: (params: P, batch: B) => R,
  params: P,
  options: TotalOptions<B>,
): Promise<R> {
  let totals: { readonly sums: readonly Float64Array[]; readonly rebuild: () => R } | null = null;
  for await (const { result } of eachPiece(measure, params, options)) {
    const { leaves, rebuild } = flatten(result);
    const sums: readonly Float64Array[] = totals?.sums ?? leaves.map(({ size }) => new Float64Array(size));
    leaves.forEach(({ data }, i) => {
      const sum = sums[i] as Float64Array;
      for (let k = 0; k < sum.length; k++) (sum[k] as number) += Number(data[k]);
    });
    totals = { sums, rebuild: () => rebuild(leaves.map(({ shape }, i) => tensor(sums[i] as Float64Array, { shape }))) };
  }
  return (totals as { rebuild: () => R }).rebuild();
}
