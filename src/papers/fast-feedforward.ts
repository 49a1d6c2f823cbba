/** Paper 20: fast feed-forward layers with load balancing and a master leaf, on MNIST at the paper's own sizes. */
import { join } from "#platform";
import { add, compile, evaluate, key, mean, mul, normal, relu, type Tensor, type Tree } from "../array/index.ts";
import { available, type ImageSetName, loadImages, pixelStatistics } from "../data/index.ts";
import {
  decisionEntropy,
  ensemble,
  fastFeedForward,
  ffn,
  initMembers,
  loadBalanceLoss,
  parameterCount,
  type RoutedLayer,
  sharedExpert,
  type TreeRouting,
} from "../nn/index.ts";
import { conditionalAgreement, type RoutedScore, routedScores, usageEntropy } from "../probe/index.ts";
import {
  average,
  exactly,
  type Measurement,
  measured,
  median,
  type Point,
  paper,
  type Scale,
  SkippedError,
  type StudyContext,
  speedMeasurement,
  timeInTurn,
  withStd,
} from "../report/index.ts";
import {
  adamW,
  constant,
  cosine,
  crossEntropy,
  fitTogether,
  type GraphImages,
  geometric,
  type IndexBatch,
  imagesInGraph,
  indexBatches,
  type LoopOptions,
  type Progress,
  phases,
  type Schedule,
  type StepContext,
  searchRates,
} from "../train/index.ts";

/** Leaf width, depth; parameters in all and read for one image; accuracies in the file names of the released models. */
const settings = [
  { leafWidth: 8, depth: 1, parameters: 13_525, used: 7_155, both: 94.8, balance: 93.46 },
  { leafWidth: 4, depth: 2, parameters: 15_115, used: 4_760, both: 94.7, balance: 91.39 },
  { leafWidth: 2, depth: 3, parameters: 18_295, used: 3_955, both: 94.1, balance: 91.0 },
  { leafWidth: 1, depth: 4, parameters: 24_655, used: 3_945, both: 93.8, balance: 89.0 },
  { leafWidth: 8, depth: 4, parameters: 113_695, used: 9_510, both: 95.1 },
  { leafWidth: 4, depth: 5, parameters: 126_415, used: 7_115, both: 95.0 },
  { leafWidth: 2, depth: 6, parameters: 151_855, used: 6_310, both: 93.7 },
  { leafWidth: 1, depth: 7, parameters: 202_735, used: 6_300, both: 91.6 },
] as const satisfies readonly Setting[];

interface Setting {
  readonly leafWidth: number;
  readonly depth: number;
  readonly parameters: number;
  readonly used: number;
  readonly both: number;
  readonly balance?: number;
}

/** The original layer and the paper's two additions, alone and together. */
const variants = {
  plain: { title: "FFF", balance: 0, master: false },
  balance: { title: "+ balance", balance: 1, master: false },
  master: { title: "+ master leaf", balance: 0, master: true },
  both: { title: "+ both", balance: 1, master: true },
} as const;
type Variant = keyof typeof variants;
const variantNames = Object.keys(variants) as Variant[];

interface Budget {
  readonly settings: readonly Setting[];
  readonly images: number;
  /** Epochs soft and epochs hardening, in the runs and in the search of learning rates. */
  readonly epochs: readonly [number, number];
  readonly search: readonly [number, number];
  readonly rates: readonly number[];
  /** The weight of hardening at the end; it starts from the paper's 3. */
  readonly harden: number;
  /** Layers whose inference is timed, and calls a figure. */
  readonly timed: readonly Timed[];
  readonly calls: number;
}

/** A dense layer, and depths of the trees that have its units in their leaves. */
interface Timed {
  readonly width: number;
  readonly hidden: number;
  readonly outputs: number;
  readonly depths: readonly number[];
}
/** That of the experiments, and the feed-forward block of a small transformer. */
const timed: readonly Timed[] = [
  { width: 784, hidden: 128, outputs: 10, depths: [1, 2, 3, 4, 5, 6, 7] },
  { width: 768, hidden: 3072, outputs: 768, depths: [1, 2, 3, 4, 5, 6, 7, 8] },
];

const budgets: Readonly<Record<Scale, Budget>> = {
  smoke: {
    settings: settings.slice(2, 4),
    images: 2_560,
    epochs: [4, 4],
    search: [1, 1],
    rates: [3e-3, 1e-2],
    harden: 300,
    timed: timed.map((layer) => ({ ...layer, depths: [1, 6] })),
    calls: 2,
  },
  small: {
    settings,
    images: 54_000,
    epochs: [2, 2],
    search: [0.4, 0.4],
    rates: [5e-3, 1e-2, 2e-2],
    harden: 300,
    timed,
    calls: 9,
  },
  full: {
    settings,
    images: 54_000,
    epochs: [300, 300],
    search: [5, 5],
    rates: [3e-4, 1e-3, 3e-3],
    harden: 3,
    timed,
    calls: 9,
  },
};
const BATCH = 256;
const STEPS_PER_RUN = 21;

/** A routed classifier and the weight of its balancing loss. */
interface Arm {
  readonly layer: RoutedLayer<Tree, TreeRouting>;
  readonly balance: number;
}
type Arms = Readonly<Record<string, Arm>>;

const tree = (leafWidth: number, depth: number) => fastFeedForward({ width: 784, outputs: 10, depth, leafWidth });
const masterLeaf = ffn({ width: 784, hidden: 8, outputs: 10, activation: relu });
const armOf = ({ leafWidth, depth }: Setting, variant: Variant): Arm => {
  const { master, balance } = variants[variant];
  const routed = tree(leafWidth, depth);
  return {
    layer: master ? sharedExpert({ routed, shared: masterLeaf }) : routed,
    balance,
  };
};
/** A dense layer is a tree of one leaf. */
const denseArm = (width: number): Arm => ({ layer: tree(width, 0), balance: 0 });
const nameOf = ({ leafWidth, depth }: Setting, variant: Variant): string => `${leafWidth},${depth} ${variant}`;
const denseName = (width: number): string => `dense ${width}`;

/** Parameters read for one image; like the paper, without the scalar that blends the master leaf in. */
const costOf = ({ leafWidth, depth }: Setting, variant: Variant): number =>
  tree(leafWidth, depth).usedParameterCount + (variants[variant].master ? parameterCount(masterLeaf.init(key(0))) : 0);

const denseCost = (width: number): number => tree(width, 0).usedParameterCount;

/** Hidden units of the dense layers that an arm is held against. */
const rivals = {
  "equal cost": (setting: Setting, variant: Variant) => Math.round((costOf(setting, variant) - 10) / 795),
  "equal inference width": ({ leafWidth }: Setting, variant: Variant) => leafWidth + (variants[variant].master ? 8 : 0),
  "equal training width": ({ leafWidth, depth }: Setting) => leafWidth * 2 ** depth,
};
const pairsOf = (chosen: readonly Setting[]) =>
  chosen.flatMap((setting) => variantNames.map((variant) => [setting, variant] as const));
function armsOf(chosen: readonly Setting[]): Arms {
  const pairs = pairsOf(chosen);
  const widths = [
    128,
    ...pairs.flatMap(([setting, variant]) => Object.values(rivals).map((width) => width(setting, variant))),
  ];
  return Object.fromEntries([
    ...pairs.map(([setting, variant]) => [nameOf(setting, variant), armOf(setting, variant)]),
    ...widths.map((width) => [denseName(width), denseArm(width)]),
  ]);
}

/** `CE + h·hardening + α·balancing`, summed over the seeds of an arm; h and α follow the step. */
const lossOf =
  ({ layer, balance }: Arm, images: GraphImages, h: Schedule, alpha: Schedule) =>
  (params: Tree, { indices }: IndexBatch, { step }: StepContext): Tensor => {
    const { x, labels } = images.take(indices);
    const route = layer.route(params, x);
    const error = crossEntropy(layer.mix(params, x, route.probabilities), labels);
    const hardening = mul(h(step), decisionEntropy(route.logits));
    const balancing = balance > 0 ? mul(mul(alpha(step), balance), mean(loadBalanceLoss(route))) : 0;
    return mul(add(add(error, hardening), balancing), indices.shape[0] as number);
  };

/**
 * Trains all arms and seeds in one graph: first soft and balanced, then hardened without balancing. The paper hardens
 * with a weight of 3 for 300 epochs; in a hundredth of the steps that leaves deep trees soft, so at small scale the
 * weight grows, for all arms alike.
 */
async function train(
  { seeds, signal, scale }: StudyContext,
  images: GraphImages,
  arms: Arms,
  epochs: Budget["epochs"],
  rateOf: (arm: string) => number,
  loop: Pick<LoopOptions, "checkpoint"> & Required<Pick<LoopOptions, "onProgress">>,
): Promise<Readonly<Record<string, Tree>>> {
  const data = indexBatches({ count: images.count, batch: BATCH, seeds });
  const [soft, hard] = epochs.map((count) => Math.round(count * data.stepsPerEpoch)) as [number, number];
  const h = phases([soft, constant(1)], [hard, geometric({ from: 3, to: budgets[scale].harden, steps: hard })]);
  const alpha = phases([soft, constant(1)], [hard, constant(0)]);
  const schedule = phases([soft, cosine({ from: 1, to: 0.1, steps: soft })], [hard, cosine({ from: 1, steps: hard })]);
  const members = Object.entries(arms).map(async ([name, arm]) => {
    const params = await initMembers(arm.layer, seeds);
    return [name, { params, rate: rateOf(name), loss: lossOf(arm, images, h, alpha) }] as const;
  });
  const models = Object.fromEntries(await Promise.all(members));
  const optimizer = (learningRate: Schedule) => adamW({ learningRate });
  const steps = soft + hard;
  const { params } = await fitTogether({
    models,
    data,
    optimizer,
    schedule,
    steps,
    stepsPerRun: STEPS_PER_RUN,
    signal,
    ...loop,
  });
  signal.throwIfAborted();
  return params;
}

/** Images by split. Pixels are standardized; the paper maps them to ±1, with which short runs learn much less. */
async function load(set: ImageSetName, limit: number) {
  const train = await loadImages(set, { split: "train", limit });
  const scaled = pixelStatistics(train);
  const held = async (split: "validation" | "test") => imagesInGraph(await loadImages(set, { split }), scaled);
  return { train: imagesInGraph(train, scaled), validation: await held("validation"), test: await held("test") };
}

/** The experiment on one data set, in pieces that an interrupted run finds again. */
async function experiment(context: StudyContext, set: ImageSetName) {
  const { seeds, scale, signal, folder } = context;
  const { settings: chosen, images, epochs, search, rates } = budgets[scale];
  const data = await load(set, images);
  const arms = armsOf(chosen);
  const layers = Object.fromEntries(Object.entries(arms).map(([name, { layer }]) => [name, layer]));
  const options = { members: seeds.length, signal };
  const perEpoch = Math.floor(data.train.count / BATCH);
  const stepsOf = ([soft, hard]: Budget["epochs"]) => Math.round(soft * perEpoch) + Math.round(hard * perEpoch);
  const total = rates.length * stepsOf(search) + stepsOf(epochs);
  let done = 0;
  const piece = async <T>(stage: string, steps: number, fn: (onProgress: (at: Progress) => void) => Promise<T>) => {
    const at = { stage: `${set}, ${stage}`, total, unit: "steps" };
    context.progress({ ...at, done });
    const value = await context.remember(`${set}, ${stage}, seeds ${seeds}`, () =>
      fn(({ step, losses = {} }) => {
        // The loss of an arm is the sum over its members.
        const means = Object.entries(losses).map(([name, loss]) => [name, loss / seeds.length]);
        context.progress({ ...at, done: done + step, training: { step, losses: Object.fromEntries(means) } });
      }),
    );
    done += steps;
    return value;
  };
  const best = await searchRates(rates, (rate) =>
    piece(`trying learning rate ${rate}`, stepsOf(search), async (onProgress) => {
      const params = await train(context, data.train, arms, search, () => rate, { onProgress });
      const scores = await routedScores(layers, params, data.validation, options);
      return Object.fromEntries(Object.entries(scores).map(([name, { hard }]) => [name, average(hard)]));
    }),
  );
  return piece(`training ${Object.keys(arms).length} arms`, stepsOf(epochs), async (onProgress) => {
    const checkpoint = { dir: join(folder, "pieces", `${set}-${seeds.join("-")}`), every: 10 * STEPS_PER_RUN };
    const params = await train(context, data.train, arms, epochs, (name) => best[name] as number, {
      onProgress,
      checkpoint,
    });
    const agreements: number[] = [];
    for (const setting of chosen) {
      const [layer, name] = [armOf(setting, "both").layer, nameOf(setting, "both")];
      const first = await evaluate(ensemble(layer, seeds.length).member(params[name] as Tree, 0));
      agreements.push(await conditionalAgreement(layer, first, data.test, { signal }));
    }
    const [trained, test] = [
      await routedScores(layers, params, data.train, options),
      await routedScores(layers, params, data.test, options),
    ];
    return { rates: best, train: trained, test, agreements };
  });
}
type Outcome = Awaited<ReturnType<typeof experiment>>;
type Scores = Outcome["test"];

/** Milliseconds of inference: a dense layer, and by depth the trees of its training width. */
async function inferenceTimes(
  { scale, signal }: StudyContext,
  { width, hidden, outputs, depths }: Timed,
  rows: number,
) {
  const { calls } = budgets[scale];
  const x = await evaluate(normal(key(rows), [rows, width]));
  const block = ffn({ width, hidden, outputs, activation: relu });
  const weights = await evaluate(block.init(key(0)));
  const forms: Record<string, (input: Tensor) => Tensor> = { dense: (input) => block.apply(weights, input) };
  for (const depth of depths) {
    const layer = fastFeedForward({ width, outputs, depth, leafWidth: hidden / 2 ** depth });
    forms[depth] = layer.freeze(await evaluate(layer.init(key(depth))));
  }
  const runs = Object.entries(forms).map(([name, form]) => [name, compile(form)] as const);
  const calling = Object.fromEntries(runs.map(([name, run]) => [name, () => run(x)]));
  return timeInTurn(calling, { calls: rows === 1 ? 5 * calls : calls, apart: true, signal });
}
type Times = Awaited<ReturnType<typeof inferenceTimes>>;

const of = (scores: Scores, setting: Setting, variant: Variant): RoutedScore =>
  scores[nameOf(setting, variant)] as RoutedScore;
const denseOf = (scores: Scores, width: number): readonly number[] => (scores[denseName(width)] as RoutedScore).hard;

function draw({ figure, scale }: StudyContext, set: ImageSetName, { rates, train, test }: Outcome): void {
  const chosen = budgets[scale].settings;
  const label = ({ leafWidth, depth }: Setting) => `${leafWidth}×2^${depth}`;
  const text = (list: readonly number[]) => `${average(list).toFixed(2)} ± ${measured(list).std.toFixed(2)}`;
  const published = (setting: Setting, variant: Variant) =>
    set === "mnist" && (variant === "both" || variant === "balance") ? setting[variant] : undefined;
  figure({
    kind: "table",
    title: `${set}: all arms`,
    caption:
      "Accuracy in % of hard inference unless it says mixture, mean and standard deviation over seeds; then the mean of dense layers with the same budget and search.",
    columns: [
      "leaves",
      "arm",
      "published",
      "test",
      "test, mixture",
      "training",
      "leaves used",
      "parameters read",
      ...Object.keys(rivals),
      "learning rate",
    ],
    rows: pairsOf(chosen).map(([setting, variant]) => {
      const { hard, soft, used } = of(test, setting, variant);
      return [
        label(setting),
        variants[variant].title,
        published(setting, variant) ?? "",
        text(hard),
        text(soft),
        text(of(train, setting, variant).hard),
        average(used.map((counts) => counts.filter((n) => n > 0).length)),
        costOf(setting, variant),
        ...Object.values(rivals).map((width) => average(denseOf(test, width(setting, variant))).toFixed(2)),
        rates[nameOf(setting, variant)] as number,
      ];
    }),
  });
  const byCost = (points: readonly Point[]) => [...points].sort((a, b) => a.x - b.x);
  const cheapest = Math.min(...chosen.map((setting) => costOf(setting, "plain")));
  const widths = Object.keys(test)
    .flatMap((name) => (name.startsWith("dense ") ? [Number(name.slice(6))] : []))
    .filter((width) => denseCost(width) > 0.9 * cheapest);
  figure({
    kind: "lines",
    title: `${set}: accuracy against inference cost`,
    caption: "Each point is a setting of leaf width and depth; bars are one standard deviation over seeds.",
    x: { label: "parameters read for one image", log: true },
    y: { label: "test accuracy, %" },
    series: [
      {
        name: "dense",
        points: byCost(widths.map((width) => withStd(denseCost(width), denseOf(test, width)))),
      },
      ...variantNames.map((variant) => ({
        name: variants[variant].title,
        points: byCost(chosen.map((setting) => withStd(costOf(setting, variant), of(test, setting, variant).hard))),
      })),
    ],
  });
  figure({
    kind: "bars",
    title: `${set}: evenness of leaf use`,
    caption: "Entropy of the shares of test images by leaf, over that of even use; 1 is even.",
    y: { label: "relative entropy" },
    bars: pairsOf(chosen).map(([setting, variant]) => {
      const { x: _, ...point } = withStd(0, of(test, setting, variant).used.map(usageEntropy));
      return { group: label(setting), series: variants[variant].title, ...point };
    }),
  });
}

/** How often faster than the dense layer the deepest tree is. */
const speedup = ({ depths }: Timed, { dense, ...trees }: Times): Measurement =>
  speedMeasurement(dense as readonly number[], trees[String(depths.at(-1))] as readonly number[]);

function drawTimes(
  { figure }: StudyContext,
  { width, hidden, outputs, depths }: Timed,
  byRows: Readonly<Record<string, Times>>,
) {
  const line = (times: Times, pick: (depth: number) => string) =>
    depths.map((depth) => withStd(depth, times[pick(depth)] as readonly number[]));
  figure({
    kind: "lines",
    title: `Time of inference against depth, ${width} to ${hidden} to ${outputs}`,
    caption:
      "All trees have the training width of the dense layer; medians, bars are one standard deviation over rounds. Calls take turns, so weights come from memory, not from caches; a call costs some 0.03 ms by itself.",
    x: { label: "depth" },
    y: { label: "ms", log: true },
    series: Object.entries(byRows).flatMap(([rows, times]) => [
      { name: `tree, ${rows}`, points: line(times, String) },
      { name: `dense, ${rows}`, points: line(times, () => "dense") },
    ]),
  });
}

/** How many published parameter counts the models meet: in all and read for one image, without and with master leaf. */
function countsMet(): number {
  const masterCount = 6_370;
  const counted = (setting: Setting, variant: Variant) => parameterCount(armOf(setting, variant).layer.init(key(0)));
  const met = settings.flatMap((setting) => [
    counted(setting, "plain") === setting.parameters,
    counted(setting, "both") === setting.parameters + masterCount + 1,
    costOf(setting, "plain") === setting.used,
    costOf(setting, "both") === setting.used + masterCount,
  ]);
  return met.filter(Boolean).length;
}

export default paper({
  number: 20,
  slug: "fast-feedforward",
  title: "Enhancing Fast Feed Forward Networks with Load Balancing and a Master Leaf Node",
  year: 2024,
  source: "arXiv:2405.16836; the layer itself: Belcak and Wattenhofer, arXiv:2308.14711",
  abstract:
    "A fast feed-forward layer is a tree of linear decisions with a small network in each leaf. Training mixes all leaves, inference follows one path, so its cost grows with the logarithm of the width. Left alone, few leaves end up in use. Two additions from mixtures of experts help: a loss that balances the leaves, and a small leaf that sees every input and is blended in by a learned share.",
  claims: {
    counts: {
      what: "parameter counts met to the unit: in all and read for one image, without and with master leaf",
      figure: 32,
      unit: "",
      direction: "equals",
      where: "eight settings, from the layer's definition",
    },
    conditional: {
      what: "test images for which following one path predicts what computing all leaves and keeping one predicts",
      figure: 100,
      unit: "%",
      direction: "equals",
      where: "definition of hard inference",
    },
    trainGain: {
      what: "training accuracy gained by both additions, at the setting where it is most",
      figure: 16.3,
      unit: "points",
      direction: "atLeast",
      where: "abstract: up to 16.3",
    },
    testGain: {
      what: "test accuracy gained by both additions, at the setting where it is most",
      figure: 3,
      unit: "points",
      direction: "atLeast",
      where: "abstract: up to 3",
    },
    steadier: {
      what: "standard deviation over seeds with both additions less that of the original, mean of the settings",
      figure: 0,
      unit: "points",
      direction: "atMost",
      where: "abstract: smaller variance",
    },
    both: {
      what: "test accuracy with both additions, mean of the settings",
      figure: 94.1,
      unit: "%",
      direction: "atLeast",
      tolerance: 1,
      where: "file names of the released models",
    },
    balance: {
      what: "test accuracy with balancing alone, mean of the settings of training width 16",
      figure: 91.2,
      unit: "%",
      direction: "atLeast",
      tolerance: 1,
      where: "file names of the released models",
    },
    hardening: {
      what: "test accuracy lost from the mixture to the chosen leaf with both additions, mean of the settings",
      figure: 1,
      unit: "points",
      direction: "atMost",
      where: "our bound",
    },
    usage: {
      what: "evenness of leaf use gained by balancing, median of the settings",
      figure: 0,
      unit: "",
      direction: "atLeast",
      where: "purpose of the loss",
    },
    sameCost: {
      what: "test accuracy with both additions over a dense layer of equal inference cost, mean of the settings",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "our question",
    },
    dense: {
      what: "test accuracy of a dense 784-128-10 network in the same budget",
      figure: 97.5,
      unit: "%",
      direction: "atLeast",
      where: "our bound",
    },
    oneRow: {
      what: "speed of the deepest tree on one row, over a dense layer of its training width, 768 to 3072 to 768",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "purpose of the layer",
    },
    manyRows: {
      what: "speed of the deepest tree on 256 rows, over a dense layer of its training width, 768 to 3072 to 768",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "purpose of the layer",
    },
  },
  seeds: { smoke: 2, small: 4, full: 10 },
  async run(context) {
    const { seeds, scale } = context;
    const { settings: chosen, images, epochs, search, rates, harden, timed } = budgets[scale];
    for (const split of ["train", "test"] as const) {
      const found = available("mnist", split);
      if (!found.ok && scale === "smoke") throw new SkippedError(found.reason);
    }
    const mnist = await experiment(context, "mnist");
    draw(context, "mnist", mnist);
    if (scale === "full") draw(context, "fashion-mnist", await experiment(context, "fashion-mnist"));
    const speedups = [];
    for (const layer of timed) {
      const timesOf = (rows: number) =>
        context.remember(`times, ${layer.hidden} units, ${rows} rows`, () => inferenceTimes(context, layer, rows));
      const [one, many] = [await timesOf(1), await timesOf(BATCH)];
      drawTimes(context, layer, { "1 row": one, "256 rows": many });
      speedups.push({ one: speedup(layer, one), many: speedup(layer, many) });
    }
    const { one: oneRow, many: manyRows } = speedups.at(-1) as (typeof speedups)[number];
    context.note(
      `Every arm, dense layers included, has the same ${epochs.join(" + ")} epochs (soft + hardening) of ${images.toLocaleString("en")} images, the same seeds and batches, and a learning rate of its own out of ${rates.join(", ")}, chosen by validation accuracy over all seeds after ${search.join(" + ")} epochs. Test images choose nothing; the paper keeps the epoch that is best on test images.`,
    );
    context.note(
      `The weight of hardening grows from 3 to ${harden} in the second half; in the paper it is 3 for 300 epochs.`,
    );

    const { train, test } = mnist;
    /** One number for each seed: the mean over settings of what `fn` gives for a setting and a seed. */
    const overSettings = (list: readonly Setting[], fn: (setting: Setting) => readonly number[]) => {
      const bySetting = list.map(fn);
      return measured(seeds.map((_, seed) => average(bySetting.map((row) => row[seed] as number))));
    };
    const minus = (a: readonly number[], b: readonly number[]) => a.map((v, i) => v - (b[i] as number));
    const hard = (scores: Scores, setting: Setting, variant: Variant) => of(scores, setting, variant).hard;
    const gain = (scores: Scores) => (setting: Setting) =>
      minus(hard(scores, setting, "both"), hard(scores, setting, "plain"));
    const largestGain = (scores: Scores): Measurement => {
      const best = chosen.reduce((a, b) => (average(gain(scores)(b)) > average(gain(scores)(a)) ? b : a));
      return { ...measured(gain(scores)(best)), note: `at leaf width ${best.leafWidth} and depth ${best.depth}` };
    };
    const evenness = (setting: Setting, variant: Variant) => of(test, setting, variant).used.map(usageEntropy);
    const evener = chosen.map((setting) => minus(evenness(setting, "balance"), evenness(setting, "plain")));
    const stdOf = (setting: Setting, variant: Variant) => measured(hard(test, setting, variant)).std;
    return {
      counts: exactly(countsMet()),
      conditional: exactly(Math.min(...mnist.agreements)),
      trainGain: largestGain(train),
      testGain: largestGain(test),
      steadier: {
        ...measured(chosen.map((setting) => stdOf(setting, "both") - stdOf(setting, "plain"))),
        note: "the spread is over settings",
      },
      both: overSettings(chosen, (setting) => hard(test, setting, "both")),
      balance: overSettings(
        chosen.filter(({ balance }) => balance !== undefined),
        (setting) => hard(test, setting, "balance"),
      ),
      hardening: overSettings(chosen, (setting) => minus(of(test, setting, "both").soft, hard(test, setting, "both"))),
      usage: measured(seeds.map((_, seed) => median(evener.map((row) => row[seed] as number)))),
      sameCost: overSettings(chosen, (setting) =>
        minus(hard(test, setting, "both"), denseOf(test, rivals["equal cost"](setting, "both"))),
      ),
      dense: measured(denseOf(test, 128)),
      oneRow,
      manyRows,
    };
  },
});
