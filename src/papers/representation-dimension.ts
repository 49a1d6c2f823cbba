/** Paper 69: the stream of the embedded model cut to fewer dimensions, and what the loss of the whole model says of that. */
import { compile, evaluate } from "../array/index.ts";
import { DEFAULT_CORPUS, loadCorpus, type TokenFile, tokensWithin } from "../data/index.ts";
import {
  corpusTokens,
  type DecoderConfig,
  decoder,
  EMBEDDED_MODEL,
  loadPretrained,
  modelFolder,
} from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import {
  average,
  exactly,
  fitLine,
  measured,
  pairedMeasurement,
  paper,
  type Scale,
  type StudyContext,
  withStd,
} from "../report/index.ts";
import {
  type ConfiguredDecoder,
  type RotationKind,
  rotations,
  type SlicedPlace,
  slicedPerplexity,
  sliceStream,
} from "../surgery/index.ts";
import { inputsAndTargets, type LanguageScore, scoreLanguageModel, spreadWindows } from "../train/index.ts";
import { slicedTimes, slicedTimesTable, type TimedShape, timesAsFast } from "./sliced-times.ts";

interface Sizes {
  /** Shares of the dimensions that are cut; the relation is fitted to those up to `FITTED`. */
  readonly shares: readonly number[];
  /** Tokens that calibrate, windows of validation text that score. */
  readonly tokens: number;
  readonly windows: number;
  readonly timed: readonly TimedShape[];
  readonly calls: number;
}
const large = { width: 1024, hidden: 2816, depth: 4 };
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: {
    ...{ shares: [0.3], tokens: 256, windows: 1, calls: 2 },
    timed: [{ width: 64, hidden: 96, depth: 1, tokens: 1 }],
  },
  small: {
    shares: [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    ...{ tokens: 4096, windows: 16, calls: 7 },
    timed: [
      { ...large, tokens: 1 },
      { ...large, tokens: 64 },
    ],
  },
  full: {
    shares: [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8],
    ...{ tokens: 65_536, windows: 256, calls: 51 },
    timed: [
      { ...large, tokens: 1 },
      { ...large, tokens: 256 },
      { width: 2048, hidden: 5632, depth: 4, tokens: 1 },
    ],
  },
};

/** The relation is said to hold up to this share. */
const FITTED = 0.3;
/** Shares that are cut from the models that are timed. */
const TIMED = [0.1, 0.3];
/** The share at which ways to cut are compared. */
const COMPARED = 0.3;

/** A model whose stream was cut. */
interface Outcome {
  /** Share that was cut, in whole dimensions. */
  readonly share: number;
  readonly score: LanguageScore;
  readonly parameters: number;
  /** Those of the formula less those that there are. */
  readonly uncounted: number;
  readonly places: readonly SlicedPlace[];
}

interface Results {
  readonly whole: LanguageScore;
  /** Largest difference of a logit without a cut, over the largest logit. */
  readonly difference: number;
  /** By way, share and seed. */
  readonly cut: { readonly [R in RotationKind]: readonly (readonly Outcome[])[] };
}

/** Parts of the training text, one for each seed in turn, that calibrate. */
const PARTS = 8;
function calibrationText(train: TokenFile, seed: number): TokenFile {
  const length = Math.floor(train.length / PARTS);
  return tokensWithin(train, (seed % PARTS) * length, length);
}

/**
 * Parameters of a model of the embedded kind with a stream of `kept` dimensions: matrices on the stream have that share of
 * their numbers, tables and head too, and each change of basis adds a square.
 */
function parametersByFormula(config: Required<DecoderConfig>, kept: number, changes: number): number {
  const { vocabulary, context, width, blocks } = config;
  const hidden = blocks.reduce(
    (total, block) =>
      total + block.reduce((sum, each) => sum + ("ffn" in each && each.ffn.kind === "dense" ? each.ffn.hidden : 0), 0),
    0,
  );
  const depth = blocks.length;
  const matrices = kept * (2 * vocabulary + context + 4 * depth * width + 2 * hidden);
  const biases = depth * (3 * width + 2 * kept) + hidden + vocabulary;
  return matrices + biases + (2 * depth + 1) * kept + changes * kept ** 2;
}

async function sliceAll(context: StudyContext): Promise<Results> {
  const { shares, tokens, windows } = sizes[context.scale];
  const { signal, seeds } = context;
  const { model, params, tokenizer } = await loadPretrained(modelFolder(EMBEDDED_MODEL));
  if (!tokenizer) throw new Error(`${EMBEDDED_MODEL} has no tokenizer.json`);
  const source: ConfiguredDecoder = { config: model.config, params };
  const text = await corpusTokens(await loadCorpus(DEFAULT_CORPUS), { tokenizer });
  const score = ({ config, params: weights }: ConfiguredDecoder) =>
    scoreLanguageModel(decoder(config), weights, text.validation, {
      ...{ context: model.config.context, windows, batch: 8, signal },
    });
  const total = 2 + rotations.length * shares.length * seeds.length;
  let done = 0;
  const next = (stage: string) => context.progress({ stage, done: done++, total, unit: "models" });
  try {
    next("the whole model");
    const whole = await context.remember("whole", () => score(source));
    next("a turn without a cut");
    const difference = await context.remember("difference", () => turnedDifference(source, text, signal));
    const cut: Partial<Record<RotationKind, Outcome[][]>> = {};
    for (const rotation of rotations) {
      cut[rotation] = [];
      for (const share of shares)
        cut[rotation].push(
          await context.overSeeds((seed) => {
            next(`${share} cut, ${ways[rotation]}`);
            return context.remember(`${rotation}, ${share}, seed ${seed}`, async () => {
              const calibration = calibrationText(text.train, seed);
              const made = await sliceStream(source, { share, rotation, tokens, text: calibration, seed, signal });
              const parameters = parameterCount(made.params);
              const changes = rotation === "pca" ? 2 * model.config.blocks.length : 0;
              return {
                ...{ share: 1 - made.kept / made.width, score: await score(made), places: made.places, parameters },
                uncounted: parametersByFormula(model.config, made.kept, changes) - parameters,
              };
            });
          }),
        );
    }
    return { whole, difference, cut: cut as Results["cut"] };
  } finally {
    text.close();
  }
}

/** The largest difference of a logit after turning to principal components at each place, over the largest logit. */
async function turnedDifference(
  source: ConfiguredDecoder,
  text: { readonly train: TokenFile; readonly validation: TokenFile },
  signal: AbortSignal,
): Promise<number> {
  const turned = await sliceStream(source, { share: 0, text: text.train, tokens: 512, signal });
  const { tokens } = spreadWindows(text.validation, { context: source.config.context, windows: 1 }).batch(0, 1);
  const input = await evaluate(inputsAndTargets(tokens)[0]);
  const [a, b] = await Promise.all(
    [source, turned].map(
      async ({ config, params }) => (await compile(decoder(config).apply)(params, input)).data as Float32Array,
    ),
  );
  const largest = (a as Float32Array).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return (a as Float32Array).reduce((most, v, i) => Math.max(most, Math.abs(v - (b?.[i] as number))), 0) / largest;
}

const ways = { pca: "principal components", random: "a random basis", none: "axes with the most energy" } as const;

/** Of the first seed. */
const firstOf = (bySeed: readonly Outcome[] | undefined): Outcome => bySeed?.[0] as Outcome;
const logRatio = (whole: LanguageScore, { score }: Outcome): number => whole.loss / score.loss;
/** The whole model and those cut by principal components up to the largest share of the relation, for one seed. */
const fitted = ({ whole, cut }: Results, seed: number) => [
  { x: 1, y: 1 },
  ...cut.pca.flatMap((bySeed) => {
    const outcome = bySeed[seed] as Outcome;
    return outcome.share <= FITTED + 0.01 ? [{ x: 1 - outcome.share, y: logRatio(whole, outcome) }] : [];
  }),
];

function draw(context: StudyContext, results: Results): void {
  const { whole, cut } = results;
  const lines = (y: (outcome: Outcome) => number) =>
    rotations.map((rotation) => ({
      name: ways[rotation],
      points: cut[rotation].map((bySeed) => withStd(100 * firstOf(bySeed).share, bySeed.map(y))),
    }));
  const spans = cut.pca.map((bySeed) => firstOf(bySeed).share);
  context.figure({
    kind: "lines",
    title: "Perplexity against the share of dimensions that is cut",
    caption:
      "Validation text; bars are one standard deviation over seeds, which change the random basis and the calibration text.",
    x: { label: "% of the dimensions cut" },
    y: { label: "perplexity", log: true },
    series: [
      ...lines(({ score }) => score.perplexity),
      {
        name: "predicted from the whole model",
        points: [0, ...spans].map((share) => ({ x: 100 * share, y: slicedPerplexity(whole.perplexity, share) })),
      },
    ],
    reference: { y: whole.perplexity, label: "whole" },
  });
  context.figure({
    kind: "lines",
    title: "The relation: ln PPL of the whole over ln PPL of the cut",
    caption: "The paper's relation is the diagonal, 1 - share.",
    x: { label: "% of the dimensions left" },
    y: { label: "ratio of log perplexities" },
    series: [
      ...rotations.map((rotation) => ({
        name: ways[rotation],
        points: cut[rotation].map((bySeed) =>
          withStd(
            100 * (1 - firstOf(bySeed).share),
            bySeed.map((outcome) => logRatio(whole, outcome)),
          ),
        ),
      })),
      {
        name: "predicted from the whole model",
        points: [1, ...spans.map((s) => 1 - s)].map((x) => ({ x: 100 * x, y: x })),
      },
    ],
  });
  context.figure({
    kind: "lines",
    title: "Next tokens held likeliest",
    x: { label: "% of the dimensions cut" },
    y: { label: "% of tokens" },
    series: lines(({ score }) => 100 * score.accuracy),
    reference: { y: 100 * whole.accuracy, label: "whole" },
  });
  drawPlaces(context, results);
}

function drawPlaces(context: StudyContext, { cut }: Results): void {
  const indices = [...new Set([0, cut.pca.length >> 1, cut.pca.length - 1])];
  const outcomes = indices.map((i) => firstOf(cut.pca[i]));
  context.figure({
    kind: "table",
    title: "Places that read the stream",
    caption:
      "Principal components, the first seed: how many directions what is read fills (participation ratio, before much is cut), and the share of its energy that is kept.",
    columns: [
      "place",
      "effective rank",
      ...outcomes.map(({ share }) => `kept with ${(100 * share).toFixed(0)} % cut, %`),
    ],
    rows: firstOf(cut.pca[0]).places.map(({ place, effectiveRank }, p) => [
      place,
      Number((effectiveRank ?? 0).toFixed(1)),
      ...outcomes.map(({ places }) => Number((100 * (places[p] as SlicedPlace).energy).toFixed(3))),
    ]),
  });
}

/** Where slicing a block of 12 width² weights saves nothing: 12·x + 2·x² = 12 for the share x that is left. */
const breakEven = (): number => 1 - (-12 + Math.sqrt(12 ** 2 + 4 * 2 * 12)) / 4;

export default paper({
  number: 69,
  slug: "representation-dimension",
  title: "How can representation dimension dominate structurally pruned LLMs?",
  year: 2025,
  source: "Xu, Alazraki, Mandic; arXiv:2503.04377; slicing after Ashkboos et al. 2024 (SliceGPT), arXiv:2401.15024",
  abstract:
    "A trained model's stream of vectors can be turned into another basis at each place that reads it, without changing what the model computes. In the basis of its principal components the directions that carry least are cut, and every matrix on the stream shrinks. The paper relates what is left to the share that was cut: the logarithm of the perplexity grows as one over the share of the dimensions that is left, whatever the model.",
  claims: {
    identity: {
      what: "difference of logits after turning the stream at each place without a cut, over the largest logit",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition: a basis and its inverse",
    },
    parameters: {
      what: "parameters of cut models beyond those of the formula, all ways and shares",
      figure: 0,
      unit: "",
      direction: "equals",
      where: "definition: matrices on the stream have the share that is left, and a square for each change of basis",
    },
    breakEven: {
      what: "share below which a cut of a block of 12 width² weights saves none, with a change of basis before each sublayer",
      figure: 12.702,
      unit: "%",
      direction: "equals",
      tolerance: 0.001,
      where: "definition: 12·x + 2·x² = 12",
    },
    predicted: {
      what: "perplexity predicted for a model of 8.28 with 30 % cut",
      figure: 20.49,
      unit: "",
      direction: "equals",
      tolerance: 0.005,
      where: "the relation, for the perplexity of Llama-3-8B-Instruct",
    },
    slope: {
      what: "slope of ln PPL of the whole over ln PPL of the cut, against the share that is left, up to 30 % cut",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.1,
      where: "the relation; the tolerance is ours",
    },
    straight: {
      what: "R² of that line",
      figure: 0.9,
      unit: "",
      direction: "atLeast",
      where: "the relation; the bound is ours",
    },
    ratio: {
      what: "predicted perplexity over the measured one with 30 % cut",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.05,
      where: "abstract: predicts without evaluation; the tolerance is ours",
    },
    components: {
      what: "loss with 30 % cut: principal components less a random basis",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "SliceGPT: components are why it works",
    },
    axes: {
      what: "loss with 30 % cut: a random basis less the stream's own axes with the most energy",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: is any turn better than none",
    },
    faster: {
      what: "a token through a model of width 1,024, whole over 30 % cut",
      figure: 1.1,
      unit: "x",
      direction: "atLeast",
      where: "our bound; 22 % of the weights of its blocks are gone",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  next: [
    `convert ${EMBEDDED_MODEL} --with slice --set share=0.25 --out models/sliced`,
    `generate models/sliced --prompt "The whale"`,
  ],
  async run(context) {
    const results = await sliceAll(context);
    const { timed, calls } = sizes[context.scale];
    const times = await slicedTimes(context, timed, { shares: TIMED, calls, rounds: 5 });
    draw(context, results);
    context.figure(slicedTimesTable(times));
    const { whole, cut, difference } = results;
    const lines = context.seeds.map((_, s) => fitLine(fitted(results, s)));
    const at = cut.pca.findIndex((bySeed) => Math.abs(firstOf(bySeed).share - COMPARED) < 0.02);
    const lossOf = (rotation: RotationKind): number[] => (cut[rotation][at] ?? []).map(({ score }) => score.loss);
    const ranks = firstOf(cut.pca[0]).places.map(({ effectiveRank }) => effectiveRank ?? 0);
    context.note(
      `The embedded model has a perplexity of ${whole.perplexity.toFixed(2)} and its stream 256 dimensions, of which what is read fills ${average(ranks).toFixed(0)} on average by the participation ratio. What the relation gives depends on the loss of the whole model alone; where a stream has room to spare, the first dimensions that are cut cost less than it says.`,
    );
    return {
      identity: exactly(difference),
      parameters: exactly(
        Math.max(...rotations.flatMap((rotation) => cut[rotation].flat().map(({ uncounted }) => Math.abs(uncounted)))),
      ),
      breakEven: exactly(100 * breakEven()),
      predicted: exactly(slicedPerplexity(8.28, 0.3)),
      slope: measured(lines.map(({ slope }) => slope)),
      straight: measured(lines.map(({ rSquared }) => rSquared)),
      ratio: measured(
        (cut.pca[at] ?? []).map(({ share, score }) => slicedPerplexity(whole.perplexity, share) / score.perplexity),
      ),
      components: pairedMeasurement(lossOf("pca"), lossOf("random")),
      axes: pairedMeasurement(lossOf("random"), lossOf("none")),
      faster: measured(
        timesAsFast(times.find(({ share, tokens }) => share === 0.3 && tokens === 1) as (typeof times)[number]),
      ),
    };
  },
});
