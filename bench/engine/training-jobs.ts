/** Jobs of the engine: ceilings, and training steps from the smallest to a GPT. */
import type { ArraySpec } from "./inputs.ts";
import { constant, data, type Job, linear, normal, type Scale } from "./job.ts";

export interface GptSizes {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly time: number;
  readonly batch: number;
  readonly vocabulary: number;
}

/** GPT-2's form: learned positions, norms before each part, GELU, the embedding tied to the head. */
export function gpt(id: string, sizes: GptSizes, stepsInGraph: number): Job {
  const { layers, width, heads, time, batch, vocabulary } = sizes;
  const norm = (name: string): ArraySpec[] => [
    constant(`${name}.scale`, [width], 1),
    constant(`${name}.bias`, [width], 0),
  ];
  const batches = 4;
  return {
    id,
    title: `GPT, ${layers} layers, width ${width}, ${heads} heads, T=${time}, B=${batch}, vocabulary ${vocabulary}, AdamW`,
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

/** The jobs of `bench engine`, in the order of its report. */
export function trainingJobs(scale: Scale): readonly Job[] {
  const isTiny = scale === "tiny";
  const productSize = isTiny ? 32 : 1024;
  const passSize = isTiny ? 2048 : 2 ** 23;
  const [inputs, hidden] = isTiny ? [8, 16] : [512, 2048];
  const batch = isTiny ? 4 : 64;
  const gptSizes: GptSizes = isTiny
    ? { layers: 1, width: 16, heads: 2, time: 8, batch: 2, vocabulary: 32 }
    : { layers: 4, width: 256, heads: 8, time: 128, batch: 16, vocabulary: 2048 };
  const smallSizes: GptSizes = isTiny
    ? { layers: 1, width: 8, heads: 2, time: 4, batch: 2, vocabulary: 16 }
    : { layers: 2, width: 64, heads: 4, time: 32, batch: 8, vocabulary: 256 };
  return [
    {
      id: "products",
      title: `Ceiling: matrix products of ${productSize} x ${productSize} x ${productSize}`,
      unit: "product",
      model: "products",
      sizes: { size: productSize },
      arrays: [data("x", [1, productSize, productSize], { normal: 1 / Math.sqrt(productSize) })],
      stepsInGraph: 8,
    },
    {
      id: "passes",
      title: `Ceiling: elementwise passes over ${(4 * passSize) / 1024} KiB (read and write)`,
      unit: "pass",
      model: "passes",
      sizes: { size: passSize },
      arrays: [data("x", [1, passSize], { normal: 1 })],
      stepsInGraph: 8,
    },
    {
      id: "mlp",
      title: `MLP ${inputs}-${hidden}-${inputs}, GELU, batch ${batch}, squared error, AdamW`,
      unit: "training step",
      model: "mlp",
      sizes: { batch, inputs, hidden, outputs: inputs },
      arrays: [
        ...linear("up", inputs, hidden),
        ...linear("down", hidden, inputs),
        data("x", [4, batch, inputs], { normal: 1 }),
        data("y", [4, batch, inputs], { normal: 1 }),
      ],
      stepsInGraph: isTiny ? 4 : 40,
    },
    {
      id: "cnn",
      title: `CNN on ${batch} images of 28 x 28 (conv 16, pool, conv 32, pool, linear), AdamW`,
      unit: "training step",
      model: "cnn",
      sizes: { batch, image: 28, channels1: 16, channels2: 32, classes: 10 },
      arrays: [
        normal("conv1.weight", [16, 1, 3, 3], 1 / 3),
        constant("conv1.bias", [16], 0),
        normal("conv2.weight", [32, 16, 3, 3], 1 / 12),
        constant("conv2.bias", [32], 0),
        ...linear("head", 32 * 7 * 7, 10),
        data("x", [4, batch, 1, 28, 28], { uniform: [0, 1] }),
        data("y", [4, batch], { integersBelow: 10 }),
      ],
      stepsInGraph: isTiny ? 4 : 20,
    },
    gpt("gpt", gptSizes, isTiny ? 1 : 4),
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
      stepsInGraph: isTiny ? 4 : 500,
    },
    gpt("small-gpt", smallSizes, isTiny ? 4 : 40),
  ];
}
