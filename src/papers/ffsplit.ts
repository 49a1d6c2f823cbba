/** Paper 31: the feed-forward units that give most stay whole, the others are compressed. */
import { compile, evaluate, flatten, key, normal, relu, tensor, zeros } from "../array/index.ts";
import { DEFAULT_CORPUS, loadCorpus, type TokenFile } from "../data/index.ts";
import {
  type CorpusTokens,
  corpusTokens,
  type DecoderConfig,
  decoder,
  EMBEDDED_MODEL,
  type FfnConfig,
  loadPretrained,
  modelFolder,
} from "../models/index.ts";
import { ffn, splitFfn } from "../nn/index.ts";
import { heaviestFirst, jaccard, shareOfHeaviest, type UnitNorms } from "../probe/index.ts";
import {
  average,
  exactly,
  measured,
  median,
  pairedMeasurement,
  paper,
  type Scale,
  type StudyContext,
  speedMeasurement,
  timeInTurn,
  withStd,
} from "../report/index.ts";
import {
  type ConfiguredDecoder,
  measureUnits,
  quantizeFfns,
  type RankOptions,
  rankForBudget,
  splitFfns,
  withRank,
} from "../surgery/index.ts";
import {
  fitLanguageModel,
  type LanguageScore,
  type OnProgress,
  pieceProgress,
  scoreLanguageModel,
} from "../train/index.ts";
import { layerTimer } from "./layer-times.ts";

/** Share of the units that stay whole. */
const KEPT = 0.25;
/** Share of the feed-forward weights that is left where matrices of a block shrink by 43.1 % and attention stays. */
const PUBLISHED = 1 - 0.431 * 1.5;
const BUDGETS = [0.7, 0.5, PUBLISHED] as const;
/** Units that count as the heaviest, of all. */
const TOP = 0.1;

interface Sizes {
  /** Tokens that calibrate, windows of validation text that score. */
  readonly tokens: number;
  readonly windows: number;
  /** Steps of brief training, and their rate. */
  readonly steps: number;
  readonly rate: number;
  /** Layers that are timed, and calls a figure; the width and depth of a whole model. */
  readonly timed: readonly { readonly width: number; readonly hidden: number; readonly rows: number }[];
  readonly calls: number;
  readonly model: { readonly width: number; readonly heads: number; readonly depth: number };
}
const timed = [
  { width: 768, hidden: 3072, rows: 1 },
  { width: 1024, hidden: 4096, rows: 1 },
  { width: 768, hidden: 3072, rows: 64 },
];
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: {
    ...{ tokens: 512, windows: 2, steps: 1, rate: 3e-4, calls: 2 },
    timed: [{ width: 64, hidden: 256, rows: 1 }],
    model: { width: 64, heads: 2, depth: 1 },
  },
  small: {
    ...{ tokens: 8192, windows: 16, steps: 30, rate: 5e-4, calls: 7, timed },
    model: { width: 768, heads: 12, depth: 4 },
  },
  full: {
    ...{ tokens: 100_000, windows: Number.POSITIVE_INFINITY, steps: 1000, rate: 3e-4, calls: 51, timed },
    model: { width: 768, heads: 12, depth: 12 },
  },
};

/** Ways to compress to a budget: which units stay whole, and whether factors know what layers read. */
const ways = {
  "heaviest by mean": { kept: KEPT, aware: true },
  "heaviest by frequency": { kept: KEPT, aware: true, score: "frequency" },
  "any units": { kept: KEPT, aware: true, select: "random" },
  "lightest units": { kept: KEPT, aware: true, select: "lightest" },
  "no units": { kept: 0, aware: true },
  "no units, plain SVD": { kept: 0, aware: false },
} as const satisfies Record<string, RankOptions & { readonly aware: boolean }>;
type Way = keyof typeof ways;
const wayNames = Object.keys(ways) as Way[];
/** Those that are trained on for a few steps at the published size. */
const tunedWays = ["heaviest by mean", "any units", "no units"] as const satisfies readonly Way[];

/** Bits of the units that are kept and of the others; all need 5 bits a weight on average. */
const roundings = {
  "heaviest 8 bits, others 4": { kept: KEPT, keptBits: 8, bits: 4 },
  "any 8 bits, others 4": { kept: KEPT, keptBits: 8, bits: 4, select: "random" },
  "all 5 bits": { kept: 1, keptBits: 5, bits: 5 },
} as const satisfies Record<string, RankOptions & { readonly keptBits: number; readonly bits: number }>;
type Rounding = keyof typeof roundings;
const roundingNames = Object.keys(roundings) as Rounding[];
const GROUP = 32;

/** What one part of the text, that of a seed, gives. */
interface Outcome {
  readonly ways: { readonly [W in Way]: readonly LanguageScore[] };
  readonly tuned: { readonly [W in (typeof tunedWays)[number]]: LanguageScore };
  readonly rounded: { readonly [R in Rounding]: LanguageScore };
  /** Largest difference of the loss at full rank, over the loss. */
  readonly difference: number;
  /** For each layer: what the heaviest tenth gives of all, and its likeness in two halves of the part. */
  readonly layers: readonly { readonly share: number; readonly likeness: number }[];
  /** Scores of the first layer by falling mean norm, over their sum. */
  readonly profile: readonly number[];
}

/** A part of a text: the `index`th of `count` equal ones. */
function partOf(text: TokenFile, index: number, count: number): TokenFile {
  const length = Math.floor(text.length / count);
  return { length, read: (start, n) => text.read(index * length + start, n), close: () => undefined };
}

/** Results by name, one after the other. */
async function each<N extends string, R>(names: readonly N[], fn: (name: N) => Promise<R>) {
  const results: Partial<Record<N, R>> = {};
  for (const name of names) results[name] = await fn(name);
  return results as { readonly [K in N]: R };
}

/** Compresses the embedded model in every way, calibrated by one part of the training text. */
async function compress(
  context: StudyContext,
  model: ConfiguredDecoder,
  text: CorpusTokens,
  index: number,
  next: (stage: string) => OnProgress,
): Promise<Outcome> {
  const { tokens, windows, steps, rate } = sizes[context.scale];
  const { signal, seeds } = context;
  const seed = seeds[index] as number;
  const window = model.config.context;
  const score = ({ config, params }: ConfiguredDecoder) =>
    scoreLanguageModel(decoder(config), params, text.validation, { context: window, windows, batch: 8, signal });
  const part = partOf(text.train, index, seeds.length);
  const norms = await measureUnits(model, part, { tokens, products: true, top: TOP, signal });
  const halves = await Promise.all(
    [0, 1].map((half) => measureUnits(model, partOf(part, half, 2), { tokens: tokens / 2, signal })),
  );
  const tuned: Partial<Record<Way, LanguageScore>> = {};
  let difference = 0;
  const before = await score(model);
  const scores = await each(wayNames, async (way) => {
    const onProgress = next(way);
    const whole = await splitFfns(model, norms, { ...ways[way], seed });
    // Once with units whole and once without any: the others differ from these in which units they are.
    if (way === "heaviest by mean" || way === "no units")
      difference = Math.max(difference, Math.abs((await score(whole)).loss - before.loss) / before.loss);
    const list: LanguageScore[] = [];
    for (const budget of BUDGETS) {
      const cut = await withRank(whole, (layer) => rankForBudget(layer, budget));
      list.push(await score(cut));
      if (budget !== PUBLISHED || !tunedWays.includes(way as never)) continue;
      const built = decoder(cut.config);
      const training = { steps, rate, batch: 8, context: Math.min(128, window), seed, signal, onProgress };
      const { params } = await fitLanguageModel({ model: built, params: cut.params, data: text.train, ...training });
      signal.throwIfAborted();
      tuned[way] = await score({ config: cut.config, params });
    }
    return list;
  });
  const rounded = await each(roundingNames, async (name) => {
    next(name);
    return score(await quantizeFfns(model, norms, { ...roundings[name], group: GROUP, seed }));
  });
  const heaviest = ({ mean }: UnitNorms) => heaviestFirst(mean).subarray(0, Math.round(TOP * mean.length));
  const first = (norms[0] as UnitNorms).mean;
  const sum = first.reduce((a, b) => a + b, 0);
  return {
    ...{ ways: scores, tuned: tuned as Outcome["tuned"], rounded, difference },
    layers: norms.map((layer, l) => ({
      share: shareOfHeaviest(layer.mean, TOP),
      likeness: jaccard(heaviest(halves[0]?.[l] as UnitNorms), heaviest(halves[1]?.[l] as UnitNorms)),
    })),
    profile: Array.from(heaviestFirst(first), (unit) => (first[unit] as number) / sum),
  };
}

interface Results {
  readonly dense: LanguageScore;
  readonly outcomes: readonly Outcome[];
}

/** A model too small to say anything, for runs that check the mechanism only. */
async function tinyModel({ vocabulary }: Pick<DecoderConfig, "vocabulary">) {
  const block = [{ mixer: { kind: "attention", heads: 2 } }, { ffn: { kind: "dense", hidden: 64 } }] as const;
  const model = decoder({ vocabulary, context: 32, width: 16, blocks: [block, block] });
  return { model, params: await evaluate(model.init(key(0))) };
}

async function compressAll(context: StudyContext): Promise<Results> {
  const { tokenizer, ...embedded } = await loadPretrained(modelFolder(EMBEDDED_MODEL));
  if (!tokenizer) throw new Error(`${EMBEDDED_MODEL} has no tokenizer.json`);
  const { model, params } = context.scale === "smoke" ? await tinyModel(embedded.model.config) : embedded;
  const text = await corpusTokens(await loadCorpus(DEFAULT_CORPUS), { tokenizer });
  const { windows } = sizes[context.scale];
  const total = context.seeds.length * (wayNames.length + roundingNames.length);
  const next = pieceProgress(context, { total, unit: "models" });
  try {
    const options = { context: model.config.context, windows, batch: 8, signal: context.signal };
    const dense = await context.remember("dense", () => scoreLanguageModel(model, params, text.validation, options));
    const outcomes = await context.overSeeds((seed, index) =>
      context.remember(`compressed, part ${index} of ${context.seeds.length}, seed ${seed}`, () =>
        compress(context, { config: model.config, params }, text, index, next),
      ),
    );
    return { dense, outcomes };
  } finally {
    text.close();
  }
}

/** Names of the sizes that are timed: dense, and split with these shares of its weights. */
const timedBudgets = { half: 0.5, published: PUBLISHED } as const;

const splitOf = (width: number, hidden: number, budget: number) => {
  const kept = Math.round(KEPT * hidden);
  return { hidden, kept, rank: rankForBudget({ width, hidden, kept }, budget) };
};

/** Times of single layers with random weights. */
async function timeLayers(context: StudyContext) {
  const { timed: layers, calls } = sizes[context.scale];
  const results = [];
  for (const { width, hidden, rows } of layers) {
    const x = await evaluate(normal(key(3), [rows, width]));
    const split = (budget: number) => splitFfn({ width, ...splitOf(width, hidden, budget), activation: relu });
    const time = await layerTimer(
      {
        dense: ffn({ width, hidden, activation: relu }),
        half: split(timedBudgets.half),
        published: split(timedBudgets.published),
      },
      key(1),
    );
    const many = { calls: rows === 1 ? calls : Math.max(2, Math.ceil(calls / 3)), signal: context.signal };
    const times = await time(x, many);
    results.push({ ...{ width, hidden, rows }, times });
  }
  return results;
}

/** Times of a token that a whole model writes after 32 others: dense, and with its feed-forward layers split. */
async function timeModel(context: StudyContext) {
  const { model, calls } = sizes[context.scale];
  const { width, heads, depth } = model;
  const seen = 32;
  const prepare = async (layer: FfnConfig) => {
    const block = [{ mixer: { kind: "attention", heads } }, { ffn: layer }] as const;
    const config: DecoderConfig = { vocabulary: 512, context: seen + 1, width, blocks: Array(depth).fill(block) };
    const built = decoder(config);
    const params = await evaluate(built.init(key(0)));
    const cache = await evaluate(built.cache({ batch: 1, length: seen + 1 }));
    const [token, before] = [zeros([1, 1], "int32"), tensor(Int32Array.of(seen))];
    const run = compile(
      (weights: typeof params, state: typeof cache) => built.extend(weights, token, state, before)[0],
    );
    const weights = flatten(params.blocks).leaves.reduce((total, x) => total + (x.rank === 2 ? x.size : 0), 0);
    return { call: () => run(params, cache), weights };
  };
  const hidden = 4 * width;
  const dense = await prepare({ kind: "dense", hidden, activation: "relu" });
  const split = await prepare({ kind: "split", ...splitOf(width, hidden, PUBLISHED), activation: "relu" });
  const times = await timeInTurn({ dense: dense.call, split: split.call }, { calls, signal: context.signal });
  return { times, smaller: 1 - split.weights / dense.weights };
}

function draw(
  context: StudyContext,
  { dense, outcomes }: Results,
  layers: Awaited<ReturnType<typeof timeLayers>>,
  whole: Awaited<ReturnType<typeof timeModel>>,
): void {
  const short = (value: number, digits = 3): number => Number(value.toPrecision(digits));
  context.figure({
    kind: "lines",
    title: "Loss against the share of feed-forward weights that is left",
    caption: "Nats per token on validation text, nothing trained; bars are one standard deviation over calibrations.",
    x: { label: "% of the feed-forward weights" },
    y: { label: "nats per token" },
    series: wayNames.map((name) => ({
      name,
      points: BUDGETS.map((budget, b) =>
        withStd(
          100 * budget,
          outcomes.map(({ ways: w }) => w[name][b]?.loss as number),
        ),
      ),
    })),
    reference: { y: dense.loss, label: "dense" },
  });
  const kept = (score: (outcome: Outcome) => LanguageScore) =>
    short((100 * average(outcomes.map((outcome) => score(outcome).accuracy))) / dense.accuracy, 4);
  context.figure({
    kind: "table",
    title: `${(100 * PUBLISHED).toFixed(1)} % of the feed-forward weights left, then trained on`,
    caption: `Means over calibrations; ${sizes[context.scale].steps} steps for each.`,
    columns: ["whole units", "accuracy kept before, %", "after, %", "loss before", "after"],
    rows: tunedWays.map((way) => [
      way,
      kept((o) => o.ways[way][2] as LanguageScore),
      kept((o) => o.tuned[way]),
      short(average(outcomes.map((o) => o.ways[way][2]?.loss as number)), 4),
      short(average(outcomes.map((o) => o.tuned[way].loss)), 4),
    ]),
  });
  context.figure({
    kind: "table",
    title: "Weights in few bits, 5 a weight on average",
    caption: `Simulated: rounded in groups of ${GROUP} and computed in float32, so that nothing is said of speed. Dense: ${dense.loss.toFixed(4)} nats.`,
    columns: ["bits", "loss above dense, nats"],
    rows: roundingNames.map((name) => [
      name,
      short(average(outcomes.map(({ rounded }) => rounded[name].loss - dense.loss))),
    ]),
  });
  const profile = outcomes[0]?.profile ?? [];
  context.figure({
    kind: "lines",
    title: "What units of the first layer give",
    caption: "Mean norm of what a unit adds to the stream, over the sum of all, by rank.",
    x: { label: "rank of the unit" },
    y: { label: "share of the summed norms" },
    series: [
      {
        name: "first layer",
        points: profile.flatMap((y, i) => (y > 0 && (i < 20 || i % 16 === 0) ? [{ x: i + 1, y }] : [])),
      },
    ],
  });
  context.figure({
    kind: "table",
    title: "Rows through a layer with a quarter of its units whole",
    caption: "Medians in milliseconds a layer, timed in stacks of layers; random weights.",
    columns: ["rows at once", "width", "hidden units", "dense", "50 % of the weights", "ratio", "35.4 %", "ratio"],
    rows: layers.map(({ width, hidden, rows, times }) => [
      ...[rows, width, hidden],
      ...[median(times.dense), median(times.half), speedMeasurement(times.dense, times.half).mean].map((v) => short(v)),
      ...[median(times.published), speedMeasurement(times.dense, times.published).mean].map((v) => short(v)),
    ]),
  });
  const { width, depth } = sizes[context.scale].model;
  context.figure({
    kind: "table",
    title: `A token of a whole model, ${depth} blocks of width ${width}`,
    caption: "Medians in milliseconds after 32 tokens, timed in turn; random weights.",
    columns: ["dense", "split", "ratio", "matrices of blocks smaller by, %"],
    rows: [
      [
        short(median(whole.times.dense)),
        short(median(whole.times.split)),
        short(speedMeasurement(whole.times.dense, whole.times.split).mean),
        short(100 * whole.smaller),
      ],
    ],
  });
}

/** Shares of the weights of the published example: width 768, 3,072 units, 768 of them whole, rank 192. */
function exampleShare(): number {
  const [width, hidden] = [768, 3072];
  const layer = splitFfn({ width, hidden, kept: 768, rank: 192, activation: relu, bias: false });
  const weights = flatten(layer.init(key(0))).leaves.reduce((total, { size }) => total + size, 0);
  return weights / (2 * width * hidden);
}

export default paper({
  number: 31,
  slug: "ffsplit",
  title: "FFSplit: Split Feed-Forward Network For Optimizing Accuracy-Efficiency Trade-off",
  year: 2024,
  source: "Liu and others; arXiv:2401.04044",
  abstract:
    "A few hidden units of a trained feed-forward layer give much for almost every token, most give something for few. The layer is split: units that give most stay whole, the maps of the others are compressed hard, by products of low rank or few bits.",
  claims: {
    identity: {
      what: "difference of the loss at full rank, over the loss, the largest of two ways to split",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition: units in another order, matrices in factors",
    },
    half: {
      what: "weights of a split layer of width 768 with 3,072 units, 768 whole, rank 192, of the dense one's",
      figure: 0.5,
      unit: "",
      direction: "equals",
      where: "definition: 2,359,296 of 4,718,592",
    },
    share: {
      what: "summed norms that the heaviest tenth of the units gives, the layer where it is least",
      figure: 20,
      unit: "%",
      direction: "atLeast",
      where: "heavy hitters; 20, twice an even share, is our bound",
    },
    stable: {
      what: "likeness (Jaccard) of the heaviest tenth in two halves of the text, mean over layers",
      figure: 0.7,
      unit: "",
      direction: "atLeast",
      where: "heavy for almost every token; 0.7 is our bound",
    },
    svd: {
      what: "loss at half of the weights: no units whole less the heaviest whole",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "the split is better than compressing all",
    },
    random: {
      what: "loss at half of the weights: any units whole less the heaviest whole",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "it matters which units stay",
    },
    lightest: {
      what: "loss at half of the weights: the lightest units whole less any",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "it matters which units stay",
    },
    bits: {
      what: "loss: 8 bits for any quarter of the units less 8 bits for the heaviest, 4 for the others",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "it matters which units stay precise",
    },
    kept: {
      what: "accuracy kept at the published size, matrices of blocks smaller by 43.1 %, after brief training",
      figure: 99,
      unit: "%",
      direction: "atLeast",
      where: "abstract: negligible drop; 1 % is our bound",
    },
    layer: {
      what: "one row through a layer with half of the weights: dense over split, the size where it gains least",
      figure: 1.25,
      unit: "x",
      direction: "atLeast",
      where: "abstract: 1.25 to 1.56x, there of whole models",
    },
    model: {
      what: "a token written by a model of the published size: dense over split",
      figure: 1.25,
      unit: "x",
      direction: "atLeast",
      where: "abstract: 1.25 to 1.56x",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  next: [`convert ${EMBEDDED_MODEL} --with ffsplit --out models/split`],
  async run(context) {
    const results = await compressAll(context);
    const layers = await context.remember("times of layers", () => timeLayers(context));
    const whole = await context.remember("times of a model", () => timeModel(context));
    draw(context, results, layers, whole);
    const { dense, outcomes } = results;
    const at = (way: Way, budget: number) => outcomes.map(({ ways: w }) => w[way][budget]?.loss as number);
    const rounded = (name: Rounding) => outcomes.map((o) => o.rounded[name].loss);
    const least = layers
      .filter(({ rows }) => rows === 1)
      .map(({ times }) => speedMeasurement(times.dense, times.half))
      .reduce((a, b) => (b.mean < a.mean ? b : a));
    context.note(
      "Each seed calibrates on a part of the training text of its own. Factors know what layers read (our addition), except where they are called plain.",
    );
    context.note(
      "The embedded model is small and its units are ReLU; layers and the whole model are timed at the size of BERT-base, with random weights. The bits are simulated.",
    );
    return {
      identity: measured(outcomes.map(({ difference }) => difference)),
      half: exactly(exampleShare()),
      share: measured(outcomes.map((o) => 100 * Math.min(...o.layers.map(({ share }) => share)))),
      stable: measured(outcomes.map((o) => average(o.layers.map(({ likeness }) => likeness)))),
      svd: pairedMeasurement(at("no units", 1), at("heaviest by mean", 1)),
      random: pairedMeasurement(at("any units", 1), at("heaviest by mean", 1)),
      lightest: pairedMeasurement(at("lightest units", 1), at("any units", 1)),
      bits: pairedMeasurement(rounded("any 8 bits, others 4"), rounded("heaviest 8 bits, others 4")),
      kept: measured(
        outcomes.map((o) => (100 * o.tuned["heaviest by mean"].accuracy) / Math.max(dense.accuracy, 1e-12)),
      ),
      layer: least,
      model: speedMeasurement(whole.times.dense, whole.times.split),
    };
  },
});
