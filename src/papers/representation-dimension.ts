/** Paper 69: the stream of the embedded model cut to fewer dimensions, and what the loss of the whole model says of that. */
import { EMBEDDED_MODEL } from "../models/index.ts";
import {
  average,
  exactly,
  fitLine,
  measured,
  pairedMeasurement,
  paper,
  type StudyContext,
  withStd,
} from "../report/index.ts";
import { type RotationKind, rotations, type SlicedPlace, slicedPerplexity } from "../surgery/index.ts";
import type { LanguageScore } from "../train/index.ts";
import { type SliceOutcome, type SliceResults, sliceAll, sliceSizes, ways } from "./sliced-models.ts";
import { slicedTimes, slicedTimesTable, timesAsFast } from "./sliced-times.ts";

/** The relation is said to hold up to this share. */
const FITTED = 0.3;
/** Shares that are cut from the models that are timed. */
const TIMED = [0.1, 0.3];
/** The share at which ways to cut are compared. */
const COMPARED = 0.3;

/** Of the first seed. */
const firstOf = (bySeed: readonly SliceOutcome[] | undefined): SliceOutcome => bySeed?.[0] as SliceOutcome;
const logRatio = (whole: LanguageScore, { score }: SliceOutcome): number => whole.loss / score.loss;
/** The whole model and those cut by principal components up to the largest share of the relation, for one seed. */
const fitted = ({ whole, cut }: SliceResults, seed: number) => [
  { x: 1, y: 1 },
  ...cut.pca.flatMap((bySeed) => {
    const outcome = bySeed[seed] as SliceOutcome;
    return outcome.share <= FITTED + 0.01 ? [{ x: 1 - outcome.share, y: logRatio(whole, outcome) }] : [];
  }),
];

function draw(context: StudyContext, results: SliceResults): void {
  const { whole, cut } = results;
  const lines = (y: (outcome: SliceOutcome) => number) =>
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

function drawPlaces(context: StudyContext, { cut }: SliceResults): void {
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
    const { timed, calls } = sliceSizes[context.scale];
    const times = await slicedTimes(context, timed, { shares: TIMED, calls });
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
      faster: timesAsFast(times.find(({ share, tokens }) => share === 0.3 && tokens === 1) as (typeof times)[number]),
    };
  },
});
