/** The image part of paper 2's study: noise taken from digits by networks of both shapes, with and without a fixed input. */
import {
  add,
  at,
  evaluate,
  fold,
  key,
  mean,
  mul,
  normal,
  reshape,
  sigmoid,
  square,
  sub,
  sum,
  type Tensor,
  type Tree,
} from "../array/index.ts";
import { loadImages } from "../data/index.ts";
import {
  hourglassFfn,
  type Layer,
  linear,
  parameterCount,
  randomProjection,
  residual,
  sequential,
} from "../nn/index.ts";
import type { Scale, StudyContext } from "../report/index.ts";
import {
  adamW,
  type ComparedArm,
  compareArms,
  cosine,
  fit,
  type GraphImages,
  type IndexBatch,
  imagesInGraph,
  indexBatches,
  indexRange,
  matchBudget,
  type OnProgress,
  totalOver,
} from "../train/index.ts";

/** Pixels of an image at half its resolution, so that a stream that is wider than the input stays cheap. */
const PIXELS = 196;
/** Standard deviation of the noise on pixels from 0 to 1. */
const NOISE = 0.5;

interface ImageBudget {
  /** Width between the blocks of the hourglass, its narrow layers, and the number of blocks. */
  readonly width: number;
  readonly hidden: number;
  readonly blocks: number;
  readonly steps: number;
  readonly batch: number;
  readonly rates: readonly number[];
  readonly validation: number;
  readonly test: number;
}

const budgets: Readonly<Record<Scale, ImageBudget>> = {
  smoke: { width: 200, hidden: 8, blocks: 2, steps: 12, batch: 16, rates: [6e-3], validation: 50, test: 100 },
  small: {
    width: 256,
    hidden: 64,
    blocks: 3,
    steps: 600,
    batch: 64,
    rates: [2e-3, 6e-3, 18e-3],
    validation: 1000,
    test: 5000,
  },
  full: {
    width: 1024,
    hidden: 256,
    blocks: 6,
    steps: 20_000,
    batch: 256,
    rates: [3e-4, 1e-3, 3e-3],
    validation: 6000,
    test: 10_000,
  },
};

/** Images `[batch, 196]` to a width, residual blocks there, and back; without biases, as in the source. */
function network(
  { width, hidden, blocks }: Pick<ImageBudget, "width" | "hidden" | "blocks">,
  fixed = false,
): Layer<Tree> {
  return sequential(
    fixed
      ? randomProjection({ inputs: PIXELS, outputs: width })
      : linear({ inputs: PIXELS, outputs: width, bias: false }),
    residual(hourglassFfn({ width, hidden, depth: blocks, gated: false })),
    linear({ inputs: width, outputs: PIXELS, bias: false }),
    sigmoid,
  );
}

const parametersOf = (layer: Layer<Tree>): number => parameterCount(layer.init(key(0)));

/** The networks that are compared. */
export function imageArms(scale: Scale) {
  const budget = budgets[scale];
  const hourglass = network(budget);
  const wideWithin = (width: number) => network({ ...budget, width, hidden: 4 * width });
  const { value } = matchBudget({
    target: parametersOf(hourglass),
    count: (width) => parametersOf(wideWithin(width)),
  });
  return { hourglass, "hourglass, fixed input": network(budget, true), "wide within": wideWithin(value) };
}
export type ImageArm = keyof ReturnType<typeof imageArms>;

/** What came of one training: peak signal-to-noise ratio on test images in dB, and the number of trained weights. */
export interface ImageOutcome {
  readonly psnr: number;
  readonly parameters: number;
}

/** Clean and noisy images at these indices. The noise is a function of the key. */
function noisy(images: GraphImages, indices: Tensor, noise: Tensor): readonly [clean: Tensor, seen: Tensor] {
  const { x: full } = images.take(indices);
  const x = reshape(mean(reshape(full, [-1, 14, 2, 14, 2]), { axis: [2, 4] }), [-1, PIXELS]);
  return [x, add(x, mul(normal(noise, x.shape), NOISE))];
}

/** Mean over images of the squared error of a pixel. */
async function errorOf(layer: Layer<Tree>, params: Tree, images: GraphImages, count: number, context: StudyContext) {
  const { squares } = await totalOver(
    (weights: Tree, { indices }: { readonly indices: Tensor }) => {
      // Every network sees the same noise on an image: the key is that of the first index of a batch.
      const [clean, seen] = noisy(images, indices, fold(key(99), at(indices, 0)));
      return { squares: sum(square(sub(layer.apply(weights, seen), clean))) };
    },
    params,
    { count, piece: Math.min(500, count), batch: indexRange, signal: context.signal },
  );
  return Number(squares.data[0]) / (count * PIXELS);
}

/** Trains all networks on images of MNIST with noise and measures how much of it they leave. */
export async function denoise(context: StudyContext): Promise<{ readonly [A in ImageArm]: ComparedArm<ImageOutcome> }> {
  const { steps, batch, rates, validation, test } = budgets[context.scale];
  const [training, choosing, testing] = (await Promise.all(
    (["train", "validation", "test"] as const).map(async (split) =>
      imagesInGraph(await loadImages("mnist", { split }), { mean: 0, std: 1 }),
    ),
  )) as [GraphImages, GraphImages, GraphImages];
  const train = async (layer: Layer<Tree>, rate: number, seed: number, steps: number, onProgress: OnProgress) => {
    const { params } = await fit({
      params: await evaluate(layer.init(key(seed))),
      data: indexBatches({ count: training.count, batch, seeds: [seed] }),
      loss: (weights: Tree, { indices }: IndexBatch, { key: own }) => {
        const [clean, seen] = noisy(training, reshape(indices, [-1]), own);
        return mean(square(sub(layer.apply(weights, seen), clean)));
      },
      optimizer: adamW({ learningRate: cosine({ from: rate, to: rate / 10, steps }), weightDecay: 0 }),
      steps,
      seed,
      signal: context.signal,
      onProgress,
    });
    return params;
  };
  return (await compareArms<Layer<Tree>, ImageOutcome>(context, {
    arms: imageArms(context.scale),
    rates,
    score: async (layer, rate, seed, onProgress) => {
      const params = await train(layer, rate, seed, Math.ceil(steps / 2), onProgress);
      return -(await errorOf(layer, params, choosing, validation, context));
    },
    measure: async (layer, rate, seed, onProgress) => {
      const params = await train(layer, rate, seed, steps, onProgress);
      const error = await errorOf(layer, params, testing, test, context);
      return { psnr: -10 * Math.log10(error), parameters: parametersOf(layer) };
    },
  })) as { readonly [A in ImageArm]: ComparedArm<ImageOutcome> };
}
