/** Paper 33: ReLU instead of softmax over the slots of a memory: feed-forward layers, and attention. */
import { evaluate, expandDims, key, matmul, mul, normal, softmax, square, sum, type Tensor } from "../array/index.ts";
import { type DecoderConfig, decoder, type FfnConfig } from "../models/index.ts";
import { type AttentionWeights, attend } from "../nn/index.ts";
import {
  fitPowerLaw,
  measured,
  pairedMeasurement,
  paper,
  type Scale,
  type StudyContext,
  withStd,
} from "../report/index.ts";
import {
  compareLanguageModels,
  type LanguageSetting,
  languageFigures,
  languageSettings,
  languageText,
  testLosses,
} from "../train/index.ts";

interface Sizes {
  /** Slots of the memories whose variance is measured, and queries that read from each. */
  readonly slots: readonly number[];
  readonly queries: number;
  /** Slots of feed-forward layers, the fewest and the most, in widths of the model. */
  readonly widths: readonly [few: number, many: number];
  /** Share of the steps of the common setting: there are twice as many arms here. */
  readonly share: number;
}
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: { slots: [256, 1024], queries: 64, widths: [1, 4], share: 1 },
  small: { slots: [64, 256, 1024, 4096, 16_384], queries: 256, widths: [2, 16], share: 0.42 },
  full: { slots: [64, 256, 1024, 4096, 16_384], queries: 2048, widths: [4, 64], share: 1 },
};

/** Extent of random keys and values: products over it, divided by its root, are all but normally distributed. */
const WIDTH = 128;

/** What is read from a memory of random keys and values. */
interface Reading {
  readonly slots: number;
  /** Variances of what is read: by plain ReLU, by softmax, and by ReLU with the paper's factor. */
  readonly reluSum: number;
  readonly softmax: number;
  readonly relu: number;
  /** Sum of the squares of a query's softmax weights. */
  readonly squares: number;
}

async function readMemories({ slots, queries }: Sizes, seed: number): Promise<Reading[]> {
  const variance = (y: Tensor): Tensor => mul(sum(square(y)), 1 / y.size);
  const readings: Reading[] = [];
  for (const count of slots) {
    const draw = (name: number, rows: number) => normal(key(3 * seed + name), [rows, WIDTH]);
    const [q, k, v] = [draw(0, queries), draw(1, count), draw(2, count)];
    const read = (weights: AttentionWeights) =>
      variance(attend(expandDims(q, 0), expandDims(k, 0), expandDims(v, 0), { weights }));
    const shares = softmax(mul(matmul(q, k, { transposeB: true }), 1 / Math.sqrt(WIDTH)));
    const figures = await evaluate({
      reluSum: read("reluSum"),
      softmax: read("softmax"),
      relu: read("relu"),
      squares: mul(sum(square(shares)), 1 / queries),
    });
    const value = (name: keyof typeof figures): number => Number(figures[name].data[0]);
    readings.push({
      slots: count,
      reluSum: value("reluSum"),
      softmax: value("softmax"),
      relu: value("relu"),
      squares: value("squares"),
    });
  }
  return readings;
}

/** Models that differ in what makes weights of scores: in feed-forward layers with few and many slots, and in attention. */
function configsOf({ vocabulary, width, depth, heads, budget }: LanguageSetting, { widths: [few, many] }: Sizes) {
  const model = (ffn: FfnConfig, weights: AttentionWeights = "softmax"): DecoderConfig => ({
    vocabulary,
    context: budget.context,
    width,
    blocks: Array.from({ length: depth }, () => [{ mixer: { kind: "attention", heads, weights } }, { ffn }]),
  });
  const memory = (slots: number, weights: "relu" | "softmax", normalized = false): FfnConfig => ({
    kind: "memory",
    slots: slots * width,
    weights,
    normalized,
  });
  return {
    "ReLU, few slots": model(memory(few, "relu")),
    "softmax, few slots": model(memory(few, "softmax")),
    "softmax and norm, few slots": model(memory(few, "softmax", true)),
    "ReLU, many slots": model(memory(many, "relu")),
    "softmax, many slots": model(memory(many, "softmax")),
    "softmax and norm, many slots": model(memory(many, "softmax", true)),
    "ReLU and norm, many slots": model(memory(many, "relu", true)),
    "ReLU attention, few slots": model(memory(few, "relu"), "relu"),
    "ReLU attention over the mean, few slots": model(memory(few, "relu"), "reluMean"),
  };
}
type Arm = keyof ReturnType<typeof configsOf>;

async function languageArms(context: StudyContext) {
  const setting = languageSettings[context.scale];
  const size = sizes[context.scale];
  const budget = { ...setting.budget, steps: Math.ceil(setting.budget.steps * size.share) };
  const arms = Object.fromEntries(
    Object.entries(configsOf(setting, size)).map(([name, config]) => [name, decoder(config)]),
  );
  const text = await languageText(setting);
  try {
    const compared = await compareLanguageModels(context, { arms, text, budget });
    for (const figure of languageFigures(compared, budget)) context.figure(figure);
    return (arm: Arm) => testLosses(compared, arm);
  } finally {
    text.close();
  }
}

function drawVariances({ figure }: StudyContext, bySeed: readonly (readonly Reading[])[]): void {
  const slots = (bySeed[0] ?? []).map((reading) => reading.slots);
  const names = { reluSum: "sum over ReLU", relu: "ReLU with the factor", softmax: "softmax" } as const;
  figure({
    kind: "lines",
    title: "Variance of what is read from a memory of random keys and values",
    caption: "Keys, values and queries are standard normal; bars are one standard deviation over seeds.",
    x: { label: "slots", log: true },
    y: { label: "variance", log: true },
    series: (Object.keys(names) as (keyof typeof names)[]).map((kind) => ({
      name: names[kind],
      points: slots.map((count, i) =>
        withStd(
          count,
          bySeed.map((readings) => (readings[i] as Reading)[kind]),
        ),
      ),
    })),
  });
}

export default paper({
  number: 33,
  slug: "relu-former",
  title: "A Study on ReLU and Softmax in Transformer",
  year: 2023,
  source: "Shen, Guo, Tan, Tang, Wang, Bian; arXiv:2302.06461",
  abstract:
    "A feed-forward layer and attention both read from a memory: scores against keys become weights of values. The one uses ReLU, the other softmax. With a norm behind it, softmax does in a feed-forward layer what ReLU does, but with very many slots ReLU is better, for what a softmax reads fades as slots are added. With a factor that keeps its variance, ReLU serves in attention too.",
  claims: {
    growth: {
      what: "exponent of the variance of a sum over ReLU, against slots",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.05,
      where: "derivation: variance n/2",
    },
    fading: {
      what: "exponent of the variance of softmax, against slots",
      figure: -1,
      unit: "",
      direction: "equals",
      tolerance: 0.05,
      where: "derivation: variance e/n",
    },
    half: {
      what: "variance of a sum over ReLU, over the slots, 1,024 slots and more",
      figure: 0.5,
      unit: "",
      direction: "equals",
      tolerance: 0.025,
      where: "derivation: E[relu(z)²] = 1/2",
    },
    euler: {
      what: "slots times the sum of squared softmax weights, 1,024 slots and more",
      figure: Math.E,
      unit: "",
      direction: "equals",
      tolerance: 0.05 * Math.E,
      where: "derivation: e, for many slots",
    },
    unit: {
      what: "variance of ReLU with the factor √(n/2), 1,024 slots and more",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.05,
      where: "derivation",
    },
    softmax: {
      what: "test loss of softmax less that of ReLU in feed-forward layers, many slots",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "abstract: softmax alone is not as good",
    },
    normFew: {
      what: "test loss of softmax with a norm less that of ReLU in feed-forward layers, few slots",
      figure: 0,
      unit: "nats",
      direction: "equals",
      tolerance: 0.02,
      where: "abstract: equivalent; 0.02 is our bound",
    },
    normMany: {
      what: "test loss of softmax with a norm less that of ReLU in feed-forward layers, many slots",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "abstract: ReLU is better where slots are many",
    },
    control: {
      what: "test loss of softmax with a norm less that of ReLU with a norm, many slots",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "our control: the norm on both sides",
    },
    attention: {
      what: "test loss of ReLU attention less that of softmax attention",
      figure: 0.02,
      unit: "nats",
      direction: "atMost",
      where: "abstract: better on long sequences; at short ones 0.02 is our bound",
    },
    factor: {
      what: "test loss of ReLU attention with the factor less that of ReLU over the mean",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: does the factor matter",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  async run(context) {
    const size = sizes[context.scale];
    const bySeed = await context.overSeeds((seed) =>
      context.remember(`memories, seed ${seed}`, () => readMemories(size, seed)),
    );
    drawVariances(context, bySeed);
    const losses = await languageArms(context);
    const exponent = (kind: "reluSum" | "softmax") =>
      measured(bySeed.map((all) => fitPowerLaw(all.map(({ slots, [kind]: y }) => ({ x: slots, y }))).exponent));
    const constant = (fn: (reading: Reading) => number) =>
      measured(
        bySeed.map((all) => {
          const values = all.filter(({ slots }) => slots >= 1024).map(fn);
          return values.reduce((total, value) => total + value, 0) / values.length;
        }),
      );
    const less = (a: Arm, b: Arm) => pairedMeasurement(losses(a), losses(b));
    context.note(
      "The models read sequences far shorter than those on which the paper finds ReLU attention ahead, and its two penalties on the weights, which the abstract does not name, are left out of these trainings.",
    );
    return {
      growth: exponent("reluSum"),
      fading: exponent("softmax"),
      half: constant(({ reluSum, slots }) => reluSum / slots),
      euler: constant(({ squares, slots }) => squares * slots),
      unit: constant(({ relu }) => relu),
      softmax: less("softmax, many slots", "ReLU, many slots"),
      normFew: less("softmax and norm, few slots", "ReLU, few slots"),
      normMany: less("softmax and norm, many slots", "ReLU, many slots"),
      control: less("softmax and norm, many slots", "ReLU and norm, many slots"),
      attention: less("ReLU attention, few slots", "ReLU, few slots"),
      factor: less("ReLU attention, few slots", "ReLU attention over the mean, few slots"),
    };
  },
});
