/** Many training steps as one graph. */
import {
  add,
  arange,
  type Compiled,
  type CompileOptions,
  cast,
  compile,
  div,
  flatten,
  fold,
  type Key,
  scan,
  Tensor,
  type Tree,
} from "../array/index.ts";

/** What a step may know beside its state and its batch. */
export interface StepContext {
  /** Randomness of this step: a function of seed and step, so a resumed run draws the same numbers. */
  readonly key: Key;
  /** Steps done before this one: an int32 scalar. */
  readonly step: Tensor;
}

/** How far training of so many steps has come before the step of this number, for the mode of layers. */
export const progressAt = (step: Tensor, steps: number): Tensor => div(cast(step, "float32"), steps);

/** Numbers that a step reports: float scalars by name. */
export type Metrics = { readonly [name: string]: Tensor };

/** One training step: the state after it, and what it reports, the loss at least. */
export type Step<S extends Tree, B extends Tree> = (
  state: S,
  batch: B,
  context: StepContext,
) => readonly [S, { readonly loss: Tensor } & Metrics];

/** Runs the steps of stacked batches; gives the last state and what each step reported, stacked. */
export type CompiledSteps<S extends Tree, B extends Tree> = Compiled<
  [state: S, batches: B, first: Tensor, key: Key],
  [S, Metrics]
>;

/**
 * A step, compiled to run as many times as its batches are deep, in one loop inside one graph. The numbers do not depend
 * on how steps are grouped into runs: a run of one step is a loop, too, of the same body.
 */
export function compileSteps<S extends Tree, B extends Tree>(
  step: Step<S, B>,
  options: CompileOptions = {},
): CompiledSteps<S, B> {
  return compile((state: S, batches: B, first: Tensor, key: Key) => {
    const count = flatten(batches).leaves[0]?.shape[0];
    if (count === undefined) throw new TypeError("train: the batch holds no tensor");
    return scan(
      (carried: S, { batch, index }: { batch: B; index: Tensor }) => {
        const [next, metrics] = step(carried, batch, { key: fold(key, index), step: index });
        checkMetrics(metrics);
        return [next, metrics as Metrics];
      },
      state,
      { batch: batches, index: add(first, arange(count)) },
    );
  }, options);
}

function checkMetrics(metrics: Metrics): void {
  for (const [name, value] of Object.entries(metrics)) {
    if (name === "step" || name === "evaluation")
      throw new Error(`train: a metric cannot have the name "${name}"; rename it`);
    if (!(value instanceof Tensor) || value.rank !== 0)
      throw new TypeError(`train: metric "${name}" must be a scalar tensor, got ${String(value)}`);
  }
}
