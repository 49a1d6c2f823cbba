/** Paper 6: a translator whose decoder has no feed-forward layers and whose encoder layers share a wide one. */
import {
  type Corpus,
  cipherTranslation,
  DEFAULT_CORPUS,
  loadCorpus,
  type Rewriting,
  vowelRestoration,
} from "../data/index.ts";
import { type EncoderDecoder, encoderDecoder } from "../models/index.ts";
import {
  exactly,
  measured,
  pairedMeasurement,
  paper,
  type Scale,
  type StudyContext,
  speedMeasurement,
} from "../report/index.ts";
import { decodeTimes, decodeTimesTable, translationTimes } from "./decode-times.ts";
import {
  type Arm,
  armNames,
  big,
  configOf,
  gradientError,
  type Shape,
  squaresOf,
  storedLayers,
} from "./one-wide-models.ts";
import {
  compareTranslationModels,
  likeBaseline,
  type TranslationBudget,
  translationFigures,
} from "./translation-arms.ts";

interface Budget extends TranslationBudget {
  readonly tasks: { readonly [name: string]: (corpus: Corpus) => Rewriting };
  readonly shape: Omit<Shape, "vocabulary" | "context">;
  /** The sizes at which decoding is timed, and how often. */
  readonly timed: Shape;
  readonly rounds: number;
  readonly calls: number;
}

/** A little of a corpus. */
const beginning = (corpus: Corpus): Corpus => ({ ...corpus, train: corpus.train.slice(0, 40) });

const budgets: Readonly<Record<Scale, Budget>> = {
  smoke: {
    tasks: {
      translation: (corpus) => cipherTranslation(beginning(corpus), { words: 50, longest: 6 }),
      "vowel restoration": (corpus) => vowelRestoration(beginning(corpus), { bytes: 12 }),
    },
    shape: { width: 16, heads: 2, layers: 1 },
    steps: 4,
    batch: 8,
    rates: [5e-3],
    validation: 64,
    test: 64,
    timed: { ...big, width: 64, heads: 2, layers: 2, vocabulary: 1000 },
    rounds: 2,
    calls: 2,
  },
  small: {
    tasks: { translation: (corpus) => cipherTranslation(corpus, { words: 500, longest: 8 }) },
    shape: { width: 64, heads: 4, layers: 2 },
    steps: 800,
    batch: 32,
    rates: [3e-3, 5e-3, 8e-3],
    validation: 512,
    test: 1024,
    timed: big,
    rounds: 7,
    calls: 2,
  },
  full: {
    tasks: {
      translation: (corpus) => cipherTranslation(corpus, { words: 4000 }),
      "vowel restoration": (corpus) => vowelRestoration(corpus),
    },
    shape: { width: 512, heads: 8, layers: 6 },
    steps: 20_000,
    batch: 128,
    rates: [1e-4, 3e-4, 1e-3],
    validation: 2048,
    test: 4096,
    timed: big,
    rounds: 11,
    calls: 9,
  },
};

/** Tokens read and written where decoding is timed at the paper's sizes. */
const TIMED_LENGTH = 32;

/** Sizes of the models for a task. */
const shapeOf = (scale: Scale, { vocabulary, length }: Rewriting): Shape => ({
  ...budgets[scale].shape,
  vocabulary,
  context: Math.max(length.source, length.target),
});

/** Trains all variants on a task, and draws what came of them. */
async function compareVariants(context: StudyContext, name: string, task: Rewriting) {
  const budget = budgets[context.scale];
  const shape = shapeOf(context.scale, task);
  const models = Object.fromEntries(armNames.map((arm) => [arm, encoderDecoder(configOf(arm, shape))])) as {
    readonly [A in Arm]: EncoderDecoder;
  };
  const results = await compareTranslationModels(context, { name, task, models, budget });
  const options = { baseline: "baseline", width: shape.width, steps: budget.steps } as const;
  for (const figure of await translationFigures(name, results, options)) context.figure(figure);
  return results;
}

/** The times of baseline and One Wide at the paper's sizes and at those that were trained. */
async function times(context: StudyContext, trained: Shape) {
  const { timed, rounds, calls } = budgets[context.scale];
  const modelsOf = (shape: Shape) => ({
    baseline: encoderDecoder(configOf("baseline", shape)),
    "One Wide": encoderDecoder(configOf("One Wide", shape)),
  });
  context.progress({ stage: "timing decoding", done: 0, total: 2 });
  const small = await decodeTimes(context, "trained size", {
    models: modelsOf(trained),
    length: trained.context,
    rounds,
    calls: 10 * calls,
  });
  context.progress({ stage: "timing decoding", done: 1, total: 2 });
  const large = await decodeTimes(context, `width ${timed.width}`, {
    models: modelsOf(timed),
    length: TIMED_LENGTH,
    rounds,
    calls,
  });
  const title = ({ layers, width }: Shape) => `Decoding with ${layers} + ${layers} layers of width ${width}`;
  context.figure(decodeTimesTable(title(timed), large, TIMED_LENGTH));
  context.figure(decodeTimesTable(title(trained), small, trained.context));
  return { small, large };
}

export default paper({
  number: 6,
  slug: "one-wide-ffn",
  title: "One Wide Feedforward is All You Need",
  year: 2023,
  source: "Pires, Lopes, Assogba, Setiawan; WMT 2023, arXiv:2309.01826",
  abstract:
    "Feed-forward layers hold more than half of the weights of a translator and repeat each other. Those of the decoder can go, and all layers of the encoder can use a single one, at a small cost in quality. Widening that one until the model is as large as before gives back more than was lost, and the decoder, which works token by token, stays as quick as it became.",
  claims: {
    baseline: {
      what: "weights of the layers of Transformer Big, over the square of the width",
      figure: 168,
      unit: "",
      direction: "equals",
      where: "definition: 6·12 in the encoder, 6·16 in the decoder",
    },
    slim: {
      what: "weights of the layers of SharedEncNoDec, over the square of the width",
      figure: 80,
      unit: "",
      direction: "equals",
      where: "definition: 6·4 + 8 in the encoder, 6·8 in the decoder",
    },
    wide: {
      what: "weights of the layers of One Wide, over the square of the width",
      figure: 168,
      unit: "",
      direction: "equals",
      where: "definition: as large as the baseline",
    },
    stored: {
      what: "feed-forward layers that are stored for the six of One Wide",
      figure: 1,
      unit: "",
      direction: "equals",
      where: "definition",
    },
    gradient: {
      what: "gradient of a shared layer less the sum of those of copies, largest relative difference",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "chain rule",
    },
    slimBleu: {
      what: "BLEU of SharedEncNoDec less that of the baseline",
      figure: -1,
      unit: "points",
      direction: "atLeast",
      where: "abstract: a modest drop; 1 point is our bound",
    },
    wideBleu: {
      what: "BLEU of One Wide less that of the baseline",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: substantial gains at the same size, there on WMT22",
    },
    wideSlim: {
      what: "BLEU of One Wide less that of SharedEncNoDec",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: widening gives back what sharing lost",
    },
    control: {
      what: "test loss without feed-forward layers in the encoder (NoEncSharedDec) less that without them in the decoder",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "those of the encoder matter more; no figure in the abstract",
    },
    alike: {
      what: "CKA of the encoders of One Wide and a baseline, over that of two baselines",
      figure: 0.9,
      unit: "",
      direction: "atLeast",
      where: "sharing keeps representations alike; 0.9 is our bound",
    },
    token: {
      what: "time of a token written by the baseline over that of One Wide, Transformer Big",
      figure: 1.1,
      unit: "x",
      direction: "atLeast",
      where: "abstract: quicker at the same size; 1.1 is our bound",
    },
    translation: {
      what: "time of reading 32 tokens and writing 32 with the baseline over that with One Wide, Transformer Big",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "our question: reading is what the wide layer makes slower",
    },
    smallToken: {
      what: "time of a token written by the baseline over that of One Wide, trained size",
      figure: 1.1,
      unit: "x",
      direction: "atLeast",
      where: "our bound",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  async run(context) {
    const corpus = await loadCorpus(DEFAULT_CORPUS);
    const made = Object.entries(budgets[context.scale].tasks).map(([name, make]) => [name, make(corpus)] as const);
    const [[name, task], ...others] = made as [(typeof made)[number], ...typeof made];
    const results = await compareVariants(context, name, task);
    for (const other of others) await compareVariants(context, ...other);
    const shape = shapeOf(context.scale, task);
    const { small, large } = await times(context, shape);
    context.note(
      "Without a parallel corpus, the task is translation from an invented language into English phrases of Moby Dick and presidents' speeches: words stand in reverse order, and two English words share each foreign one.",
    );
    const { steps, batch } = budgets[context.scale];
    context.note(
      `Every model has ${steps} steps of ${batch} pairs, in which it must find by itself which word of the source belongs to which of the target. What is reported is therefore also how fast models learn that, and models with fewer layers may learn it faster.`,
    );
    context.note(
      "The wide layer is applied in every layer of the encoder, which reads a source with many times the operations of the baseline; only writing becomes cheaper. Where operations are cheap and writing waits for memory, as on the paper's GPUs, the whole translation gains; on few cores and for short targets it need not.",
    );
    const [likeness, usual] = await Promise.all(
      (["One Wide", "baseline"] as const).map((arm) => likeBaseline(results[arm], results.baseline, shape.width)),
    );
    const bleus = (arm: Arm) => results[arm].outcomes.map(({ bleu }) => bleu);
    const losses = (arm: Arm) => results[arm].outcomes.map(({ loss }) => loss);
    return {
      baseline: exactly(squaresOf(configOf("baseline", big))),
      slim: exactly(squaresOf(configOf("SharedEncNoDec", big))),
      wide: exactly(squaresOf(configOf("One Wide", big))),
      stored: exactly(storedLayers(configOf("One Wide", big))),
      gradient: exactly(await gradientError()),
      slimBleu: pairedMeasurement(bleus("SharedEncNoDec"), bleus("baseline")),
      wideBleu: pairedMeasurement(bleus("One Wide"), bleus("baseline")),
      wideSlim: pairedMeasurement(bleus("One Wide"), bleus("SharedEncNoDec")),
      control: pairedMeasurement(losses("NoEncSharedDec"), losses("SharedEncNoDec")),
      alike: measured((likeness ?? []).map(({ cka }, s) => cka / (usual?.[s]?.cka ?? Number.NaN))),
      token: speedMeasurement(large.baseline.token, large["One Wide"].token),
      translation: speedMeasurement(
        translationTimes(large.baseline, TIMED_LENGTH),
        translationTimes(large["One Wide"], TIMED_LENGTH),
      ),
      smallToken: speedMeasurement(small.baseline.token, small["One Wide"].token),
    };
  },
});
