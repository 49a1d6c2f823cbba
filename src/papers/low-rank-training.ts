/** Paper 19: feed-forward layers of low rank trained from the start: their speed, their loss by size, and wider models. */
import { evaluate, flopCount, key, matmul, normal, zeros } from "../array/index.ts";
import { decoder } from "../models/index.ts";
import { ffn, structuredFfn } from "../nn/index.ts";
import { exactly, measured, pairedMeasurement, paper, type Scale, type StudyContext } from "../report/index.ts";
import { truncatedSvd } from "../surgery/index.ts";
import {
  type LanguageArm,
  type LanguageModel,
  type LanguageSetting,
  languageModelFlops,
  languageSettings,
  languageText,
  testLosses,
} from "../train/index.ts";
import { type FfnTimes, ffnTimes, ffnTimesTable } from "./ffn-times.ts";
import { generationSpeed, groupedBlocks, lowRank, publishedPairs, smallPair } from "./low-rank-generation.ts";
import { compareAtRateOfFirst, scalingPoints, steeperThanDense, widestLosses } from "./low-rank-scaling.ts";
import { familyConfig, publishedCountsMet } from "./structured-sizes.ts";

interface Sizes {
  /** Widths of the scaling curves, and tokens of training for each parameter of the dense model. */
  readonly widths: readonly number[];
  readonly tokensPerParameter: number;
  /** The dense model with grouped queries: its width and steps. */
  readonly grouped: { readonly width: number; readonly steps: number };
  /** Blocks that are timed. */
  readonly blocks: {
    readonly widths: readonly number[];
    readonly tokens: readonly number[];
    readonly rounds: number;
    readonly work: number;
  };
  /** Sequences that are continued at once, tokens behind each, and calls for one figure. */
  readonly generation: { readonly batch: number; readonly seen: number; readonly calls: number };
}
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: {
    widths: [8, 16],
    tokensPerParameter: 0.02,
    grouped: { width: 16, steps: 4 },
    blocks: { widths: [32], tokens: [1, 16], rounds: 2, work: 32 },
    generation: { batch: 2, seen: 15, calls: 1 },
  },
  small: {
    widths: [24, 32, 48],
    tokensPerParameter: 3,
    grouped: { width: 48, steps: 300 },
    blocks: { widths: [1024, 2048], tokens: [1, 16, 128, 1024], rounds: 5, work: 256 },
    generation: { batch: 32, seen: 255, calls: 5 },
  },
  full: {
    widths: [128, 192, 256, 384],
    tokensPerParameter: 20,
    grouped: { width: 384, steps: 20_000 },
    blocks: { widths: [256, 512, 1024, 2048, 4096], tokens: [1, 16, 128, 1024, 2048], rounds: 7, work: 2048 },
    generation: { batch: 64, seen: 255, calls: 9 },
  },
};

const blocksOf = (width: number) => {
  const block = (rank: number) => structuredFfn({ width, hidden: 4 * width, form: "lowRank", rank });
  return { dense: ffn({ width, hidden: 4 * width }), "rank 1/2": block(width / 2), "rank 1/4": block(width / 4) };
};
type Block = keyof ReturnType<typeof blocksOf>;

/** Operations for a block of this rank over those of the dense one. */
function operationsOver(width: number, rank: number): number {
  const x = zeros([1, width]);
  const [dense, low] = [
    ffn({ width, hidden: 4 * width }),
    structuredFfn({ width, hidden: 4 * width, form: "lowRank", rank }),
  ];
  return flopCount(low.apply, low.init(key(0)), x) / flopCount(dense.apply, dense.init(key(0)), x);
}

/** Operations of training by the published formula over those in the graph: of dense and low-rank models the one farther from 1. */
function formulaOverGraph(setting: LanguageSetting): number {
  const { vocabulary, width, depth, budget } = setting;
  const shape = { ...setting, context: budget.context };
  const ratios = [undefined, lowRank(width, 1 / 4)].map((layer) => {
    const { training } = languageModelFlops(decoder(familyConfig(shape, layer)) as LanguageModel, budget.context);
    const attention = 2 * (2 * width * width + 2 * width * width + 2 * budget.context * width);
    const dense = 2 * 8 * width * width;
    const weights = dense + (depth - 1) * (layer ? (5 / 16) * dense : dense);
    return (3 * (depth * attention + weights + 2 * vocabulary * width)) / training;
  });
  return ratios.reduce((far, ratio) => (Math.abs(ratio - 1) > Math.abs(far - 1) ? ratio : far));
}

/** How far the error of a truncated decomposition is from the sum of the squares that were left out, relatively. */
async function truncationError(): Promise<number> {
  const weight = await evaluate(normal(key(6), [24, 96], { std: 0.02, dtype: "float64" }));
  const whole = truncatedSvd(weight, 24);
  // Each factor has the roots of the singular values, so the squared lengths of its columns are these values.
  const values = Array.from({ length: 24 }, (_, j) =>
    Array.from({ length: 24 }, (_, i) => Number(whole.inner.data[24 * i + j]) ** 2).reduce((a, b) => a + b),
  );
  const rank = 6;
  const { inner, weight: outer } = truncatedSvd(weight, rank);
  const near = await evaluate(matmul(inner, outer));
  const error = near.data as Float64Array;
  const squares = error.reduce((total, value, i) => total + (value - Number(weight.data[i])) ** 2, 0);
  const left = values.slice(rank).reduce((total, value) => total + value ** 2, 0);
  return Math.abs(squares / left - 1);
}

/** Loss of the structured model with grouped queries less that of the dense one, after as many operations of training. */
async function groupedModels(
  context: StudyContext,
  text: Awaited<ReturnType<typeof languageText>>,
  setting: LanguageSetting,
) {
  const { width, steps } = sizes[context.scale].grouped;
  const { vocabulary, heads, depth, budget } = setting;
  const pair = smallPair(width, heads);
  const model = (arm: "dense" | "structured") =>
    decoder({
      vocabulary,
      context: budget.context,
      width,
      blocks: groupedBlocks(pair, arm, { depth, first: true }),
    }) as LanguageModel;
  const [dense, structured] = [model("dense"), model("structured")];
  const cost = (of: LanguageModel) => languageModelFlops(of, budget.context).training;
  const longer = Math.round((steps * cost(dense)) / cost(structured));
  const named = (arm: string) => `grouped queries, ${arm}`;
  const compared = await compareAtRateOfFirst(
    context,
    [
      { name: named("dense"), model: dense, steps },
      { name: named("structured"), model: structured, steps: longer },
    ],
    { text, budget },
  );
  const parameters = (arm: string) => (compared[named(arm)] as LanguageArm).parameters.toLocaleString("en");
  context.note(
    `With grouped queries the structured model has ${parameters("structured")} parameters, the dense one ${parameters("dense")}; ${longer} steps of the former are as many operations as ${steps} of the latter.`,
  );
  return pairedMeasurement(testLosses(compared, named("structured")), testLosses(compared, named("dense")));
}

async function trainModels(context: StudyContext) {
  const { widths, tokensPerParameter } = sizes[context.scale];
  const shared = languageSettings[context.scale];
  const setting = { ...shared, budget: { ...shared.budget, batch: Math.ceil(shared.budget.batch / 2) } };
  const text = await languageText(setting);
  try {
    const points = await scalingPoints(context, { text, setting, widths, tokensPerParameter });
    return { points, grouped: await groupedModels(context, text, setting) };
  } finally {
    text.close();
  }
}

async function timeBlocks(context: StudyContext) {
  const { widths, ...rest } = sizes[context.scale].blocks;
  const all: FfnTimes<Block>[number][] = [];
  for (const width of widths) all.push(...(await ffnTimes(context, { width, layers: blocksOf(width), ...rest })));
  context.figure(ffnTimesTable(all, "dense"));
  /** How many times as quick as the dense one a block is at the largest width, for this place among the tokens. */
  return (block: Block, place: number) => {
    const found = all.find((one) => one.width === widths.at(-1) && one.tokens === rest.tokens.at(place));
    const { times } = found as FfnTimes<Block>[number];
    return measured(times.dense.map((ms, i) => ms / (times[block][i] as number)));
  };
}

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
    const speed = await timeBlocks(context);
    const { generation } = sizes[context.scale];
    const pairs = context.scale === "smoke" ? { medium: smallPair(32, 4), large: smallPair(64, 4) } : publishedPairs;
    const fastest = speed("rank 1/4", -1);
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
      speedLarge: speed("rank 1/2", -1),
      oneToken: speed("rank 1/4", 0),
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
