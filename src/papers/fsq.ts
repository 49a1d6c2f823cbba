/** Paper 30: quantization by rounding a few bounded channels, against learned codebooks, on one autoencoder. */
import { add, evaluate, key, mean, relu, reshape, square, sub, type Tree, tensor } from "../array/index.ts";
import { available, loadImages } from "../data/index.ts";
import { type QuantizedParams, quantizedAutoencoder } from "../models/index.ts";
import {
  codesToIndices,
  emaVectorQuantizer,
  finiteScalarQuantize,
  finiteScalarQuantizer,
  gridSize,
  parameterCount,
  type Quantizer,
  vectorQuantizer,
} from "../nn/index.ts";
import { type ReconstructionScore, reconstructImages, scoreReconstruction } from "../probe/index.ts";
import { exactly, paper, type Scale, SkippedError, type StudyContext, spread } from "../report/index.ts";
import {
  adamW,
  fitStateful,
  type GraphImages,
  type IndexBatch,
  imagesInGraph,
  indexBatches,
  searchRates,
} from "../train/index.ts";

/** Levels for about 2^4, 2^8, 2^10 and 2^12 codes; the larger grids are those of section 4.1. */
const grids = [
  [5, 3],
  [8, 6, 5],
  [8, 5, 5, 5],
  [7, 5, 5, 5, 5],
];

/**
 * Three ways to quantize into the same number of codes, codebooks with 16 channels. Moving averages are faster than the
 * usual 0.99, since training is short: with that, unused codes would hardly be replaced before the end.
 */
const methods = {
  FSQ: (levels: readonly number[]): Quantizer => finiteScalarQuantizer(levels),
  "VQ-VAE": (levels: readonly number[]): Quantizer => vectorQuantizer({ size: gridSize(levels), channels: 16 }),
  "VQ-VAE with averages and resets": (levels: readonly number[]): Quantizer =>
    emaVectorQuantizer({ size: gridSize(levels), channels: 16, decay: 0.95 }),
};
type Method = keyof typeof methods;
const names = Object.keys(methods) as Method[];

interface Budget {
  readonly grids: readonly (readonly number[])[];
  readonly steps: number;
  readonly batch: number;
  /** Learning rates tried for every arm. */
  readonly rates: readonly number[];
  /** Images that choose the learning rate, and images that are reported. */
  readonly validation: number;
  readonly test: number;
  /** Extent of tokens and of hidden layers. */
  readonly width: number;
  readonly hidden: number;
}

/** Every arm of a scale gets the same model, steps, batches, and learning rates to choose from. */
const budgets: Readonly<Record<Scale, Budget>> = {
  smoke: {
    grids: [
      [5, 3],
      [8, 5, 5, 5],
    ],
    steps: 12,
    batch: 32,
    rates: [2e-3],
    validation: 50,
    test: 200,
    width: 16,
    hidden: 32,
  },
  small: {
    grids,
    steps: 350,
    batch: 64,
    rates: [1e-3, 4e-3, 1.6e-2],
    validation: 1000,
    test: 5000,
    width: 32,
    hidden: 64,
  },
  full: {
    grids,
    steps: 20_000,
    batch: 256,
    rates: [3e-4, 1e-3, 3e-3],
    validation: 6000,
    test: 10_000,
    width: 64,
    hidden: 128,
  },
};

const SHOWN = 12;

interface Data {
  readonly train: GraphImages;
  readonly validation: GraphImages;
  readonly test: GraphImages;
  readonly originals: readonly Uint8Array[];
}

/** MNIST with pixels from 0 to 1. */
async function loadData(): Promise<Data> {
  const load = (split: "train" | "validation" | "test") => loadImages("mnist", { split });
  const [train, validation, test] = await Promise.all([load("train"), load("validation"), load("test")]);
  const range = { mean: 0, std: 1 };
  return {
    train: imagesInGraph(train, range),
    validation: imagesInGraph(validation, range),
    test: imagesInGraph(test, range),
    originals: Array.from({ length: SHOWN }, (_, i) => test.images.slice(i * 784, (i + 1) * 784)),
  };
}

/** What is kept of one trained autoencoder: figures of test images. */
interface Outcome extends ReconstructionScore {
  readonly codebookSize: number;
  readonly pictures: readonly Uint8Array[];
}

/** What is trained: a quantizer inside the autoencoder. */
interface Subject {
  readonly method: Method;
  readonly levels: readonly number[];
}

/** Trains the autoencoder with one quantizer. */
async function train(
  { method, levels }: Subject,
  rate: number,
  seed: number,
  steps: number,
  data: Data,
  context: StudyContext,
) {
  const { batch, width, hidden } = budgets[context.scale];
  const model = quantizedAutoencoder(methods[method](levels), { image: 28, patch: 4, width, hidden, activation: relu });
  const trained = await fitStateful({
    ...model.init(key(seed)),
    optimizer: adamW({ learningRate: rate, weightDecay: 0 }),
    data: indexBatches({ count: data.train.count, batch, seeds: [seed] }),
    loss: (params: QuantizedParams, before: Tree, { indices }: IndexBatch, { key }) => {
      const { x } = data.train.take(reshape(indices, [-1]));
      const { image, loss, state } = model.apply(params, before, x, { training: true, key });
      const error = mean(square(sub(image, x)));
      return [loss ? add(error, loss) : error, { state }];
    },
    steps,
    seed,
    signal: context.signal,
  });
  return { model, ...trained };
}

/** An arm at its best learning rate: the outcomes of all seeds. */
interface Arm {
  readonly method: Method;
  readonly codes: number;
  readonly rate: number;
  readonly outcomes: readonly Outcome[];
}

/** Chooses the learning rate by half a training with the first seed and validation images, then trains all seeds. */
async function measureArm(subject: Subject, data: Data, context: StudyContext, count: () => void): Promise<Arm> {
  const { rates, steps, validation, test } = budgets[context.scale];
  const { signal } = context;
  const name = `${subject.method} ${subject.levels}`;
  const { rate } = await context.remember(`${name}, rate`, () =>
    searchRates(rates, async (tried) => {
      count();
      const half = await train(subject, tried, context.seeds[0] as number, Math.ceil(steps / 2), data, context);
      return { rate: -(await scoreReconstruction(half, data.validation, { count: validation, signal })).error };
    }),
  );
  const outcomes = await context.overSeeds((seed) => {
    count();
    return context.remember(`${name}, seed ${seed}`, async () => {
      const trained = await train(subject, rate as number, seed, steps, data, context);
      return {
        ...(await scoreReconstruction(trained, data.test, { count: test, signal })),
        codebookSize: parameterCount(trained.params.quantizer),
        pictures: await reconstructImages(trained, data.test, SHOWN),
      };
    });
  });
  return { method: subject.method, codes: gridSize(subject.levels), rate: rate as number, outcomes };
}

const average = (outcomes: readonly Outcome[], pick: (outcome: Outcome) => number) => spread(outcomes, pick).mean;

async function measureArms(data: Data, context: StudyContext): Promise<Arm[]> {
  const { grids, rates } = budgets[context.scale];
  const subjects = grids.flatMap((levels) => names.map((method) => ({ method, levels })));
  const total = subjects.length * (rates.length + context.seeds.length);
  const arms: Arm[] = [];
  for (const [i, subject] of subjects.entries()) {
    let done = i * (rates.length + context.seeds.length);
    const stage = `${subject.method}, ${gridSize(subject.levels)} codes`;
    arms.push(
      await measureArm(subject, data, context, () => context.progress({ stage, done: done++, total, unit: "models" })),
    );
  }
  return arms;
}

function draw(arms: readonly Arm[], data: Data, context: StudyContext): void {
  const series = (pick: (outcome: Outcome) => number) =>
    names.map((name) => ({
      name,
      points: arms
        .filter(({ method }) => method === name)
        .map(({ codes, outcomes }) => {
          const { mean: y, std } = spread(outcomes, pick);
          return { x: codes, y, low: y - std, high: y + std };
        }),
    }));
  const x = { label: "codes", log: true };
  context.figure({
    kind: "lines",
    title: "Reconstruction error against codebook size",
    x,
    y: { label: "mean squared error a pixel" },
    series: series((o) => o.error),
    caption: "Test images; bars are one standard deviation over seeds.",
  });
  context.figure({
    kind: "lines",
    title: "Codes in use against codebook size",
    x,
    y: { label: "% of codes seen on test images" },
    series: series((o) => 100 * o.usage),
  });
  const rows = [
    arms.filter(({ codes }) => codes === arms[0]?.codes),
    arms.filter(({ codes }) => codes === arms.at(-1)?.codes),
  ].flat();
  context.figure({
    kind: "pictures",
    title: "Reconstructions of the first test images",
    width: 28,
    height: 28,
    rows: [
      { label: "original", pictures: data.originals },
      ...rows.map(({ method, codes, outcomes }) => ({
        label: `${method}, ${codes}`,
        pictures: (outcomes[0] as Outcome).pictures,
      })),
    ],
  });
  context.figure({
    kind: "table",
    title: "All arms",
    columns: ["method", "codes", "learning rate", "error x 1000", "use %", "perplexity", "codebook parameters"],
    rows: arms.map(({ method, codes, rate, outcomes }) => [
      method,
      codes,
      rate,
      1000 * average(outcomes, (o) => o.error),
      100 * average(outcomes, (o) => o.usage),
      average(outcomes, (o) => o.perplexity),
      (outcomes[0] as Outcome).codebookSize,
    ]),
  });
}

export default paper({
  number: 30,
  slug: "fsq",
  title: "Finite Scalar Quantization: VQ-VAE Made Simple",
  year: 2023,
  source: "Mentzer, Minnen, Agustsson, Tschannen; arXiv:2309.15505",
  abstract:
    "A VQ-VAE looks up the nearest vector of a learned codebook, which takes extra losses and tricks to keep its codes in use. Here each of a few channels is squashed to a range and rounded to one of a handful of values; the codes are all combinations. There is nothing to learn and nothing to collapse, and with large codebooks reconstruction keeps improving.",
  claims: {
    example: {
      what: "index of the code of the authors' worked example",
      figure: 10,
      unit: "",
      direction: "equals",
      where: "official notebook",
    },
    parameters: { what: "codebook parameters of FSQ", figure: 0, unit: "", direction: "equals", where: "section 3" },
    usage: {
      what: "least share of codes that FSQ uses, all sizes",
      figure: 90,
      unit: "%",
      direction: "atLeast",
      where: "figure 3 shows about 100 %; 90 is our bound",
    },
    collapse: {
      what: "share of the largest codebook that VQ-VAE without tricks uses",
      figure: 50,
      unit: "%",
      direction: "atMost",
      where: "figure 3 shows use falling from 2^11; 50 is our bound",
    },
    monotone: {
      what: "largest rise of FSQ's error from one size to the next",
      figure: 0,
      unit: "%",
      direction: "atMost",
      where: "figure 3: larger codebooks reconstruct better",
    },
    large: {
      what: "FSQ's error over that of VQ-VAE without tricks, 1,000 codes and more",
      figure: 1,
      unit: "",
      direction: "atMost",
      where: "figure 3: FSQ is better for large codebooks",
    },
    small: {
      what: "VQ-VAE's error over FSQ's, 240 codes and fewer",
      figure: 1,
      unit: "",
      direction: "atMost",
      where: "figure 3: VQ is better for small codebooks",
    },
    strong: {
      what: "FSQ's error over that of VQ-VAE with averages and resets, largest size",
      figure: 1.05,
      unit: "",
      direction: "atMost",
      where: "abstract: competitive; 5 % is our bound",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  async run(context) {
    for (const split of ["train", "test"] as const) {
      const found = available("mnist", split);
      if (!found.ok && context.scale !== "full") throw new SkippedError(found.reason);
    }
    const data = await loadData();
    const arms = await measureArms(data, context);
    draw(arms, data, context);
    const { steps, batch, rates, test } = budgets[context.scale];
    context.note(
      `Every arm has ${steps} steps of ${batch} images, the same autoencoder and batches, and a learning rate of its own out of ${rates.join(", ")}, chosen on validation images after half the steps; figures are of ${test} test images.`,
    );
    context.note(
      "MNIST is a hard case for the use of codes: most patches are empty, and what is left is a few strokes. The paper trains on larger natural images for much longer; codes that are placed on a grid in advance need that time to be filled, codes that are taken from the data do not.",
    );
    const of = (name: Method) => arms.filter(({ method }) => method === name);
    const [fsq, vq, strong] = names.map(of) as [Arm[], Arm[], Arm[]];
    /** For each seed the mean over pairs of arms of one quantity over another. */
    const ratios = (above: readonly Arm[], below: readonly Arm[]) =>
      spread(
        context.seeds.map(
          (_, s) =>
            above.reduce(
              (total, arm, i) =>
                total + (arm.outcomes[s] as Outcome).error / ((below[i] as Arm).outcomes[s] as Outcome).error,
              0,
            ) / above.length,
        ),
        (v) => v,
      );
    const isLarge = ({ codes }: Arm) => codes >= 1000;
    const isSmall = ({ codes }: Arm) => codes <= 240;
    const errors = (seed: number) => fsq.map(({ outcomes }) => (outcomes[seed] as Outcome).error);
    const rise = (list: number[]) =>
      Math.max(...list.slice(1).map((error, i) => 100 * (error / (list[i] as number) - 1)));
    const bits = await evaluate(codesToIndices(finiteScalarQuantize(tensor([0.25, 0.6, -7]), [3, 5, 4]), [3, 5, 4]));
    return {
      example: exactly(Number(bits.data[0])),
      parameters: exactly(Math.max(...fsq.map(({ outcomes }) => (outcomes[0] as Outcome).codebookSize))),
      usage: spread(
        context.seeds.map((_, s) => Math.min(...fsq.map(({ outcomes }) => 100 * (outcomes[s] as Outcome).usage))),
        (v) => v,
      ),
      collapse: spread((vq.at(-1) as Arm).outcomes, (o) => 100 * o.usage),
      monotone: spread(
        context.seeds.map((_, s) => rise(errors(s))),
        (v) => v,
      ),
      large: ratios(fsq.filter(isLarge), vq.filter(isLarge)),
      small: ratios(vq.filter(isSmall), fsq.filter(isSmall)),
      strong: ratios(fsq.slice(-1), strong.slice(-1)),
    };
  },
});
