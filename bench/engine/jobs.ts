/** What is timed: the same arithmetic in every system, from the same numbers. */
import type { ArraySpec, StoredArray } from "./inputs.ts";

/** The optimizer of all training jobs: AdamW, every parameter decays. */
export const adam = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 } as const;

export interface Job {
  readonly id: string;
  readonly title: string;
  /** What a step is, in words for a table. */
  readonly unit: "training step" | "call" | "product" | "pass";
  readonly model:
    | "mlp"
    | "classifier"
    | "cnn"
    | "gpt"
    | "rfft"
    | "power"
    | "planePower"
    | "convolution"
    | "products"
    | "passes";
  readonly sizes: Readonly<Record<string, number>>;
  readonly arrays: readonly ArraySpec[];
  /** Training steps that Fourward runs in one graph. */
  readonly stepsInGraph: number;
  /** Work of a step, for a rate beside the time. */
  readonly work?: { readonly amount: number; readonly unit: "GFLOP" | "GB" };
}

/** A job as peers get it: the numbers are in a file. */
export interface StoredJob extends Omit<Job, "arrays"> {
  readonly file: string;
  readonly arrays: readonly StoredArray[];
  readonly adam: typeof adam;
}

const normal = (name: string, shape: readonly number[], std: number): ArraySpec => ({
  name,
  role: "parameter",
  shape,
  fill: { normal: std },
});
const constant = (name: string, shape: readonly number[], value: number): ArraySpec => ({
  name,
  role: "parameter",
  shape,
  fill: { constant: value },
});
const data = (name: string, shape: readonly number[], fill: ArraySpec["fill"]): ArraySpec => ({
  name,
  role: "data",
  shape,
  fill,
});
const linear = (name: string, inputs: number, outputs: number, std = 1 / Math.sqrt(inputs)): ArraySpec[] => [
  normal(`${name}.weight`, [inputs, outputs], std),
  constant(`${name}.bias`, [outputs], 0),
];

interface GptSizes {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly time: number;
  readonly batch: number;
  readonly vocabulary: number;
}

/** GPT-2's form: learned positions, norms before each part, GELU, the embedding tied to the head. */
function gpt(id: string, title: string, sizes: GptSizes, stepsInGraph: number): Job {
  const { layers, width, time, batch, vocabulary } = sizes;
  const norm = (name: string): ArraySpec[] => [
    constant(`${name}.scale`, [width], 1),
    constant(`${name}.bias`, [width], 0),
  ];
  const batches = 4;
  return {
    id,
    title,
    unit: "training step",
    model: "gpt",
    sizes: { ...sizes },
    arrays: [
      normal("tokens", [vocabulary, width], 0.02),
      normal("positions", [time, width], 0.02),
      ...Array.from({ length: layers }, (_, i) => [
        ...norm(`${i}.norm1`),
        ...linear(`${i}.qkv`, width, 3 * width, 0.02),
        ...linear(`${i}.out`, width, width, 0.02),
        ...norm(`${i}.norm2`),
        ...linear(`${i}.up`, width, 4 * width, 0.02),
        ...linear(`${i}.down`, 4 * width, width, 0.02),
      ]).flat(),
      ...norm("norm"),
      data("x", [batches, batch, time], { integersBelow: vocabulary }),
      data("y", [batches, batch, time], { integersBelow: vocabulary }),
    ],
    stepsInGraph,
  };
}

const productSize = 1024;
const passSize = 2 ** 23;

const rowTransforms: readonly Job[] = [
  {
    id: "rfft",
    title: "rfft of 256 rows of 4,096, the spectrum returned",
    unit: "call",
    model: "rfft",
    sizes: { rows: 256, length: 4096 },
    arrays: [data("x", [1, 256, 4096], { normal: 1 })],
    stepsInGraph: 1,
  },
  {
    id: "power",
    title: "rfft of 256 rows of 4,096, and the mean power at each frequency",
    unit: "call",
    model: "power",
    sizes: { rows: 256, length: 4096 },
    arrays: [data("x", [1, 256, 4096], { normal: 1 })],
    stepsInGraph: 1,
  },
];

/** The jobs of `bench engine`, in the order of its report. */
export const jobs: readonly Job[] = [
  {
    id: "products",
    title: "Ceiling: matrix products 1,024 x 1,024 x 1,024",
    unit: "product",
    model: "products",
    sizes: { size: productSize },
    arrays: [data("x", [1, productSize, productSize], { normal: 1 / Math.sqrt(productSize) })],
    stepsInGraph: 8,
    work: { amount: (2 * productSize ** 3) / 1e9, unit: "GFLOP" },
  },
  {
    id: "passes",
    title: "Ceiling: elementwise passes over 32 MiB (read and write)",
    unit: "pass",
    model: "passes",
    sizes: { size: passSize },
    arrays: [data("x", [1, passSize], { normal: 1 })],
    stepsInGraph: 8,
    work: { amount: (2 * 4 * passSize) / 1e9, unit: "GB" },
  },
  {
    id: "mlp",
    title: "MLP 512-2048-512, GELU, batch 64, squared error, AdamW",
    unit: "training step",
    model: "mlp",
    sizes: { batch: 64, inputs: 512, hidden: 2048, outputs: 512 },
    arrays: [
      ...linear("up", 512, 2048),
      ...linear("down", 2048, 512),
      data("x", [4, 64, 512], { normal: 1 }),
      data("y", [4, 64, 512], { normal: 1 }),
    ],
    stepsInGraph: 40,
  },
  {
    id: "cnn",
    title: "CNN on 64 images of 28 x 28 (conv 16, pool, conv 32, pool, linear), AdamW",
    unit: "training step",
    model: "cnn",
    sizes: { batch: 64, image: 28, channels1: 16, channels2: 32, classes: 10 },
    arrays: [
      normal("conv1.weight", [16, 1, 3, 3], 1 / 3),
      constant("conv1.bias", [16], 0),
      normal("conv2.weight", [32, 16, 3, 3], 1 / 12),
      constant("conv2.bias", [32], 0),
      ...linear("head", 32 * 7 * 7, 10),
      data("x", [4, 64, 1, 28, 28], { uniform: [0, 1] }),
      data("y", [4, 64], { integersBelow: 10 }),
    ],
    stepsInGraph: 20,
  },
  gpt(
    "gpt",
    "GPT, 4 layers, width 256, 8 heads, T=128, B=16, vocabulary 2,048, AdamW",
    { layers: 4, width: 256, heads: 8, time: 128, batch: 16, vocabulary: 2048 },
    1,
  ),
  {
    id: "small-mlp",
    title: "Small MLP 2-32-10, ReLU, batch 64, cross-entropy, AdamW",
    unit: "training step",
    model: "classifier",
    sizes: { batch: 64, inputs: 2, hidden: 32, classes: 10 },
    arrays: [
      ...linear("up", 2, 32),
      ...linear("down", 32, 10),
      data("x", [10, 64, 2], { normal: 1 }),
      data("y", [10, 64], { integersBelow: 10 }),
    ],
    stepsInGraph: 500,
  },
  gpt(
    "small-gpt",
    "Small GPT, 2 layers, width 64, 4 heads, T=32, B=8, vocabulary 256, AdamW",
    { layers: 2, width: 64, heads: 4, time: 32, batch: 8, vocabulary: 256 },
    40,
  ),
  ...rowTransforms,
];

const [convolved, channels, points] = [8, 128, 8192];

/** The jobs of `bench fourier`. Transforms as parts of a program, whose spectra are used where they are made. */
export const fourierJobs: readonly Job[] = [
  ...rowTransforms,
  {
    id: "long-power",
    title: "rfft of 64 rows of 65,536, and the mean power at each frequency",
    unit: "call",
    model: "power",
    sizes: { rows: 64, length: 65_536 },
    arrays: [data("x", [1, 64, 65_536], { normal: 1 })],
    stepsInGraph: 1,
  },
  {
    id: "plane-power",
    title: "rfft2 of 64 planes of 128 x 128, and the mean power at each frequency",
    unit: "call",
    model: "planePower",
    sizes: { planes: 64, extent: 128 },
    arrays: [data("x", [1, 64, 128, 128], { normal: 1 })],
    stepsInGraph: 1,
  },
  {
    id: "convolution",
    title: "Causal convolution of 8 x 128 rows of 8,192 with as many taps, and both gradients",
    unit: "call",
    model: "convolution",
    sizes: { batch: convolved, channels, length: points },
    arrays: [
      normal("k", [channels, points], 1 / Math.sqrt(points)),
      data("x", [1, convolved, channels, points], { normal: 1 }),
      data("y", [1, convolved, channels, points], { normal: 1 }),
    ],
    stepsInGraph: 1,
  },
];
