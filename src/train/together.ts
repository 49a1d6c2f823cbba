/** Many models trained side by side in one graph. */
import { add, mul, type Tensor, type Tree, tensor, valueAndGrad } from "../array/index.ts";
import { type BatchSource, type History, type LoopOptions, trainLoop } from "./loop.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";
import type { StepContext } from "./steps.ts";

/** One of several models that train together. */
export interface Trainee<P extends Tree, B extends Tree> {
  readonly params: P;
  /** The loss of a batch: a float scalar. */
  readonly loss: (params: P, batch: B, context: StepContext) => Tensor;
  /** Its own learning rate, which the common schedule multiplies. */
  readonly rate: number;
}

export interface FitTogetherOptions<M extends { readonly [name: string]: Tree }, B extends Tree, S extends Tree>
  extends LoopOptions {
  readonly models: { readonly [K in keyof M]: Trainee<M[K], B> };
  /** Batches that all models see, so that their results are paired. */
  readonly data: BatchSource<B>;
  /** The optimizer of every model, made for its learning rate. */
  readonly optimizer: (rate: Schedule) => Optimizer<S>;
  /** Factor on every learning rate by step; 1 by default. */
  readonly schedule?: Schedule;
}

export interface FitTogetherResult<M extends { readonly [name: string]: Tree }> {
  readonly params: M;
  /** Steps done. */
  readonly step: number;
  /** True if the signal ended training before the last step. */
  readonly stopped: boolean;
  /** The loss is the sum over models; the metrics hold each model's loss by its name. */
  readonly history: History;
}

/**
 * Trains several models on the same batches in one graph, each with its own loss, learning rate and optimizer state: the
 * numbers are those of training each by itself. Small models share one pass over the data and one boundary of the
 * runtime, and learning rates are inputs of the graph, so a search over them compiles it once. A loss that is NaN or
 * infinite in one model stops all. Rejects and resumes as `trainLoop` does.
 */
export async function fitTogether<M extends { readonly [name: string]: Tree }, B extends Tree, S extends Tree>(
  options: FitTogetherOptions<M, B, S>,
): Promise<FitTogetherResult<M>> {
  const { models, optimizer, schedule, data, ...rest } = options;
  const names = Object.keys(models);
  if (names.length === 0) throw new RangeError("fitTogether: expected at least one model");
  if (names.includes("loss")) throw new Error('fitTogether: a model cannot have the name "loss"; rename it');
  const each = <T>(fn: (name: string) => T) => Object.fromEntries(names.map((name) => [name, fn(name)]));
  const model = (name: string) => models[name] as unknown as Trainee<Tree, B>;
  const ruleOf = (rate: Tensor): Optimizer<S> => optimizer((step) => (schedule ? mul(schedule(step), rate) : rate));
  const gradient = valueAndGrad((params: Record<string, Tree>, batch: B, context: StepContext) => {
    const losses = each((name) => model(name).loss(params[name] as Tree, batch, context));
    return [Object.values(losses).reduce((total, loss) => add(total, loss)), losses] as const;
  });
  const rates = each((name) => tensor(model(name).rate));
  const { state, ...result } = await trainLoop({
    ...rest,
    data,
    models: names,
    state: {
      params: each((name) => model(name).params),
      optimizer: each((name) => ruleOf(rates[name] as Tensor).init(model(name).params)),
      rates,
    },
    step: (before, batch: B, context) => {
      const [[loss, losses], gradients] = gradient(before.params, batch, context);
      const after = each((name) =>
        ruleOf(before.rates[name] as Tensor).update(
          gradients[name] as Tree,
          before.optimizer[name] as S,
          before.params[name] as Tree,
          context.step,
        ),
      );
      const next = {
        params: each((name) => (after[name] as { params: Tree }).params),
        optimizer: each((name) => (after[name] as { state: S }).state),
        rates: before.rates,
      };
      return [next, { loss, ...losses }];
    },
  });
  return { params: state.params as M, ...result };
}
