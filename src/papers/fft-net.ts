/** Paper 37: filters on the spectrum of a sequence that adapt to its mean, in place of attention. */
import { mean, reshape, type Tree } from "../array/index.ts";
import { loadImages, pixelStatistics } from "../data/index.ts";
import { type MixerConfig, type VitConfig, vit } from "../models/index.ts";
import type { Layer } from "../nn/index.ts";
import {
  exactly,
  type Measurement,
  measured,
  pairedMeasurement,
  paper,
  type Scale,
  type StudyContext,
} from "../report/index.ts";
import {
  type ClassifierComparison,
  classifierFigures,
  compareClassifiers,
  type GraphImages,
  type ImageBudget,
  imagesInGraph,
  testAccuracies,
} from "../train/index.ts";
import { attentionRatio, drawMixerTimes, type MixerTimesOptions, mixerTimes, timeExponents } from "./mixer-times.ts";
import {
  biasImpulse,
  convolutionError,
  energyError,
  identityError,
  mixerParameters,
  shiftError,
} from "./spectral-filter-identities.ts";

/** One task: images as sequences, and the models that read them. */
interface Task extends ImageBudget {
  /** Images are averaged over squares of this side, then cut into patches of that one. */
  readonly shrink: number;
  readonly patch: number;
  readonly pooling: "class" | "mean";
  readonly width: number;
  readonly depth: number;
  /** Hidden units of the feed-forward layers over the width. */
  readonly ratio: number;
}

interface Setting extends MixerTimesOptions {
  readonly patches: Task;
  readonly pixels: Task;
}

const HEADS = 4;

const smoke: Task = {
  ...{ shrink: 2, patch: 7, pooling: "class", width: 8, depth: 1, ratio: 2 },
  ...{ steps: 3, batch: 8, rates: [4e-3], validation: 20, test: 20 },
};
const settings: Readonly<Record<Scale, Setting>> = {
  smoke: {
    patches: smoke,
    pixels: { ...smoke, pooling: "mean" },
    lengths: [64, 512, 1024],
    attentionTo: 1024,
    calls: 1,
  },
  small: {
    patches: {
      ...{ shrink: 1, patch: 4, pooling: "class", width: 64, depth: 2, ratio: 2 },
      ...{ steps: 350, batch: 32, rates: [2e-3, 5e-3, 12e-3], validation: 1000, test: 2000 },
    },
    pixels: {
      ...{ shrink: 2, patch: 1, pooling: "mean", width: 32, depth: 2, ratio: 2 },
      ...{ steps: 300, batch: 16, rates: [2e-3, 5e-3, 12e-3], validation: 1000, test: 2000 },
    },
    lengths: [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384],
    attentionTo: 4096,
    calls: 3,
  },
  full: {
    patches: {
      ...{ shrink: 1, patch: 4, pooling: "class", width: 192, depth: 6, ratio: 4 },
      ...{ steps: 10_000, batch: 128, rates: [5e-4, 1e-3, 2e-3], validation: 6000, test: 10_000 },
    },
    pixels: {
      ...{ shrink: 1, patch: 1, pooling: "mean", width: 128, depth: 4, ratio: 4 },
      ...{ steps: 20_000, batch: 64, rates: [5e-4, 1e-3, 2e-3], validation: 6000, test: 10_000 },
    },
    lengths: [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384],
    attentionTo: 8192,
    calls: 5,
  },
};

const mixers = {
  attention: { kind: "attention", heads: HEADS },
  FNet: { kind: "fourier" },
  "fixed filter": { kind: "spectralFilter", heads: HEADS, adaptive: false },
  "adaptive filter": { kind: "spectralFilter", heads: HEADS },
  "adaptive filter, no activation": { kind: "spectralFilter", heads: HEADS, activation: "identity" },
  "adaptive filter, modReLU": { kind: "spectralFilter", heads: HEADS, activation: "modRelu" },
  "no mixer": null,
} as const satisfies Record<string, MixerConfig | null>;
type Arm = keyof typeof mixers;

/** The models of a task, which differ in their mixers only; they take rows of pixels. */
function armsOf(
  { shrink, patch, pooling, width, depth, ratio }: Task,
  images: { readonly height: number; readonly width: number },
  names: readonly Arm[],
): { readonly [name: string]: Layer<Tree> } {
  const [height, across] = [images.height / shrink, images.width / shrink];
  const ffn = { ffn: { kind: "dense", hidden: ratio * width, activation: "gelu" } } as const;
  const arm = (mixer: MixerConfig | null): Layer<Tree> => {
    const block: VitConfig["blocks"][number] = mixer ? [{ mixer }, ffn] : [ffn];
    const model = vit({
      ...{ image: [height, across], patch, channels: 1, width, classes: 10, pooling },
      blocks: Array.from({ length: depth }, () => block),
    });
    return {
      init: (own) => model.init(own),
      apply: (params, rows, mode) => {
        const squares = reshape(rows, [-1, 1, height, shrink, across, shrink]);
        return model.apply(params as never, mean(squares, { axis: [3, 5] }), mode);
      },
    };
  };
  return Object.fromEntries(names.map((name) => [name, arm(mixers[name])]));
}

const taskArms = {
  patches: [
    "attention",
    "FNet",
    "fixed filter",
    "adaptive filter",
    "adaptive filter, no activation",
    "adaptive filter, modReLU",
  ],
  // With the mean over pixels a model without mixers still sees every pixel at its place.
  pixels: ["attention", "FNet", "fixed filter", "adaptive filter", "adaptive filter, no activation", "no mixer"],
} as const satisfies Record<string, readonly Arm[]>;
type TaskName = keyof typeof taskArms;

async function digits() {
  const [training, validation, test] = await Promise.all(
    (["train", "validation", "test"] as const).map((split) => loadImages("mnist", { split })),
  );
  if (!training || !validation || !test) throw new Error("fft-net: expected three sets of images");
  const statistics = pixelStatistics(training);
  const graph = (images: typeof training): GraphImages => imagesInGraph(images, statistics);
  return { size: training, images: { training: graph(training), validation: graph(validation), test: graph(test) } };
}

async function compareOn(context: StudyContext, name: TaskName, data: Awaited<ReturnType<typeof digits>>) {
  const task = settings[context.scale][name];
  const compared = await compareClassifiers(
    { ...context, remember: (piece, fn) => context.remember(`${name}, ${piece}`, fn) },
    { arms: armsOf(task, data.size, taskArms[name]), images: data.images, budget: task },
  );
  for (const figure of classifierFigures(compared, task, name === "patches" ? "patches" : "single pixels"))
    context.figure(figure);
  return compared;
}

/** Paired difference of two arms in accuracy, in points. */
const gain = (compared: ClassifierComparison, arm: Arm, other: Arm): Measurement =>
  pairedMeasurement(testAccuracies(compared, arm), testAccuracies(compared, other));

export default paper({
  number: 37,
  slug: "fft-net",
  title: "The FFT Strikes Back: An Efficient Alternative to Self-Attention",
  year: 2025,
  source: "Fein-Ashley et al.; arXiv:2502.18394",
  abstract:
    "Attention compares all pairs of positions. Here positions are mixed by a filter on their spectrum instead, which takes a time of n log n: each frequency is multiplied by a number that depends on the mean of the sequence, passes a function of its magnitude, and is transformed back. This is said to do better than the fixed transform of FNet and than attention, on long sequences and on images.",
  claims: {
    parameters: {
      what: "parameters of the adaptive mixer and its norm, width 768, 12 heads, 197 positions",
      figure: 2_421_648,
      unit: "",
      direction: "equals",
      where: "definition, from the published code",
    },
    attentionParameters: {
      what: "parameters of an attention layer and its norm of the same width: fewer than the mixer's",
      figure: 2_363_904,
      unit: "",
      direction: "equals",
      where: "definition: 4·D² + 6·D",
    },
    identity: {
      what: "change of inputs by a filter of ones without bias and activation",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition",
    },
    parseval: {
      what: "relative difference of the energies of spectrum and input",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition: the transform is orthonormal",
    },
    convolution: {
      what: "difference of a fixed filter without activation from a circular convolution",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "convolution theorem",
    },
    shift: {
      what: "difference of a shifted output from the output for a shifted input, adaptive filter with modReLU",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition: means and magnitudes know no positions",
    },
    impulse: {
      what: "what a bias of 1 on all frequencies adds at the first position, over the root of the positions",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition: a constant spectrum is an impulse, here on the class token",
    },
    linear: {
      what: "exponent of the time of the adaptive filter against length, 512 to 4,096 positions",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.25,
      where: "abstract: n log n",
    },
    quadratic: {
      what: "exponent of the time of attention against length, 512 to 4,096 positions",
      figure: 2,
      unit: "",
      direction: "equals",
      tolerance: 0.25,
      where: "abstract: quadratic",
    },
    faster: {
      what: "time of attention over that of the adaptive filter at 1,024 positions",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "our bound: faster from there on",
    },
    patchesFnet: {
      what: "test accuracy on patches, adaptive filter less FNet",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: better than FNet",
    },
    patchesAttention: {
      what: "test accuracy on patches, adaptive filter less attention",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: better than attention",
    },
    patchesAdaptive: {
      what: "test accuracy on patches, adaptive filter less a fixed one",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: filters that adapt",
    },
    patchesActivation: {
      what: "test accuracy on patches, adaptive filter less the same without activation",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: a complex nonlinearity",
    },
    patchesModRelu: {
      what: "test accuracy on patches, adaptive filter with modReLU less the same without activation",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: a complex nonlinearity, modReLU",
    },
    pixelsFnet: {
      what: "test accuracy on single pixels, adaptive filter less FNet",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: better than FNet",
    },
    pixelsAttention: {
      what: "test accuracy on single pixels, adaptive filter less attention",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: better than attention",
    },
    pixelsAdaptive: {
      what: "test accuracy on single pixels, adaptive filter less a fixed one",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: filters that adapt",
    },
    pixelsActivation: {
      what: "test accuracy on single pixels, adaptive filter less the same without activation",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: a complex nonlinearity",
    },
    pixelsMixing: {
      what: "test accuracy on single pixels, adaptive filter less no mixer at all",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "our control",
    },
  },
  seeds: { smoke: 1, small: 3, full: 3 },
  next: ["show fnet-ar", "run fnet-ar --scale small"],
  async run(context) {
    const setting = settings[context.scale];
    const { filter, attention } = mixerParameters();
    const impulse = await biasImpulse();
    const identities = {
      parameters: exactly(filter),
      attentionParameters: exactly(attention),
      identity: exactly(await identityError()),
      parseval: exactly(await energyError()),
      convolution: exactly(await convolutionError()),
      shift: exactly(await shiftError()),
      impulse: exactly(impulse.first, `elsewhere at most ${impulse.elsewhere.toExponential(0)}`),
    };
    const times = await mixerTimes(setting, context);
    drawMixerTimes(context, times);
    const data = await digits();
    const patches = await compareOn(context, "patches", data);
    const pixels = await compareOn(context, "pixels", data);
    const { shrink } = setting.pixels;
    context.note(
      `Patches are read from a class token, single pixels${shrink > 1 ? `, each the mean of ${shrink} x ${shrink},` : ""} from the mean over all positions. The activation is the published code's, GELU of magnitudes, which leaves between a half and all of every frequency; modReLU of the abstract is an arm of its own. In that code the bias is added to the spectrum, where the same number on all frequencies is an impulse on the first position, and blocks add their input twice; here they add it once.`,
    );
    context.note(
      "Filters have a number for every frequency and know sequences of one length only. Attention is timed without a fused kernel, which the runtime does not have on this path: its weights are written to memory.",
    );
    return {
      ...identities,
      linear: measured(timeExponents(times, "adaptive filter")),
      quadratic: measured(timeExponents(times, "attention")),
      faster: measured(attentionRatio(times, 1024)),
      patchesFnet: gain(patches, "adaptive filter", "FNet"),
      patchesAttention: gain(patches, "adaptive filter", "attention"),
      patchesAdaptive: gain(patches, "adaptive filter", "fixed filter"),
      patchesActivation: gain(patches, "adaptive filter", "adaptive filter, no activation"),
      patchesModRelu: gain(patches, "adaptive filter, modReLU", "adaptive filter, no activation"),
      pixelsFnet: gain(pixels, "adaptive filter", "FNet"),
      pixelsAttention: gain(pixels, "adaptive filter", "attention"),
      pixelsAdaptive: gain(pixels, "adaptive filter", "fixed filter"),
      pixelsActivation: gain(pixels, "adaptive filter", "adaptive filter, no activation"),
      pixelsMixing: gain(pixels, "adaptive filter", "no mixer"),
    };
  },
});
