/** The zoo of paper 14's study: many classifiers trained on the same images in one graph, and the geometry of their features. */
import {
  add,
  compile,
  evaluate,
  flatten,
  fold,
  key,
  mul,
  reshape,
  slice,
  square,
  sum,
  type Tensor,
  take,
  tensor,
} from "../array/index.ts";
import { type ImageSetName, type Images, loadImages, permutation, pixelStatistics } from "../data/index.ts";
import {
  type ClassifierKind,
  type ClassifierParams,
  classifierKinds,
  type ImageClassifier,
  imageClassifier,
} from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import {
  effectiveDimension,
  type FeatureNoiseKind,
  featureNoiseKinds,
  type NoiseResponse,
  noiseResponse,
  type PcaResponse,
  pcaResponse,
  rowCovariance,
  type SampledDimension,
} from "../probe/index.ts";
import type { Scale, StudyContext } from "../report/index.ts";
import {
  accuracy,
  adamW,
  cosine,
  crossEntropy,
  fitTogether,
  type GraphImages,
  type IndexBatch,
  imagesInGraph,
  indexBatches,
  indexRange,
  type OnProgress,
  type StepContext,
  type Trainee,
} from "../train/index.ts";

/** What training may differ in: share of features dropped, factor on the sum of squared weights, wrong labels, rate. */
interface Training {
  readonly dropout: number;
  readonly penalty: number;
  readonly wrong: number;
  readonly rate: number;
}
const plain: Training = { dropout: 0, penalty: 0, wrong: 0, rate: 2e-3 };
const trainings: Readonly<Record<string, Training>> = {
  plain,
  dropout: { ...plain, dropout: 0.5 },
  "weight penalty": { ...plain, penalty: 3e-5 },
  "wrong labels": { ...plain, wrong: 0.4 },
  "low rate": { ...plain, rate: 3e-4 },
};

export interface ZooBudget {
  /** Sets of images at most. */
  readonly sets: number;
  readonly kinds: readonly ClassifierKind[];
  readonly sizes: readonly { readonly width: number; readonly depth: number }[];
  readonly steps: number;
  readonly batch: number;
  /** Held-out images that give accuracies, and the first of them that give dimensions. */
  readonly images: number;
  readonly rows: number;
}
const sizes = [
  { width: 32, depth: 3 },
  { width: 128, depth: 4 },
];
export const zooBudgets: Readonly<Record<Scale, ZooBudget>> = {
  smoke: {
    sets: 1,
    kinds: ["mlp", "convolutional"],
    sizes: [{ width: 16, depth: 3 }],
    steps: 12,
    batch: 32,
    images: 400,
    rows: 200,
  },
  small: { sets: 2, kinds: classifierKinds, sizes, steps: 200, batch: 64, images: 6000, rows: 2000 },
  full: {
    sets: 2,
    kinds: classifierKinds,
    sizes: [...sizes, { width: 64, depth: 3 }, { width: 256, depth: 3 }, { width: 512, depth: 5 }],
    steps: 5000,
    batch: 128,
    images: 6000,
    rows: 6000,
  },
};

/** One classifier of the zoo. */
interface Member {
  readonly name: string;
  readonly family: ClassifierKind;
  readonly training: string;
  readonly model: ImageClassifier;
}

const membersOf = ({ kinds, sizes }: ZooBudget, image: number): readonly Member[] =>
  kinds.flatMap((kind) =>
    sizes.flatMap((size) =>
      Object.entries(trainings).map(([training, { dropout }]) => ({
        name: `${kind}, width ${size.width}, ${training}`,
        family: kind,
        training,
        model: imageClassifier({ kind, image, classes: 10, ...size, dropout }),
      })),
    ),
  );

/** Strengths of each noise, as `featureNoise` has them. */
const strengths: Readonly<Record<FeatureNoiseKind, readonly number[]>> = {
  gaussian: [0, 0.25, 0.5, 1, 1.5, 2, 3, 4],
  uniform: [0, 0.25, 0.5, 1, 1.5, 2, 3, 4],
  dropout: [0, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95],
  saltAndPepper: [0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9],
};

/** What is kept of a trained classifier. */
export interface ZooOutcome {
  readonly name: string;
  readonly family: string;
  readonly training: string;
  readonly parameters: number;
  /** Share of the held-out images, in percent. */
  readonly accuracy: number;
  /** Effective dimensions after the first and the last hidden layer. */
  readonly first: number;
  readonly last: number;
  /** That of the last from fewer images. */
  readonly samples: readonly SampledDimension[];
  /** Accuracy in percent on the components that hold 95 % and 100 % of the variance. */
  readonly pca: readonly PcaResponse[];
  /** Of plainly trained classifiers. */
  readonly noise?: Readonly<Record<FeatureNoiseKind, readonly NoiseResponse[]>>;
}

/** Trains the zoo on a set of images with one seed and measures every classifier. */
export async function measureZoo(
  context: StudyContext,
  set: ImageSetName,
  seed: number,
  onProgress: OnProgress,
): Promise<readonly ZooOutcome[]> {
  const budget = zooBudgets[context.scale];
  const [training, heldOut] = await Promise.all([
    loadImages(set, { split: "train" }),
    // Nothing is chosen on these images, so they are as good as test images, which not every copy of a set has.
    loadImages(set, { split: "validation", limit: budget.images }),
  ]);
  const members = membersOf(budget, training.width);
  const params = await trainZoo(budget, members, training, { seed, signal: context.signal, onProgress });
  context.signal.throwIfAborted();
  const statistics = pixelStatistics(training);
  const data: ZooData = {
    seen: imagesInGraph(training, statistics),
    unseen: imagesInGraph(heldOut, statistics),
    labels: tensor(Int32Array.from(heldOut.labels)),
  };
  const outcomes: ZooOutcome[] = [];
  for (const member of members) {
    context.signal.throwIfAborted();
    outcomes.push(await measureMember(member, params[member.name] as ClassifierParams, data, { ...budget, seed }));
  }
  return outcomes;
}

interface TrainZooOptions {
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

/** The parameters of all members by name, after training on the same batches. */
async function trainZoo(
  { batch, steps }: ZooBudget,
  members: readonly Member[],
  training: Images,
  { seed, signal, onProgress }: TrainZooOptions,
): Promise<{ readonly [name: string]: ClassifierParams }> {
  const images = imagesInGraph(training, pixelStatistics(training));
  const lossOf = ({ model, training: name }: Member) => {
    const { wrong, penalty } = trainings[name] as Training;
    const labels = tensor(withWrong(training.labels, wrong, seed));
    return (params: ClassifierParams, { indices }: IndexBatch, { key }: StepContext): Tensor => {
      const rows = reshape(indices, [-1]);
      const logits = model.apply(params, images.take(rows).x, { training: true, key });
      const loss = crossEntropy(logits, take(labels, rows));
      if (penalty === 0) return loss;
      const weights = flatten(params).leaves.filter(({ rank }) => rank > 1);
      return add(loss, mul(weights.map((w) => sum(square(w))).reduce(add), penalty));
    };
  };
  const models: Record<string, Trainee<ClassifierParams, IndexBatch>> = {};
  for (const [i, member] of members.entries()) {
    const params = await evaluate(member.model.init(fold(key(seed), i)));
    models[member.name] = { params, rate: (trainings[member.training] as Training).rate, loss: lossOf(member) };
  }
  const { params } = await fitTogether({
    models,
    data: indexBatches({ count: images.count, batch, seeds: [seed] }),
    optimizer: (learningRate) => adamW({ learningRate, weightDecay: 0 }),
    schedule: cosine({ from: 1, to: 0.1, steps }),
    steps,
    seed,
    signal,
    onProgress,
  });
  return params;
}

/** The number of the order by which labels are chosen; batches have those from 0 on. */
const LABELS = 2 ** 30;

/** Labels of which this share, chosen by the seed, is replaced by labels of other images. */
export function withWrong(labels: Uint8Array, share: number, seed: number): Int32Array {
  // Another order than that of the batches, or the images of the first ones would be just those with wrong labels.
  const order = permutation(labels.length, seed, LABELS);
  const result = Int32Array.from(labels);
  const count = Math.round(share * labels.length);
  for (let i = 0; i < count; i++) result[order[i] as number] = labels[order[(i + 1) % count] as number] as number;
  return result;
}

interface ZooData {
  readonly seen: GraphImages;
  readonly unseen: GraphImages;
  /** Of the unseen images. */
  readonly labels: Tensor;
}

async function measureMember(
  { model, ...member }: Member,
  params: ClassifierParams,
  { seen, unseen, labels }: ZooData,
  { images, rows, seed }: ZooBudget & { readonly seed: number },
): Promise<ZooOutcome> {
  const represent = (of: GraphImages, count: number) =>
    compile((own: ClassifierParams) => model.representations(own, of.take(indexRange(0, count).indices).x))(params);
  const [train, all] = [await represent(seen, rows), await represent(unseen, images)];
  const read = { params, labels };
  const score = (own: typeof read, features: Tensor) =>
    mul(accuracy(model.classify(own.params, features), first(own.labels, features.shape[0] as number)), 100);
  const dimension = async (features: Tensor, count = rows) =>
    effectiveDimension(await rowCovariance(first(features, count)));
  const pca = await pcaResponse(all.last, read, score, {
    covariance: await rowCovariance(train.last),
    shares: [0.95, 1],
  });
  const samples: SampledDimension[] = [];
  for (const count of [rows / 4, rows / 2, rows]) samples.push({ count, dimension: await dimension(all.last, count) });
  const some = await evaluate(first(all.last, rows));
  const noise: Partial<Record<FeatureNoiseKind, readonly NoiseResponse[]>> = {};
  if (member.training === "plain")
    for (const kind of featureNoiseKinds)
      noise[kind] = await noiseResponse(some, read, score, { kind, strengths: strengths[kind], seed });
  return {
    ...member,
    parameters: parameterCount(params),
    accuracy: (pca[1] as PcaResponse).score,
    first: await dimension(all.first),
    last: await dimension(all.last),
    samples,
    pca,
    ...(member.training === "plain" ? { noise: noise as Required<typeof noise> } : {}),
  };
}

/** The first so many rows. */
const first = (x: Tensor, count: number): Tensor => slice(x, { starts: [0], stops: [count], axes: [0] });
