/** Operators compared: trained on the same pairs with the same budget, tested on every grid. */
import { compile, evaluate, key, reshape, type Tensor, type Tree, tensor, valueAndGrad } from "../../array/index.ts";
import { type Layer, parameterCount } from "../../nn/index.ts";
import { type StudyContext, timeInTurn } from "../../report/index.ts";
import type { SphereGrid } from "../../spectral/index.ts";
import { adamW } from "../adamw.ts";
import { type ComparedArm, compareArms, type OnProgress } from "../arms.ts";
import { type IndexBatch, indexBatches } from "../batches.ts";
import { fit } from "../fit.ts";
import { indexRange } from "../images.ts";
import { cosine } from "../schedules.ts";
import { totalOver } from "../total.ts";
import { type RelativeErrorOptions, relativeError } from "./losses.ts";
import { type FieldPairs, pairsInGraph, somePairs } from "./pairs.ts";
import { rolloutErrors, type TrainedOperator } from "./rollout.ts";
import type { Fields } from "./simulated.ts";

/** One way to learn an operator. */
export interface OperatorArm {
  readonly layer: Layer<Tree>;
  /** What training holds results against, made once of all wanted fields; the fields themselves by default. */
  readonly target?: (y: Tensor) => Tensor;
  /** The loss of a batch, given inputs and targets; the relative L2 error of `layer.apply` on the data's domain by default. */
  readonly loss?: (params: Tree, x: Tensor, target: Tensor) => Tensor;
  /** The field that is wanted; `layer.apply` by default. */
  readonly predict?: (params: Tree, x: Tensor) => Tensor;
}

/** What every arm may spend. */
export interface OperatorBudget {
  readonly steps: number;
  readonly batch: number;
  /** Learning rates that are tried, each with a third of the steps. */
  readonly rates: readonly number[];
}

export interface OperatorData {
  readonly training: FieldPairs;
  /** Held out for the choice of learning rates. */
  readonly validation: FieldPairs;
  /** Never seen before the end, by the name of their grid. */
  readonly tests: { readonly [name: string]: FieldPairs };
  /** Trajectories for rollouts, `[trajectories, times, channels, ...grid]`; none by default. */
  readonly trajectories?: Fields;
  /** The grid on the sphere that all fields lie on, by whose areas errors and losses are weighted; plane by default. */
  readonly sphere?: SphereGrid;
}

/** What came of one training: plain data. */
export interface OperatorOutcome<F = unknown> {
  /** Relative L2 errors by the name of the test. */
  readonly errors: { readonly [test: string]: number };
  /** Relative errors in the Sobolev norms of order 1 and -1 on the first test. */
  readonly sobolev: { readonly slope: number; readonly large: number };
  /** Relative L2 errors at each time of a rollout; none without trajectories. */
  readonly rollout: readonly number[];
  /** What it makes of the first example of each test. */
  readonly predictions: { readonly [test: string]: Float32Array };
  readonly parameters: number;
  /** What `further` made of the trained operator. */
  readonly further: F;
}

const predictionOf = ({ layer, predict }: OperatorArm) =>
  predict ?? ((params: Tree, x: Tensor) => layer.apply(params, x));

const lossOf = ({ layer, loss }: OperatorArm, domain: Pick<OperatorData, "sphere"> = {}) =>
  loss ?? ((params: Tree, x: Tensor, target: Tensor) => relativeError(layer.apply(params, x), target, domain));

/** Pairs with an arm's targets in place of fields. */
async function withTargets({ target }: OperatorArm, pairs: FieldPairs): Promise<FieldPairs> {
  if (!target) return pairs;
  const { shape, data } = pairs.outputs;
  const made = await evaluate(target(tensor(data, { shape })));
  return { inputs: pairs.inputs, outputs: { shape: made.shape, data: made.data as Float32Array } };
}

/**
 * Trains an arm for `steps` steps of AdamW with a learning rate that falls to a hundredth along a cosine. Rejects with a
 * `DivergedError` as `fit` does.
 */
export async function trainOperator(
  arm: OperatorArm,
  training: FieldPairs,
  {
    steps,
    batch,
    rate,
    seed,
    signal,
    onProgress,
    sphere,
  }: Omit<OperatorBudget, "rates"> &
    Pick<OperatorData, "sphere"> & {
      readonly rate: number;
      readonly seed: number;
      readonly signal?: AbortSignal;
      readonly onProgress?: OnProgress;
    },
): Promise<Tree> {
  const pairs = pairsInGraph(await withTargets(arm, training));
  const loss = lossOf(arm, sphere ? { sphere } : {});
  const { params } = await fit({
    params: await evaluate(arm.layer.init(key(seed))),
    data: indexBatches({ count: pairs.count, batch, seeds: [seed] }),
    loss: (weights: Tree, { indices }: IndexBatch) => {
      const { x, y } = pairs.take(reshape(indices, [-1]));
      return loss(weights, x, y);
    },
    optimizer: adamW({ learningRate: cosine({ from: rate, to: rate / 100, steps }), weightDecay: 1e-4 }),
    steps,
    seed,
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  });
  signal?.throwIfAborted();
  return params;
}

/** Mean relative error of an arm over pairs, in a Sobolev norm; L2 by default. */
export async function operatorError(
  arm: OperatorArm,
  params: Tree,
  pairs: FieldPairs,
  {
    order = 0,
    sphere,
    signal,
  }: Pick<RelativeErrorOptions, "order" | "sphere"> & { readonly signal?: AbortSignal } = {},
): Promise<number> {
  const inGraph = pairsInGraph(pairs);
  const predict = predictionOf(arm);
  const { sum } = await totalOver(
    (weights: Tree, { indices }: { readonly indices: Tensor }) => {
      const { x, y } = inGraph.take(indices);
      return {
        sum: relativeError(predict(weights, x), y, { order, ...(sphere ? { sphere } : {}), reduction: "none" }),
      };
    },
    params,
    { count: inGraph.count, piece: pieceOf(inGraph.count), batch: indexRange, ...(signal ? { signal } : {}) },
  );
  return (sum.data as Float64Array).reduce((total, v) => total + v, 0) / inGraph.count;
}

/** The largest divisor of a count up to 20: pieces of one size need one graph. */
const pieceOf = (count: number): number => {
  for (let piece = Math.min(20, count); piece > 1; piece--) if (count % piece === 0) return piece;
  return 1;
};

/** An operator's layer and what it has learned, for measurements of one study. */
export interface OperatorTrained extends TrainedOperator {
  readonly seed: number;
}

/**
 * Compares arms by `compareArms`: for each the learning rate with the least error on the validation pairs after a third of
 * the steps, then all seeds with the whole budget, each tested on every grid. `further` measures what else a study wants
 * to know of a trained operator: plain data.
 */
export async function compareOperators<F = undefined>(
  context: Parameters<typeof compareArms>[0] & Pick<StudyContext, "signal">,
  {
    arms,
    data,
    budget,
    further,
  }: {
    readonly arms: { readonly [name: string]: OperatorArm };
    readonly data: OperatorData;
    readonly budget: OperatorBudget;
    readonly further?: (trained: OperatorTrained) => Promise<F>;
  },
): Promise<{ readonly [name: string]: ComparedArm<OperatorOutcome<F>> }> {
  const { signal } = context;
  const { steps, batch, rates } = budget;
  const domain = { ...(data.sphere ? { sphere: data.sphere } : {}), signal };
  const [main] = Object.values(data.tests);
  if (!main) throw new RangeError("compareOperators: expected at least one test");
  return compareArms<OperatorArm, OperatorOutcome<F>>(context, {
    arms,
    rates,
    score: async (arm, rate, seed, onProgress) => {
      const params = await trainOperator(arm, data.training, {
        steps: Math.ceil(steps / 3),
        batch,
        rate,
        seed,
        onProgress,
        ...domain,
      });
      const error = await operatorError(arm, params, data.validation, domain);
      return Number.isFinite(error) ? -error : Number.NEGATIVE_INFINITY;
    },
    measure: async (arm, rate, seed, onProgress) => {
      const params = await trainOperator(arm, data.training, { steps, batch, rate, seed, onProgress, ...domain });
      const errors: Record<string, number> = {};
      const predictions: Record<string, Float32Array> = {};
      for (const [name, pairs] of Object.entries(data.tests)) {
        errors[name] = await operatorError(arm, params, pairs, domain);
        const { x } = pairsInGraph(somePairs(pairs, 0, 1)).take(indexRange(0, 1).indices);
        predictions[name] = Float32Array.from(
          (await compile(predictionOf(arm))(params, await evaluate(x))).data as Float32Array,
        );
      }
      const { trajectories } = data;
      const trained = { params, predict: predictionOf(arm), seed };
      return {
        errors,
        sobolev: {
          slope: await operatorError(arm, params, main, { order: 1, ...domain }),
          large: await operatorError(arm, params, main, { order: -1, ...domain }),
        },
        rollout: trajectories ? await rolloutErrors(trained, trajectories, domain) : [],
        predictions,
        parameters: parameterCount(params),
        further: (further ? await further(trained) : undefined) as F,
      };
    },
  });
}

/** One error of each seed. */
export const operatorErrors = (arm: ComparedArm<OperatorOutcome>, test: string): readonly number[] =>
  arm.outcomes.map(({ errors }) => errors[test] as number);

export interface OperatorTimesOptions {
  /** Examples in a batch. */
  readonly batch: number;
  /** Calls of each arm. */
  readonly calls: number;
  readonly signal?: AbortSignal;
}

/** Milliseconds of a loss and its gradients on a batch of the pairs, all arms in turn: medians of five rounds each. */
export async function operatorTimes<K extends string>(
  arms: { readonly [P in K]: OperatorArm },
  pairs: FieldPairs,
  { batch, calls, signal }: OperatorTimesOptions,
): Promise<{ readonly [P in K]: readonly number[] }> {
  const runs = Object.entries<OperatorArm>(arms).map(async ([name, arm]) => {
    const targets = pairsInGraph(await withTargets(arm, somePairs(pairs, 0, batch)));
    const { x, y } = await evaluate(targets.take(indexRange(0, batch).indices));
    const loss = lossOf(arm);
    const params = await evaluate(arm.layer.init(key(0)));
    const gradient = compile(valueAndGrad((weights: Tree) => loss(weights, x, y)));
    return [name, () => gradient(params)] as const;
  });
  return timeInTurn(Object.fromEntries(await Promise.all(runs)) as { readonly [P in K]: () => unknown }, {
    calls,
    rounds: 5,
    ...(signal ? { signal } : {}),
  });
}
