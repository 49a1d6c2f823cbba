/** Language models compared at equal cost: the same tokens, the same search of learning rates, the same seeds. */
import { flatten, key, type Tree } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { parameterCount } from "../nn/index.ts";
import { type Figure, meanText, type StudyContext } from "../report/index.ts";
import { type ComparedArm, compareArms, type OnProgress } from "./arms.ts";
import { curveOf, curvesFigure, endOfCurve } from "./curves.ts";
import {
  fitLanguageModel,
  type LanguageModel,
  type LanguageTraining,
  languageModelFlops,
  scoreLanguageModel,
} from "./language.ts";

/** What every arm gets. */
export interface LanguageBudget extends Omit<LanguageTraining, "rate" | "seed"> {
  /** Learning rates that every arm tries, each with the first seed and in half the steps. */
  readonly rates: readonly number[];
  /** Windows of validation text that choose the learning rate. */
  readonly validation: number;
  /** Windows of test text that are reported. */
  readonly test: number;
}

export interface CompareLanguageOptions<E = undefined> {
  readonly arms: { readonly [name: string]: LanguageModel };
  readonly text: { readonly train: TokenFile; readonly validation: TokenFile; readonly test: TokenFile };
  readonly budget: LanguageBudget;
  /** What else to keep of each trained model, by the name of its arm: plain data and typed arrays. */
  readonly examine?: (name: string, params: Tree, seed: number) => Promise<E>;
}

/** What is kept of one trained model. */
export interface LanguageOutcome<E = undefined> {
  /** Mean cross-entropy on test text in nats per token. */
  readonly test: number;
  /** Mean loss over the last tenth of training. */
  readonly train: number;
  /** Training speed, compilation left out. */
  readonly tokensPerSecond: number;
  /** Mean training loss over each twentieth of the steps. */
  readonly curve: readonly number[];
  /** What `examine` gave. */
  readonly examined: E;
}

/** What came of one arm. */
export interface LanguageArm<E = undefined> extends ComparedArm<LanguageOutcome<E>> {
  /** Trained numbers in all, and those outside the tables of embeddings and the head. */
  readonly parameters: number;
  readonly bodyParameters: number;
  /** Operations for one token of products of tensors. */
  readonly flops: { readonly inference: number; readonly training: number };
}

export type LanguageComparison<E = undefined> = { readonly [name: string]: LanguageArm<E> };

/** Tables that grow with the vocabulary and the context, not with the model's depth. */
const outside = /^(embedding|positions|head)\./;

/**
 * Trains and tests every arm with every seed. Arms see the same batches in the same order for a seed, so that
 * differences are paired. Adds nothing to the report; see `languageFigures`.
 */
export async function compareLanguageModels<E = undefined>(
  context: StudyContext,
  { arms, text, budget, examine }: CompareLanguageOptions<E>,
): Promise<LanguageComparison<E>> {
  const { rates, validation, test, ...training } = budget;
  const { signal } = context;
  const train = async (model: LanguageModel, rate: number, seed: number, steps: number, onProgress: OnProgress) => {
    let tokensPerSecond = 0;
    const result = await fitLanguageModel({
      ...training,
      steps,
      rate,
      seed,
      model,
      data: text.train,
      signal,
      onProgress: (at) => {
        tokensPerSecond = at.examplesPerSecond ?? 0;
        onProgress(at);
      },
    });
    signal.throwIfAborted();
    return { ...result, tokensPerSecond };
  };
  const score = async (model: LanguageModel, params: never, file: TokenFile, windows: number) =>
    (await scoreLanguageModel(model, params, file, { context: training.context, windows, signal })).loss;
  const names = new Map(Object.entries(arms).map(([name, model]) => [model, name]));
  const compared = await compareArms<LanguageModel, LanguageOutcome<E>>(context, {
    arms,
    rates,
    score: async (model, rate, seed, onProgress) => {
      const { params } = await train(model, rate, seed, Math.ceil(training.steps / 2), onProgress);
      return -(await score(model, params as never, text.validation, validation));
    },
    measure: async (model, rate, seed, onProgress) => {
      const { params, history, tokensPerSecond } = await train(model, rate, seed, training.steps, onProgress);
      return {
        test: await score(model, params as never, text.test, test),
        train: endOfCurve(history.loss),
        tokensPerSecond,
        curve: curveOf(history.loss),
        examined: (await examine?.(names.get(model) as string, params, seed)) as E,
      };
    },
  });
  return Object.fromEntries(
    Object.entries(arms).map(([name, model]) => {
      const params = model.init(key(0));
      const { leaves, paths } = flatten(params);
      const parameters = parameterCount(params);
      const tables = leaves.filter((_, i) => outside.test(paths[i] as string));
      const bodyParameters = parameters - tables.reduce((total, { size }) => total + size, 0);
      return [
        name,
        {
          ...(compared[name] as ComparedArm<LanguageOutcome<E>>),
          parameters,
          bodyParameters,
          flops: languageModelFlops(model, training.context),
        },
      ];
    }),
  );
}

/** Values of one figure of an arm, one for each seed. */
export const testLosses = (comparison: LanguageComparison<unknown>, name: string): readonly number[] =>
  (comparison[name] as LanguageArm<unknown>).outcomes.map(({ test }) => test);

/** A table of all arms and the curves of their training, for the report. `tokens`: those of one training. */
export function languageFigures(
  comparison: LanguageComparison<unknown>,
  { steps, batch, context }: LanguageBudget,
): Figure[] {
  const arms = Object.entries(comparison);
  return [
    {
      kind: "table",
      title: "All language models",
      caption: `Mean and standard deviation over seeds after ${(steps * batch * context).toLocaleString("en")} tokens. Operations are those of products, for one token.`,
      columns: [
        "model",
        "test loss, nats/token",
        "training loss",
        "parameters",
        "without embeddings",
        "inference MFLOP",
        "training MFLOP",
        "tokens/s",
        "learning rate",
      ],
      rows: arms.map(([name, { outcomes, parameters, bodyParameters, flops, rate }]) => [
        name,
        meanText(
          outcomes.map(({ test }) => test),
          3,
        ),
        meanText(
          outcomes.map(({ train }) => train),
          3,
        ),
        parameters,
        bodyParameters,
        Number((flops.inference / 1e6).toPrecision(3)),
        Number((flops.training / 1e6).toPrecision(3)),
        meanText(
          outcomes.map(({ tokensPerSecond }) => tokensPerSecond),
          0,
        ),
        rate,
      ]),
    },
    curvesFigure(Object.fromEntries(arms.map(([name, { outcomes }]) => [name, outcomes[0]?.curve ?? []])), {
      steps,
      unit: "nats per token",
    }),
  ];
}
