/** Encoder-decoder models compared on a task of rewriting: the same pairs, search of learning rates and seeds. */
import { compile, evaluate, item, key, type Tensor, tensor } from "../array/index.ts";
import { BEGIN, END, type Pair, type Rewriting } from "../data/index.ts";
import type { EncoderDecoder, EncoderDecoderParams } from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import { bleu, linearCka, localNeighborhoodSimilarity } from "../probe/index.ts";
import { type Figure, measured, type StudyContext } from "../report/index.ts";
import { translate } from "../serve/index.ts";
import {
  type ComparedArm,
  compareArms,
  fitTranslationModel,
  type OnProgress,
  pairBatch,
  scoreTranslationModel,
  type TranslationScore,
} from "../train/index.ts";

/** What every arm gets. */
export interface TranslationBudget {
  readonly steps: number;
  /** Pairs in a step. */
  readonly batch: number;
  /** Learning rates tried for every arm, each with the first seed in half the steps. */
  readonly rates: readonly number[];
  /** Pairs that choose the learning rate, and pairs that are reported. */
  readonly validation: number;
  readonly test: number;
}

/** Sources whose vectors are compared between models, and neighbours of a token that are compared. */
const COMPARED = 64;
const NEIGHBORS = 10;

/** What is kept of one trained model: figures of test pairs. */
export interface TranslationOutcome extends TranslationScore {
  /** Of greedy translations. */
  readonly bleu: number;
  /** Vectors of the encoder at all tokens of the first sources, one after the other. */
  readonly vectors: Float32Array;
  /** Mean training loss over each twentieth of the steps. */
  readonly curve: readonly number[];
}
/** What came of one arm. */
export interface TranslationArm extends ComparedArm<TranslationOutcome> {
  readonly parameters: number;
}

/**
 * Trains and tests every model with every seed. Models see the same pairs in the same order for a seed, so that
 * differences are paired. Pieces are remembered by the names of task and model.
 */
export async function compareTranslationModels<K extends string>(
  context: StudyContext,
  {
    name,
    task,
    models,
    budget,
  }: {
    readonly name: string;
    readonly task: Rewriting;
    readonly models: { readonly [P in K]: EncoderDecoder };
    readonly budget: TranslationBudget;
  },
): Promise<{ readonly [P in K]: TranslationArm }> {
  const { steps, batch, rates, validation, test } = budget;
  const { signal } = context;
  const { length } = task;
  const arms = Object.entries(models) as [K, EncoderDecoder][];
  const storedName = (arm: K) => `${arm}, ${name}`;
  const train = async (model: EncoderDecoder, rate: number, seed: number, count: number, onProgress: OnProgress) => {
    const trained = await fitTranslationModel({
      model,
      pairs: task.train,
      length,
      steps: count,
      batch,
      rate,
      seed,
      signal,
      onProgress,
    });
    signal.throwIfAborted();
    return trained;
  };
  const [held, reported] = [evenly(task.validation, validation), evenly(task.test, test)];
  const compared = await compareArms<EncoderDecoder, TranslationOutcome>(context, {
    arms: Object.fromEntries(arms.map(([arm, model]) => [storedName(arm), model])),
    rates,
    score: async (model, rate, seed, onProgress) => {
      const { params } = await train(model, rate, seed, Math.ceil(steps / 2), onProgress);
      return -(await scoreTranslationModel(model, params, held, { length, signal })).loss;
    },
    measure: async (model, rate, seed, onProgress) => {
      const { params, history } = await train(model, rate, seed, steps, onProgress);
      return {
        ...(await scoreTranslationModel(model, params, reported, { length, signal })),
        bleu: await bleuOf(model, params, reported, task, signal),
        vectors: await encoded(model, params, reported.slice(0, COMPARED), length),
        curve: pieces(history.loss, 20).map((part) => part.reduce((a, b) => a + b, 0) / part.length),
      };
    },
  });
  const entries = arms.map(([arm, model]) => {
    const outcome = compared[storedName(arm)] as ComparedArm<TranslationOutcome>;
    return [arm, { ...outcome, parameters: parameterCount(model.init(key(0))) }] as const;
  });
  return Object.fromEntries(entries) as { readonly [P in K]: TranslationArm };
}

/** At most so many, spread evenly. */
const evenly = <T>(items: readonly T[], count: number): readonly T[] =>
  items.length <= count
    ? items
    : Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)] as T);

/** Up to `count` pieces of nearly equal length, none empty. */
const pieces = (values: readonly number[], count: number): readonly (readonly number[])[] => {
  const parts = Math.min(count, values.length);
  const cut = (i: number) => Math.floor((i * values.length) / parts);
  return Array.from({ length: parts }, (_, i) => values.slice(cut(i), cut(i + 1)));
};

/** BLEU of greedy translations. */
async function bleuOf(
  model: EncoderDecoder,
  params: EncoderDecoderParams,
  pairs: readonly Pair[],
  task: Rewriting,
  signal: AbortSignal,
): Promise<number> {
  const said: string[][] = [];
  const ROWS = 128;
  for (let start = 0; start < pairs.length; start += ROWS) {
    signal.throwIfAborted();
    const sources = pairs.slice(start, start + ROWS).map(({ source }) => [...source, END]);
    const options = { begin: BEGIN, end: END, maxTokens: task.length.target, signal };
    for (const target of await translate(model, params, sources, options)) said.push(task.words(target));
  }
  return bleu(
    said,
    pairs.map(({ target }) => task.words(target)),
  ).score;
}

/** Vectors of the encoder at all tokens of sources but padding. */
async function encoded(
  model: EncoderDecoder,
  params: EncoderDecoderParams,
  pairs: readonly Pair[],
  length: Rewriting["length"],
): Promise<Float32Array> {
  const { vectors, visible } = await compile((weights: EncoderDecoderParams, source: Tensor) =>
    model.encode(weights, source),
  )(params, pairBatch(pairs, length).source);
  const width = model.config.width;
  return (vectors.data as Float32Array).filter((_, i) => Boolean(visible.data[Math.floor(i / width)]));
}

/** How alike two models represent the same tokens. */
async function alike(a: Float32Array, b: Float32Array, width: number) {
  const [x, y] = [a, b].map((data) => tensor(data, { shape: [data.length / width, width] })) as [Tensor, Tensor];
  const { cka, lns } = await evaluate({
    cka: linearCka(x, y),
    lns: localNeighborhoodSimilarity(x, y, { neighbors: NEIGHBORS }),
  });
  return { cka: item(cka), lns: item(lns) };
}

/** Similarity of an arm's encoder to that of a baseline with the next seed, for each seed. */
export const likeBaseline = ({ outcomes }: TranslationArm, baseline: TranslationArm, width: number) =>
  Promise.all(
    outcomes.map(({ vectors }, s) => {
      const other = baseline.outcomes[(s + 1) % baseline.outcomes.length] as TranslationOutcome;
      return alike(vectors, other.vectors, width);
    }),
  );

/** A table of all models of a task and the curves of their training. `baseline`: what the others are compared with. */
export async function translationFigures<K extends string>(
  name: string,
  results: { readonly [P in K]: TranslationArm },
  { baseline, width, steps }: { readonly baseline: K; readonly width: number; readonly steps: number },
): Promise<Figure[]> {
  const arms = Object.entries(results) as [K, TranslationArm][];
  const text = (values: readonly number[], digits: number) => {
    const { mean, std } = measured(values);
    return `${mean.toFixed(digits)} ± ${std.toFixed(digits)}`;
  };
  const rows = arms.map(async ([arm, { outcomes, parameters, rate }]) => {
    const likeness = await likeBaseline(results[arm], results[baseline], width);
    const column = (pick: (outcome: TranslationOutcome) => number, digits: number) => text(outcomes.map(pick), digits);
    return [
      arm,
      column(({ loss }) => loss, 3),
      column(({ accuracy }) => 100 * accuracy, 1),
      column(({ bleu }) => bleu, 1),
      parameters,
      text(
        likeness.map(({ cka }) => cka),
        2,
      ),
      text(
        likeness.map(({ lns }) => lns),
        2,
      ),
      rate,
    ];
  });
  return [
    {
      kind: "table",
      title: `All models: ${name}`,
      caption: `Mean and standard deviation over seeds, on test pairs; loss and accuracy where all tokens before are given, BLEU of greedy translations. CKA and LNS compare the encoder with that of ${baseline} of another seed.`,
      columns: ["model", "loss, nats/token", "accuracy %", "BLEU", "parameters", "CKA", "LNS", "learning rate"],
      rows: await Promise.all(rows),
    },
    {
      kind: "lines",
      title: `Training: ${name}`,
      caption: "Training loss of the first seed, averaged over twentieths of the steps.",
      x: { label: "steps" },
      y: { label: "nats per token" },
      series: arms.map(([arm, { outcomes }]) => {
        const curve = outcomes[0]?.curve ?? [];
        return { name: arm, points: curve.map((y, i) => ({ x: ((i + 0.5) * steps) / curve.length, y })) };
      }),
    },
  ];
}
