/** Operators applied to their own results. */
import { add, compile, div, split, square, sub, sum, type Tensor, type Tree, tensor } from "../../array/index.ts";
import { type RelativeErrorOptions, relativeError } from "./losses.ts";
import type { FieldPairs } from "./pairs.ts";
import type { Fields } from "./simulated.ts";

/** A trained operator on fields `[batch, channels, ...grid]`. */
export interface TrainedOperator<P extends Tree = Tree> {
  readonly params: P;
  readonly predict: (params: P, x: Tensor) => Tensor;
}

/**
 * Relative L2 error at each time of trajectories `[trajectories, times, channels, ...grid]`, where the operator is given
 * the first state and from then on its own results: the mean over trajectories for times 1, 2, ... Infinite where it blows
 * up. Fields on the sphere are weighted by area, as in `relativeError`.
 */
export async function rolloutErrors<P extends Tree>(
  { params, predict }: TrainedOperator<P>,
  { shape, data }: Fields,
  { sphere, signal }: Pick<RelativeErrorOptions, "sphere"> & { readonly signal?: AbortSignal } = {},
): Promise<readonly number[]> {
  const [trajectories, times, ...rest] = shape as [number, number, ...number[]];
  const size = data.length / (trajectories * times);
  const stateAt = (time: number): Tensor => {
    const values = new Float32Array(trajectories * size);
    for (let i = 0; i < trajectories; i++) {
      const start = (i * times + time) * size;
      values.set(data.subarray(start, start + size), i * size);
    }
    return tensor(values, { shape: [trajectories, ...rest] });
  };
  const step = compile((weights: P, x: Tensor, y: Tensor) => {
    const next = predict(weights, x);
    return { next, error: relativeError(next, y, sphere ? { sphere } : {}) };
  });
  const errors: number[] = [];
  let state = stateAt(0);
  for (let time = 1; time < times; time++) {
    signal?.throwIfAborted();
    const { next, error } = await step(params, state, stateAt(time));
    const value = Number(error.data[0]);
    errors.push(Number.isFinite(value) ? value : Number.POSITIVE_INFINITY);
    state = next;
  }
  return errors;
}

/**
 * A loss that holds an operator's results of its own results against the truth: the mean of the relative L2 errors after
 * 1, 2, ... steps, gradients through all of them. `x: [batch, channels, ...grid]`, targets as `successivePairs` gives them
 * for as many states ahead. One step is the usual loss; more keep long rollouts from drifting.
 */
export function rolloutLoss<P extends Tree>(
  predict: TrainedOperator<P>["predict"],
  { sphere }: Pick<RelativeErrorOptions, "sphere"> = {},
): (params: P, x: Tensor, target: Tensor) => Tensor {
  return (params, x, target) => {
    const channels = x.shape[1] as number;
    const steps = (target.shape[1] as number) / channels;
    if (!Number.isInteger(steps))
      throw new RangeError(`rolloutLoss: ${target.shape[1]} channels are no whole states of ${channels}`);
    let state = x;
    let total: Tensor | undefined;
    for (const wanted of split(target, { axis: 1, sizes: Array<number>(steps).fill(channels) })) {
      state = predict(params, state);
      const error = relativeError(state, wanted, sphere ? { sphere } : {});
      total = total ? add(total, error) : error;
    }
    return div(total as Tensor, steps);
  };
}

/** What came of a free rollout. */
export interface FreeRollout {
  /** The measure of the state that was given, and of each result until it is not finite. */
  readonly measures: readonly number[];
  /** The states of the steps that were to be kept, as far as it came. */
  readonly kept: { readonly [step: number]: Float32Array };
}

/**
 * An operator applied to its own results for many steps from one batch of states, whatever the truth would be: a number
 * of each state, such as its energy, and some of the states. It stops early where the measure is not finite.
 */
export async function freeRollout<P extends Tree>(
  { params, predict }: TrainedOperator<P>,
  start: Fields,
  {
    steps,
    measure,
    keep = [],
    signal,
  }: {
    readonly steps: number;
    /** A scalar of a batch of states. */
    readonly measure: (x: Tensor) => Tensor;
    readonly keep?: readonly number[];
    readonly signal?: AbortSignal;
  },
): Promise<FreeRollout> {
  const step = compile((weights: P, x: Tensor) => {
    const next = predict(weights, x);
    return { next, value: measure(next) };
  });
  let state: Tensor = tensor(start.data, { shape: start.shape });
  const measures = [Number((await compile(measure)(state)).data[0])];
  const kept: Record<number, Float32Array> = {};
  for (let i = 1; i <= steps; i++) {
    signal?.throwIfAborted();
    const { next, value } = await step(params, state);
    measures.push(Number(value.data[0]));
    if (!Number.isFinite(measures[i])) break;
    if (keep.includes(i)) kept[i] = Float32Array.from(next.data as Float32Array);
    state = next;
  }
  return { measures, kept };
}

/**
 * Relative L2 error on each row of the grid, over all examples, channels and points of the row: where on the way from
 * the first row to the last an operator is wrong. Pairs are `[examples, channels, rows, columns]`.
 */
export async function rowErrors<P extends Tree>(
  { params, predict }: TrainedOperator<P>,
  { inputs, outputs }: FieldPairs,
): Promise<readonly number[]> {
  const along = (x: Tensor): Tensor => sum(square(x), { axis: [0, 1, 3] });
  const both = compile((weights: P, x: Tensor, y: Tensor) => div(along(sub(predict(weights, x), y)), along(y)));
  const [x, y] = [inputs, outputs].map(({ data, shape }) => tensor(data, { shape })) as [Tensor, Tensor];
  return Array.from((await both(params, x, y)).data as Float32Array, Math.sqrt);
}
