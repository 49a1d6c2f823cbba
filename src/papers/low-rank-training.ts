/** Paper 19: feed-forward layers of low rank trained from the start: their speed, their loss by size, and wider models. */
import { decoder } from "../models/index.ts";
import { ffn, structuredFfn } from "../nn/index.ts";
import { exactly, pairedMeasurement, paper, type Scale, type StudyContext } from "../report/index.ts";
import {
  type LanguageArm,
  type LanguageModel,
  type LanguageSetting,
  languageModelFlops,
  languageSettings,
  languageText,
  testLosses,
} from "../train/index.ts";
import { ffnSpeeds } from "./ffn-times.ts";
import {
  type GroupedArm,
  generationSpeed,
  groupedBlocks,
  lowRank,
  publishedPairs,
  smallPair,
} from "./low-rank-generation.ts";
import { formulaOverGraph, operationsOver, truncationError } from "./low-rank-identities.ts";
import { scalingGroups, scalingPoints, steeperThanDense, widestLosses } from "./low-rank-scaling.ts";
import { compareAtRateOfFirst, type Group } from "./rate-of-first.ts";
import { publishedCountsMet } from "./structured-sizes.ts";

interface Sizes {
  /** Widths of the scaling curves, and tokens of training for each parameter of the dense model. */
  readonly widths: readonly number[];
  readonly tokensPerParameter: number;
  /** The dense model with grouped queries: its width and steps. */
  readonly grouped: { readonly width: number; readonly steps: number };
  /** Sequences that are continued at once, tokens behind each, and calls for one figure. */
  readonly generation: { readonly batch: number; readonly seen: number; readonly calls: number };
}
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: {
    widths: [8, 16],
    tokensPerParameter: 0.02,
    grouped: { width: 16, steps: 4 },
    generation: { batch: 2, seen: 15, calls: 1 },
  },
  small: {
    widths: [24, 32, 48],
    tokensPerParameter: 2.5,
    grouped: { width: 48, steps: 250 },
    generation: { batch: 32, seen: 255, calls: 5 },
  },
  full: {
    widths: [128, 192, 256, 384],
    tokensPerParameter: 20,
    grouped: { width: 384, steps: 20_000 },
    generation: { batch: 64, seen: 255, calls: 9 },
  },
};

const blocksOf = (width: number) => {
  const block = (rank: number) => structuredFfn({ width, hidden: 4 * width, form: "lowRank", rank });
  return { dense: ffn({ width, hidden: 4 * width }), "rank 1/2": block(width / 2), "rank 1/4": block(width / 4) };
};
/** The dense and the structured model with grouped queries; the latter is trained for as many operations. */
function groupedModels(scale: Scale, { vocabulary, heads, depth, budget: { context } }: LanguageSetting): Group {
  const { width, steps } = sizes[scale].grouped;
  const pair = smallPair(width, heads);
  const model = (arm: GroupedArm) =>
    decoder({ vocabulary, context, width, blocks: groupedBlocks(pair, arm, { depth, first: true }) }) as LanguageModel;
  const [dense, structured] = [model("dense"), model("structured")];
  const cost = (of: LanguageModel) => languageModelFlops(of, context).training;
  const longer = Math.round((steps * cost(dense)) / cost(structured));
  return [
    { name: "grouped queries, dense", model: dense, steps },
    { name: "grouped queries, structured", model: structured, steps: longer },
  ];
}

/** Trains all models. Gives the points of the scaling curves, and the losses with grouped queries by model. */
async function trainModels(context: StudyContext) {
  const setting = languageSettings[context.scale];
  const options = { ...sizes[context.scale], setting };
  const scaling = scalingGroups(options);
  const grouped = groupedModels(context.scale, setting);
  const text = await languageText(setting);
  try {
    const { budget } = setting;
    const compared = await compareAtRateOfFirst(context, [...scaling, grouped], { text, budget });
    const points = scalingPoints(context, compared, options, scaling);
    const [dense, structured] = grouped.map(({ name }) => testLosses(compared, name)) as [Losses, Losses];
    const sizesText = grouped.map(
      ({ name, steps }) =>
        `${(compared[name] as LanguageArm).parameters.toLocaleString("en")} parameters and ${steps} steps`,
    );
    context.note(
      `With grouped queries the dense model has ${sizesText[0]}, the structured one ${sizesText[1]}, which are as many operations.`,
    );
    return { points, grouped: pairedMeasurement(structured, dense) };
  } finally {
    text.close();
  }
}

type Losses = readonly number[];

export default paper({
  number: 19,
  slug: "low-rank-training",
  title: "Investigating Low-Rank Training in Transformer Language Models: Efficiency and Scaling Analysis",
  year: 2024,
  source: "Wei, Moalla, Pascanu, Gulcehre; arXiv:2407.09835",
  abstract:
    "Trains language models whose feed-forward matrices are products of two thin ones from the start. With 32 % of the weights these layers are 2.6 times as fast. At equal width they lose a little, but their loss falls more steeply with the operations of training, so that a wide model with low rank and fewer heads beats a dense one.",
  claims: {
    counts: {
      what: "published numbers of parameters, at four sizes, that dense and low-rank models have",
      figure: 12,
      unit: "",
      direction: "equals",
      where: "table of model sizes",
    },
    operations: {
      what: "operations of training by the published formula over those counted in the graph",
      figure: 1,
      unit: "x",
      direction: "equals",
      tolerance: 1e-9,
      where: "scaling analysis",
    },
    truncation: {
      what: "relative difference of the truncation error from the sum of squared singular values left out",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "initialization by a truncated singular value decomposition",
    },
    even: {
      what: "operations of a block with rank 0.8 times the width over those of a dense one",
      figure: 1,
      unit: "x",
      direction: "equals",
      tolerance: 1e-9,
      where: "definition: below it low rank saves operations",
    },
    speed: {
      what: "time of a dense block over that of low rank with 32 % of the weights, most tokens and width timed",
      figure: 2.6,
      unit: "x",
      direction: "atLeast",
      where: "abstract",
    },
    speedLarge: {
      what: "time of a dense block over that of low rank with 63 % of the weights, most tokens and width timed",
      figure: 1.2,
      unit: "x",
      direction: "atLeast",
      where: "our bound; 1.6 times as few operations",
    },
    oneToken: {
      what: "time of a dense block over that of low rank with 32 % of the weights, one token",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "our question: weights must be read for every token",
    },
    half: {
      what: "test loss with rank 1/2 less that with dense layers, widest model",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "scaling curves: low rank loses a little at equal width",
    },
    quarter: {
      what: "test loss with rank 1/4 less that with rank 1/2, widest model",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "scaling curves: low rank loses a little at equal width",
    },
    steeperHalf: {
      what: "exponent of the loss by operations with rank 1/2 less that of dense models",
      figure: 0,
      unit: "",
      direction: "atLeast",
      where: "abstract: steeper scaling curves",
    },
    steeperQuarter: {
      what: "exponent of the loss by operations with rank 1/4 less that of dense models",
      figure: 0,
      unit: "",
      direction: "atLeast",
      where: "abstract: steeper scaling curves",
    },
    grouped: {
      what: "test loss with half the attention and rank 1/2 less that of a dense model, both with grouped queries and as many operations of training",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "abstract: wide and structured networks surpass dense ones",
    },
    generateMedium: {
      what: "time of a generation step of a block of the medium dense model over that of the structured one",
      figure: 1.08,
      unit: "x",
      direction: "atLeast",
      where: "authors' page: 8 % more throughput of the whole model",
    },
    generateLarge: {
      what: "time of a generation step of a block of the large dense model over that of the structured one",
      figure: 1.17,
      unit: "x",
      direction: "atLeast",
      where: "authors' page: 17 % more throughput of the whole model",
    },
  },
  seeds: { smoke: 1, small: 3, full: 3 },
  async run(context) {
    const setting = languageSettings[context.scale];
    const { points, grouped } = await trainModels(context);
    const speed = await ffnSpeeds(context, blocksOf);
    const { generation } = sizes[context.scale];
    const pairs = context.scale === "smoke" ? { medium: smallPair(32, 4), large: smallPair(64, 4) } : publishedPairs;
    const fastest = speed({ slow: "dense", quick: "rank 1/4", tokens: "most" });
    context.note(
      `A block with rank 1/4 needs ${(1 / operationsOver(64, 16)).toFixed(1)} times as few operations as the dense one; the measured speed is ${Math.round(100 * fastest.mean * operationsOver(64, 16))} % of what that allows.`,
    );
    context.note(
      "Models of low rank are trained at the learning rate that is best for the dense one of their width and on as many tokens, as in the source. Blocks of generation are timed without the table of embeddings and the first, dense block of the whole model.",
    );
    return {
      counts: exactly(
        publishedCountsMet(
          (width) => lowRank(width, 1 / 2),
          (width) => lowRank(width, 1 / 4),
        ),
      ),
      operations: exactly(formulaOverGraph(setting)),
      truncation: exactly(await truncationError()),
      even: exactly(operationsOver(40, 32)),
      speed: fastest,
      speedLarge: speed({ slow: "dense", quick: "rank 1/2", tokens: "most" }),
      oneToken: speed({ slow: "dense", quick: "rank 1/4", tokens: "fewest" }),
      half: pairedMeasurement(widestLosses(points, "rank 1/2"), widestLosses(points, "dense")),
      quarter: pairedMeasurement(widestLosses(points, "rank 1/4"), widestLosses(points, "rank 1/2")),
      steeperHalf: steeperThanDense(points, "rank 1/2"),
      steeperQuarter: steeperThanDense(points, "rank 1/4"),
      grouped,
      generateMedium: await generationSpeed(context, "medium", pairs.medium, generation),
      generateLarge: await generationSpeed(context, "large", pairs.large, generation),
    };
  },
});
