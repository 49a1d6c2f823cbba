/** Classifiers of images compared at equal cost: the same images, the same search of learning rates, the same seeds. */
import {
  argMax,
  cast,
  equal,
  evaluate,
  flopCount,
  key,
  reshape,
  sum,
  type Tensor,
  type Tree,
  zeros,
} from "../array/index.ts";
import { type Layer, parameterCount } from "../nn/index.ts";
import { type Figure, meanText, type StudyContext } from "../report/index.ts";
import { type ComparedArm, compareArms, type OnProgress } from "./arms.ts";
import { type IndexBatch, indexBatches } from "./batches.ts";
import { curveOf, curvesFigure, endOfCurve } from "./curves.ts";
import { fit } from "./fit.ts";
import { type GraphImages, indexRange } from "./images.ts";
import { languageOptimizer } from "./language.ts";
import { crossEntropy } from "./losses.ts";
import { progressAt } from "./steps.ts";
import { totalOver } from "./total.ts";

/** What every arm gets. */
export interface ImageBudget {
  readonly steps: number;
  /** Images in a step. */
  readonly batch: number;
  /** Highest learning rates that every arm tries, each with the first seed and in half the steps. */
  readonly rates: readonly number[];
  /** Images that choose the learning rate, at most, and test images that are reported. */
  readonly validation: number;
  readonly test: number;
}

export interface CompareClassifiersOptions {
  /** Layers from rows of pixels, as `GraphImages` gives them, to logits `[batch, classes]`, by name. */
  readonly arms: { readonly [name: string]: Layer<Tree> };
  readonly images: { readonly training: GraphImages; readonly validation: GraphImages; readonly test: GraphImages };
  readonly budget: ImageBudget;
}

/** What is kept of one trained classifier. */
export interface ClassifierOutcome {
  /** Share of the test images that are told rightly, in percent, and the mean cross-entropy on them in nats. */
  readonly accuracy: number;
  readonly loss: number;
  /** Mean loss over the last tenth of training. */
  readonly train: number;
  /** Mean training loss over each twentieth of the steps. */
  readonly curve: readonly number[];
}

/** What came of one arm. */
export interface ClassifierArm extends ComparedArm<ClassifierOutcome> {
  readonly parameters: number;
  /** Operations of products of tensors for one image. */
  readonly flops: number;
}

export type ClassifierComparison = { readonly [name: string]: ClassifierArm };

/**
 * Trains and tests every arm with every seed, by the optimizer and the schedule of `LanguageTraining`. Arms see the same
 * images in the same order for a seed, so that differences are paired. Adds nothing to the report; see
 * `classifierFigures`.
 */
export async function compareClassifiers(
  context: Parameters<typeof compareArms>[0] & Pick<StudyContext, "signal">,
  { arms, images, budget }: CompareClassifiersOptions,
): Promise<ClassifierComparison> {
  const { steps, batch, rates, validation, test } = budget;
  const { signal } = context;
  const train = async (model: Layer<Tree>, rate: number, seed: number, count: number, onProgress: OnProgress) => {
    const result = await fit({
      params: await evaluate(model.init(key(seed))),
      data: indexBatches({ count: images.training.count, batch, seeds: [seed] }),
      loss: (weights: Tree, { indices }: IndexBatch, { key: own, step }) => {
        const { x, labels } = images.training.take(reshape(indices, [-1]));
        return crossEntropy(
          model.apply(weights, x, { training: true, key: own, progress: progressAt(step, count) }),
          labels,
        );
      },
      optimizer: languageOptimizer({ steps: count, batch, rate }),
      steps: count,
      seed,
      signal,
      onProgress,
    });
    signal.throwIfAborted();
    return result;
  };
  const score = async (model: Layer<Tree>, params: Tree, from: GraphImages, most: number) => {
    const count = Math.min(most, from.count);
    const { hits, loss } = await totalOver(
      (weights: Tree, { indices }: { readonly indices: Tensor }) => {
        const { x, labels } = from.take(indices);
        const logits = model.apply(weights, x);
        return {
          hits: sum(cast(equal(cast(argMax(logits, { axis: -1 }), "int32"), labels), "float32")),
          loss: crossEntropy(logits, labels, { reduction: "sum" }),
        };
      },
      params,
      { count, piece: Math.min(100, count), batch: indexRange, signal },
    );
    return { accuracy: (100 * Number(hits.data[0])) / count, loss: Number(loss.data[0]) / count };
  };
  const compared = await compareArms<Layer<Tree>, ClassifierOutcome>(context, {
    arms,
    rates,
    score: async (model, rate, seed, onProgress) => {
      const { params } = await train(model, rate, seed, Math.ceil(steps / 2), onProgress);
      return -(await score(model, params, images.validation, validation)).loss;
    },
    measure: async (model, rate, seed, onProgress) => {
      const { params, history } = await train(model, rate, seed, steps, onProgress);
      return {
        ...(await score(model, params, images.test, test)),
        train: endOfCurve(history.loss),
        curve: curveOf(history.loss),
      };
    },
  });
  const { shape, dtype } = images.training.take(zeros([1], "int32")).x;
  return Object.fromEntries(
    Object.entries(arms).map(([name, model]) => {
      const params = model.init(key(0));
      return [
        name,
        {
          ...(compared[name] as ComparedArm<ClassifierOutcome>),
          parameters: parameterCount(params),
          flops: flopCount((weights: Tree, x: Tensor) => model.apply(weights, x), params, zeros(shape, dtype)),
        },
      ];
    }),
  );
}

/** Test accuracies in percent of an arm, one for each seed. */
export const testAccuracies = (comparison: ClassifierComparison, name: string): readonly number[] =>
  (comparison[name] as ClassifierArm).outcomes.map(({ accuracy }) => accuracy);

/** A table of all arms and the curves of their training, for the report; `task` says what they were trained on. */
export function classifierFigures(
  comparison: ClassifierComparison,
  { steps, batch }: ImageBudget,
  task: string,
): Figure[] {
  const arms = Object.entries(comparison);
  const of = ({ outcomes }: ClassifierArm, pick: (outcome: ClassifierOutcome) => number) => outcomes.map(pick);
  return [
    {
      kind: "table",
      title: `All classifiers, ${task}`,
      caption: `Mean and standard deviation over seeds after ${(steps * batch).toLocaleString("en")} images. Operations are those of products, for one image.`,
      columns: [
        "model",
        "test accuracy, %",
        "test loss, nats",
        "training loss",
        "parameters",
        "MFLOP",
        "learning rate",
      ],
      rows: arms.map(([name, arm]) => [
        name,
        meanText(
          of(arm, ({ accuracy }) => accuracy),
          2,
        ),
        meanText(
          of(arm, ({ loss }) => loss),
          3,
        ),
        meanText(
          of(arm, ({ train }) => train),
          3,
        ),
        arm.parameters,
        Number((arm.flops / 1e6).toPrecision(3)),
        arm.rate,
      ]),
    },
    curvesFigure(Object.fromEntries(arms.map(([name, { outcomes }]) => [name, outcomes[0]?.curve ?? []])), {
      steps,
      unit: "nats",
      title: `Training, ${task}`,
    }),
  ];
}
