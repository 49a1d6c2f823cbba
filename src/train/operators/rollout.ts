/** Operators applied to their own results. */
import { compile, type Tensor, type Tree, tensor } from "../../array/index.ts";
import { relativeError } from "./losses.ts";
import type { Fields } from "./simulated.ts";

/** A trained operator on fields `[batch, channels, ...grid]`. */
export interface TrainedOperator<P extends Tree = Tree> {
  readonly params: P;
  readonly predict: (params: P, x: Tensor) => Tensor;
}

/**
 * Relative L2 error at each time of trajectories `[trajectories, times, channels, ...grid]`, where the operator is given
 * the first state and from then on its own results: the mean over trajectories for times 1, 2, ... Infinite where it blows
 * up.
 */
export async function rolloutErrors<P extends Tree>(
  { params, predict }: TrainedOperator<P>,
  { shape, data }: Fields,
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
    return { next, error: relativeError(next, y) };
  });
  const errors: number[] = [];
  let state = stateAt(0);
  for (let time = 1; time < times; time++) {
    const { next, error } = await step(params, state, stateAt(time));
    const value = Number(error.data[0]);
    errors.push(Number.isFinite(value) ? value : Number.POSITIVE_INFINITY);
    state = next;
  }
  return errors;
}
