/** Training of models that carry state beside their parameters: moving averages, codebooks that follow their inputs. */
import { type Tensor, type Tree, valueAndGrad } from "../array/index.ts";
import { type BatchSource, type History, type LoopOptions, trainLoop } from "./loop.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Metrics, StepContext } from "./steps.ts";

export interface FitStatefulOptions<P extends Tree, M extends Tree, B extends Tree, S extends Tree>
  extends LoopOptions {
  /** The parameters before the first step; gradients change them. */
  readonly params: P;
  /** The model's state before the first step; the loss function changes it. */
  readonly state: M;
  readonly data: BatchSource<B>;
  /** The loss of a batch (a float scalar), the state after it, and scalars to report. */
  readonly loss: (
    params: P,
    state: M,
    batch: B,
    context: StepContext,
  ) => readonly [Tensor, { readonly state: M; readonly metrics?: Metrics }];
  readonly optimizer: Optimizer<S>;
}

export interface FitStatefulResult<P extends Tree, M extends Tree> {
  readonly params: P;
  readonly state: M;
  /** Steps done. */
  readonly step: number;
  /** True if the signal ended training before the last step. */
  readonly stopped: boolean;
  readonly history: History;
}

/** Like `fit`, for a loss that also maps the model's state to the next one. Rejects and resumes as `trainLoop` does. */
export async function fitStateful<P extends Tree, M extends Tree, B extends Tree, S extends Tree>(
  options: FitStatefulOptions<P, M, B, S>,
): Promise<FitStatefulResult<P, M>> {
  const { params, state, optimizer, loss, ...rest } = options;
  const gradient = valueAndGrad((weights: P, before: M, batch: B, context: StepContext) =>
    loss(weights, before, batch, context),
  );
  const result = await trainLoop<{ readonly params: P; readonly model: M; readonly optimizer: S }, B>({
    ...rest,
    state: { params, model: state, optimizer: optimizer.init(params) },
    step: (before, batch, context) => {
      const [[value, after], slope] = gradient(before.params, before.model, batch, context);
      const next = optimizer.update(slope, before.optimizer, before.params, context.step);
      return [
        { params: next.params, model: after.state, optimizer: next.state },
        { loss: value, ...after.metrics },
      ];
    },
  });
  const { state: last, ...progress } = result;
  return { params: last.params, state: last.model, ...progress };
}
