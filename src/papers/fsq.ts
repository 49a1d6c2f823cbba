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
import {
  average,
  exactly,
  measured,
  paper,
  type Scale,
  SkippedError,
  type StudyContext,
  withStd,
} from "../report/index.ts";
import {
  adamW,
  compareArms,
  fitStateful,
  type IndexBatch,
  imagesInGraph,
  indexBatches,
  type OnProgress,
} from "../train/index.ts";

type Levels = readonly number[];

/** Levels for about 2^4, 2^8, 2^10 and 2^12 codes; the larger grids are those of section 4.1. */
const grids: readonly Levels[] = [
  [5, 3],
  [8, 6, 5],
  [8, 5, 5, 5],
  [7, 5, 5, 5, 5],
];

/** Three ways to quantize into the same number of codes; codebooks have 16 channels, and the defaults of their papers. */
const methods = {
  FSQ: (levels: Levels): Quantizer => finiteScalarQuantizer(levels),
  "VQ-VAE": (levels: Levels): Quantizer => vectorQuantizer({ size: gridSize(levels), channels: 16 }),
  "VQ-VAE with averages and resets": (levels: Levels): Quantizer =>
    emaVectorQuantizer({ size: gridSize(levels), channels: 16 }),
};
type Method = keyof typeof methods;
const names = Object.keys(methods) as Method[];

interface Budget {
  readonly grids: readonly Levels[];
  readonly steps: number;
  readonly batch: number;
  /** Learning rates tried for every arm, each in half the steps. */
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
    grids: grids.filter((_, i) => i % 2 === 0),
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
    steps: 800,
    batch: 32,
    rates: [4e-3, 8e-3, 16e-3],
    validation: 2000,
    test: 10_000,
    width: 32,
    hidden: 64,
  },
  full: {
    grids,
    steps: 20_000,
    batch: 256,
    rates: [3e-4, 1e-3, 3e-3, 1e-2],
    validation: 6000,
    test: 10_000,
    width: 64,
    hidden: 128,
  },
};

/** MNIST with pixels from 0 to 1. */
async function loadData() {
  const [train, validation, test] = await Promise.all([
    loadImages("mnist", { split: "train" }),
    loadImages("mnist", { split: "validation" }),
    loadImages("mnist", { split: "test" }),
  ]);
  const inGraph = (images: typeof train) => imagesInGraph(images, { mean: 0, std: 1 });
  return {
    train: inGraph(train),
    validation: inGraph(validation),
    test: inGraph(test),
    originals: Array.from({ length: SHOWN }, (_, i) => test.images.slice(i * 784, (i + 1) * 784)),
  };
}
type Data = Awaited<ReturnType<typeof loadData>>;

/** Images in the report. */
const SHOWN = 12;

/** A quantizer inside the autoencoder. */
interface Arm {
  readonly method: Method;
  readonly levels: Levels;
}
const nameOf = (method: Method, levels: Levels): string => `${method}, ${gridSize(levels)} codes`;

/** Trains the autoencoder of an arm: `mean |x̂ - x|²` and what the quantizer adds. */
async function train(
  { method, levels }: Arm,
  rate: number,
  seed: number,
  steps: number,
  { data, at, onProgress }: { readonly data: Data; readonly at: StudyContext; readonly onProgress: OnProgress },
) {
  const { batch, width, hidden } = budgets[at.scale];
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
    signal: at.signal,
    onProgress,
  });
  return { model, ...trained };
}

/** What is kept of one trained autoencoder: figures of test images. */
interface Outcome extends ReconstructionScore {
  readonly pictures: readonly Uint8Array[];
  /** Numbers that training makes in the quantizer and in all. */
  readonly learned: { readonly quantizer: number; readonly all: number };
}

/** The outcomes of a quantizer, one for each seed, and its learning rate. */
type Results = (method: Method, levels: Levels) => { readonly rate: number; readonly outcomes: readonly Outcome[] };

async function measureArms(data: Data, context: StudyContext): Promise<Results> {
  const { grids, rates, steps, validation, test } = budgets[context.scale];
  const { signal } = context;
  const arms = grids.flatMap((levels) =>
    names.map((method) => [nameOf(method, levels), { method, levels } satisfies Arm] as const),
  );
  const compared = await compareArms<Arm, Outcome>(context, {
    arms: Object.fromEntries(arms),
    rates,
    score: async (arm, rate, seed, onProgress) => {
      const half = await train(arm, rate, seed, Math.ceil(steps / 2), { data, at: context, onProgress });
      return -(await scoreReconstruction(half, data.validation, { count: validation, signal })).error;
    },
    measure: async (arm, rate, seed, onProgress) => {
      const trained = await train(arm, rate, seed, steps, { data, at: context, onProgress });
      const quantizer = parameterCount({ params: trained.params.quantizer, state: trained.state });
      return {
        ...(await scoreReconstruction(trained, data.test, { count: test, signal })),
        learned: { quantizer, all: parameterCount({ params: trained.params, state: trained.state }) },
        pictures: await reconstructImages(trained, data.test, SHOWN),
      };
    },
  });
  return (method, levels) => compared[nameOf(method, levels)] as ReturnType<Results>;
}

function draw(results: Results, data: Data, { figure, scale }: StudyContext): void {
  const { grids } = budgets[scale];
  const pairs = grids.flatMap((levels) => names.map((method) => [method, levels] as const));
  const values = (method: Method, levels: Levels, pick: (outcome: Outcome) => number) =>
    results(method, levels).outcomes.map(pick);
  const lines = (title: string, y: string, log: boolean, pick: (outcome: Outcome) => number) =>
    figure({
      kind: "lines",
      title,
      caption: "Test images; bars are one standard deviation over seeds.",
      x: { label: "codes", log: true },
      y: { label: y, log },
      series: names.map((name) => ({
        name,
        points: grids.map((levels) => withStd(gridSize(levels), values(name, levels, pick))),
      })),
    });
  lines("Reconstruction error against codebook size", "mean squared error × 1000", false, (o) => 1000 * o.error);
  lines("Codes in use against codebook size", "% of codes seen", false, (o) => 100 * o.usage);
  lines("Perplexity of codes against codebook size", "codes used alike", true, (o) => o.perplexity);
  figure({
    kind: "pictures",
    title: "Reconstructions of the first test images, with the fewest and the most codes",
    width: 28,
    height: 28,
    rows: [
      { label: "original", pictures: data.originals },
      ...pairs
        .filter(([, levels]) => levels === grids[0] || levels === grids.at(-1))
        .map(([method, levels]) => ({
          label: nameOf(method, levels),
          pictures: (results(method, levels).outcomes[0] as Outcome).pictures,
        })),
    ],
  });
  const text = (list: readonly number[]) => `${average(list).toPrecision(4)} ± ${measured(list).std.toPrecision(2)}`;
  figure({
    kind: "table",
    title: "All arms",
    caption:
      "Mean and standard deviation over seeds. Moving averages keep three numbers where a codebook of parameters has one.",
    columns: [
      "quantizer",
      "error × 1000",
      "use %",
      "perplexity",
      "learning rate",
      "numbers of the quantizer",
      "in all",
    ],
    rows: pairs.map(([method, levels]) => {
      const { rate, outcomes } = results(method, levels);
      const { quantizer, all } = (outcomes[0] as Outcome).learned;
      const error = text(values(method, levels, (o) => 1000 * o.error));
      const use = text(values(method, levels, (o) => 100 * o.usage));
      return [
        nameOf(method, levels),
        error,
        use,
        text(values(method, levels, (o) => o.perplexity)),
        rate,
        quantizer,
        all,
      ];
    }),
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
    parameters: {
      what: "numbers that FSQ learns for its codes",
      figure: 0,
      unit: "",
      direction: "equals",
      where: "section 3",
    },
    usage: {
      what: "share of codes that FSQ uses, the size where it is least",
      figure: 90,
      unit: "%",
      direction: "atLeast",
      where: "figure 3 shows about 100 %; 90 is our bound",
    },
    fewer: {
      what: "share of codes that VQ-VAE without tricks uses less that of FSQ, 1,000 codes and more, the size where it is most",
      figure: 0,
      unit: "points",
      direction: "atMost",
      where: "figure 3: VQ uses fewer of many codes",
    },
    collapse: {
      what: "share of the largest codebook that VQ-VAE without tricks uses",
      figure: 50,
      unit: "%",
      direction: "atMost",
      where: "figure 3 shows use falling from 2^11; 50 is our bound",
    },
    monotone: {
      what: "change of FSQ's error from one size to the next, the step where it rises most",
      figure: 0,
      unit: "%",
      direction: "atMost",
      where: "figure 3: larger codebooks reconstruct better",
    },
    large: {
      what: "FSQ's error over that of VQ-VAE without tricks, 1,000 codes and more, the size where it is most",
      figure: 1,
      unit: "",
      direction: "atMost",
      where: "figure 3: FSQ is better for large codebooks",
    },
    small: {
      what: "VQ-VAE's error over FSQ's, 240 codes and fewer, the size where it is most",
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
    const results = await measureArms(data, context);
    draw(results, data, context);
    const { grids, steps, batch, rates, test } = budgets[context.scale];
    context.note(
      `Every arm has ${steps} steps of ${batch} images, the same autoencoder and batches, and a learning rate of its own out of ${rates.join(", ")}, chosen on validation images after half the steps; figures are of ${test.toLocaleString("en")} test images.`,
    );
    context.note(
      "Our reading, which this run does not test: most patches of MNIST are empty and the rest are a few strokes, so few codes of a grid that was laid out in advance are met in a short training, while codes that are taken from the data are met at once. The paper trains on natural images for much longer.",
    );

    const largest = grids.at(-1) as Levels;
    const large = grids.filter((levels) => gridSize(levels) >= 1000);
    const small = grids.filter((levels) => gridSize(levels) <= 240);
    /** One number for each seed, from the outcomes of the arms with that seed. */
    const bySeed = (fn: (of: (method: Method, levels: Levels) => Outcome) => number) =>
      measured(context.seeds.map((_, s) => fn((method, levels) => results(method, levels).outcomes[s] as Outcome)));
    const z = tensor([0.25, 0.6, -7]);
    const example = await evaluate(codesToIndices(finiteScalarQuantize(z, [3, 5, 4]), [3, 5, 4]));
    return {
      example: exactly(Number(example.data[0])),
      parameters: exactly(Math.max(...grids.map((g) => (results("FSQ", g).outcomes[0] as Outcome).learned.quantizer))),
      usage: bySeed((of) => 100 * Math.min(...grids.map((g) => of("FSQ", g).usage))),
      fewer: bySeed((of) => 100 * Math.max(...large.map((g) => of("VQ-VAE", g).usage - of("FSQ", g).usage))),
      collapse: bySeed((of) => 100 * of("VQ-VAE", largest).usage),
      monotone: bySeed((of) => {
        const errors = grids.map((g) => of("FSQ", g).error);
        return Math.max(...errors.slice(1).map((error, i) => 100 * (error / (errors[i] as number) - 1)));
      }),
      large: bySeed((of) => Math.max(...large.map((g) => of("FSQ", g).error / of("VQ-VAE", g).error))),
      small: bySeed((of) => Math.max(...small.map((g) => of("VQ-VAE", g).error / of("FSQ", g).error))),
      strong: bySeed((of) => of("FSQ", largest).error / of("VQ-VAE with averages and resets", largest).error),
    };
  },
});
