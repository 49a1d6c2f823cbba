/** Training by gradient descent on a loss. */
import { Tensor, type Tree, valueAndGrad } from "../array/index.ts";
import { type BatchSource, type History, type LoopOptions, type Scores, trainLoop } from "./loop.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Metrics, StepContext } from "./steps.ts";

export interface FitOptions<P extends Tree, B extends Tree, S extends Tree> extends LoopOptions {
  /** The parameters before the first step, e.g. `layer.init(key(seed))`. */
  readonly params: P;
  readonly data: BatchSource<B>;
  /** The loss of a batch (a float scalar), or the loss and further scalars to report. */
  readonly loss: (params: P, batch: B, context: StepContext) => Tensor | readonly [Tensor, Metrics];
  readonly optimizer: Optimizer<S>;
  /** Scores the parameters each `every` steps and at the end. */
  readonly evaluate?: { readonly every: number; run(params: P, step: number): Scores | Promise<Scores> };
}

export interface FitResult<P extends Tree, S extends Tree> {
  readonly params: P;
  /** State of the optimizer. */
  readonly state: S;
  /** Steps done. */
  readonly step: number;
  /** True if the signal ended training before the last step. */
  readonly stopped: boolean;
  readonly history: History;
}

/**
 * Minimizes a loss over batches: a whole step (loss, gradients, update) is one graph, and many steps are one run of it.
 * Rejects and resumes as `trainLoop` does.
 */
export async function fit<P extends Tree, B extends Tree, S extends Tree>(
  options: FitOptions<P, B, S>,
): Promise<FitResult<P, S>> {
  const { params, optimizer, loss, evaluate, ...rest } = options;
  const gradient = valueAndGrad((weights: P, batch: B, context: StepContext) => {
    const result = loss(weights, batch, context);
    return (result instanceof Tensor ? [result, {}] : result) as readonly [Tensor, Metrics];
  });
  const { state, ...result } = await trainLoop<{ readonly params: P; readonly optimizer: S }, B>({
    ...rest,
    state: { params, optimizer: optimizer.init(params) },
    step: (before, batch, context) => {
      const [[value, metrics], gradients] = gradient(before.params, batch, context);
      if ("loss" in metrics) throw new Error('fit: a metric cannot have the name "loss"; rename it');
      const after = optimizer.update(gradients, before.optimizer, before.params, context.step);
      return [
        { params: after.params, optimizer: after.state },
        { loss: value, ...metrics },
      ];
    },
    ...(evaluate ? { evaluate: { every: evaluate.every, run: (now, step) => evaluate.run(now.params, step) } } : {}),
  });
  return { params: state.params, state: state.optimizer, ...result };
}
