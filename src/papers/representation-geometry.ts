/** Paper 14: whether the dimension of a classifier's features tells how accurate it is, over a zoo of small classifiers. */
import { available, type ImageSetName, imageSources } from "../data/index.ts";
import {
  compression,
  extrapolatedDimension,
  featureNoiseKinds,
  type NoiseResponse,
  type PcaResponse,
} from "../probe/index.ts";
import {
  average,
  bootstrapInterval,
  correlationPValue,
  exactly,
  formatNumber,
  measured,
  paper,
  partialCorrelation,
  pearson,
  SkippedError,
  type StudyContext,
  spearman,
  withinGroups,
} from "../report/index.ts";
import { measureZoo, type ZooOutcome, zooBudgets } from "./classifier-zoo.ts";

type Zoo = readonly ZooOutcome[];
/** Zoos by set of images, one for each seed. */
type Zoos = ReadonlyMap<ImageSetName, readonly Zoo[]>;

const dimensionOf = (zoo: Zoo) => zoo.map(({ last }) => last);
const accuracyOf = (zoo: Zoo) => zoo.map(({ accuracy }) => accuracy);
const sizeOf = (zoo: Zoo) => zoo.map(({ parameters }) => Math.log(parameters));
const compressionOf = (zoo: Zoo) => zoo.map(({ first, last }) => compression(first, last));
const within = (zoo: Zoo, values: readonly number[], group: "family" | "training") =>
  withinGroups(
    values,
    zoo.map((outcome) => outcome[group]),
  );

/** Correlations with accuracy over the classifiers of a zoo. */
const correlations = {
  "dimension, size held fixed": (zoo) => partialCorrelation(dimensionOf(zoo), accuracyOf(zoo), sizeOf(zoo)),
  dimension: (zoo) => pearson(dimensionOf(zoo), accuracyOf(zoo)),
  "dimension, by ranks": (zoo) => spearman(dimensionOf(zoo), accuracyOf(zoo)),
  "dimension, within families": (zoo) =>
    pearson(within(zoo, dimensionOf(zoo), "family"), within(zoo, accuracyOf(zoo), "family")),
  "dimension, within ways of training": (zoo) =>
    pearson(within(zoo, dimensionOf(zoo), "training"), within(zoo, accuracyOf(zoo), "training")),
  "compression, size held fixed": (zoo) => partialCorrelation(compressionOf(zoo), accuracyOf(zoo), sizeOf(zoo)),
  "compression, within families": (zoo) =>
    pearson(within(zoo, compressionOf(zoo), "family"), within(zoo, accuracyOf(zoo), "family")),
  size: (zoo) => pearson(sizeOf(zoo), accuracyOf(zoo)),
} as const satisfies Record<string, (zoo: Zoo) => number>;

/** How far a noise of some strength moved the dimension, in either direction. */
const departures = (responses: readonly NoiseResponse[]): readonly number[] =>
  responses.map(({ dimension }) => Math.abs(Math.log(dimension / (responses[0] as NoiseResponse).dimension)));

/** Correlation of that with accuracy over the strengths of a noise, averaged over the classifiers that were given it. */
const noiseCorrelation = (zoo: Zoo, kind: (typeof featureNoiseKinds)[number]): number =>
  average(
    zoo.flatMap(({ noise }) =>
      noise
        ? [
            pearson(
              departures(noise[kind]),
              noise[kind].map(({ score }) => score),
            ),
          ]
        : [],
    ),
  );

/** Points of accuracy that the smaller components were worth, averaged over classifiers. */
const pcaChange = (zoo: Zoo): number =>
  average(zoo.map(({ pca: [most, all] }) => (most as PcaResponse).score - (all as PcaResponse).score));

async function measureZoos(context: StudyContext): Promise<Zoos> {
  const names = Object.keys(imageSources) as ImageSetName[];
  const found = names.filter((name) => {
    const state = available(name, "train");
    if (!state.ok) context.note(`Left out: ${state.reason}.`);
    return state.ok;
  });
  if (found.length === 0) throw new SkippedError(`no set of images is on this machine, out of ${names.join(", ")}`);
  const { sets, steps } = zooBudgets[context.scale];
  found.splice(sets);
  const total = found.length * context.seeds.length * steps;
  const zoos = new Map<ImageSetName, readonly Zoo[]>();
  for (const [i, name] of found.entries()) {
    const zoo = await context.overSeeds((seed, s) => {
      const before = (i * context.seeds.length + s) * steps;
      const at = { stage: `zoo of ${name}, seed ${seed}`, total, unit: "steps" };
      context.progress({ ...at, done: before });
      return context.remember(`${name}, seed ${seed}`, () =>
        measureZoo(context, name, seed, ({ step, losses = {} }) =>
          context.progress({ ...at, done: before + step, training: { step, losses } }),
        ),
      );
    });
    zoos.set(name, zoo);
  }
  return zoos;
}

function drawZoos({ figure, seeds }: StudyContext, zoos: Zoos): void {
  for (const [name, bySeed] of zoos) {
    const [zoo] = bySeed as [Zoo];
    const families = [...new Set(zoo.map(({ family }) => family))];
    figure({
      kind: "lines",
      title: `${name}: accuracy against effective dimension`,
      caption: `Each point is a classifier, seed ${seeds[0]}; lines follow the dimension and mean nothing else.`,
      x: { label: "effective dimension of the last features", log: true },
      y: { label: "accuracy on held-out images, %" },
      series: families.map((family) => ({
        name: family,
        points: zoo
          .filter((outcome) => outcome.family === family)
          .map(({ last, accuracy }) => ({ x: last, y: accuracy }))
          .sort((a, b) => a.x - b.x),
      })),
    });
    const rows = Object.entries(correlations).map(([what, of]) => {
      const values = bySeed.map(of);
      // A classifier with all its seeds is drawn or not: its seeds are no further evidence on the population.
      const items = zoo.map((_, i) => bySeed.map((each) => each[i] as ZooOutcome));
      const [low, high] = bootstrapInterval(items, (sample) =>
        average(bySeed.map((_, s) => of(sample.map((own) => own[s] as ZooOutcome)))),
      );
      const { mean, std } = measured(values);
      const controls = what.includes("held fixed") ? 1 : 0;
      const p = what.includes("within") ? "" : formatNumber(correlationPValue(mean, zoo.length, controls));
      return [what, `${mean.toFixed(2)} ± ${std.toFixed(2)}`, `${low.toFixed(2)} to ${high.toFixed(2)}`, p];
    });
    figure({
      kind: "table",
      title: `${name}: correlation with accuracy over ${zoo.length} classifiers`,
      caption:
        "Mean and standard deviation over seeds; the 95 % interval is by bootstrap over classifiers; p of Student's t takes them as independent.",
      columns: ["of", "r", "interval", "p"],
      rows,
    });
  }
}

function drawInterventions({ figure }: StudyContext, zoos: Zoos): void {
  const [[name, bySeed]] = [...zoos] as [[ImageSetName, readonly Zoo[]]];
  const noisy = (bySeed[0] as Zoo).flatMap(({ noise }) => (noise ? [noise] : []));
  figure({
    kind: "lines",
    title: `${name}: accuracy against the departure of the effective dimension under noise`,
    caption:
      "Means over plainly trained classifiers. The departure is the absolute logarithm of the ratio to that without noise.",
    x: { label: "departure of the dimension" },
    y: { label: "accuracy, %" },
    series: featureNoiseKinds.map((kind) => ({
      name: kind,
      points: (noisy[0] as (typeof noisy)[number])[kind].map((_, i) => ({
        x: average(noisy.map((noise) => departures(noise[kind])[i] as number)),
        y: average(noisy.map((noise) => (noise[kind][i] as NoiseResponse).score)),
      })),
    })),
  });
  const rows = [...zoos].flatMap(([set, [zoo]]) =>
    (zoo as Zoo)
      .filter(({ training }) => training === "plain")
      .map(({ name: classifier, accuracy, parameters, first, samples, pca: [most] }) => [
        `${set}, ${classifier.replace(", plain", "")}`,
        Number(accuracy.toFixed(2)),
        parameters,
        Number(first.toFixed(2)),
        ...samples.map(({ dimension }) => Number(dimension.toFixed(2))),
        Number(extrapolatedDimension(samples).toFixed(2)),
        (most as PcaResponse).kept,
        Number((most as PcaResponse).score.toFixed(2)),
      ]),
  );
  const counts = ((bySeed[0] as Zoo)[0] as ZooOutcome).samples.map(({ count }) => `dimension, ${count} images`);
  figure({
    kind: "table",
    title: "Plainly trained classifiers, first seed",
    columns: [
      "classifier",
      "accuracy, %",
      "parameters",
      "dimension, first layer",
      ...counts,
      "dimension, extrapolated",
      "components for 95 %",
      "accuracy on them, %",
    ],
    rows,
  });
}

export default paper({
  number: 14,
  slug: "representation-geometry",
  title: "On the Relationship Between Representation Geometry and Generalization in Deep Neural Networks",
  year: 2026,
  source: "Yadav; arXiv:2602.00130",
  abstract:
    "The effective dimension of a network's features, computed without labels, is correlated with accuracy over many pretrained models more than their size is, and so is how much the network compresses on the way. Noise on the features moves their dimension and takes accuracy with it; projection on the principal components that hold 95 % of the variance takes almost none.",
  claims: {
    arithmetic: {
      what: "p-value of the published correlation of 15 language models, 0.69",
      figure: 0.004,
      unit: "",
      direction: "equals",
      tolerance: 5e-4,
      where: "abstract",
    },
    dimension: {
      what: "partial correlation of effective dimension with accuracy, size held fixed, the set where it is least",
      figure: 0.5,
      unit: "",
      direction: "atLeast",
      where: "abstract: 0.75 over 52 models of ImageNet; 0.5 is our bound",
    },
    compression: {
      what: "partial correlation of total compression with accuracy, size held fixed, the set where it is most",
      figure: -0.5,
      unit: "",
      direction: "atMost",
      where: "abstract: -0.72; -0.5 is our bound",
    },
    families: {
      what: "correlation of effective dimension with accuracy within families, the set where it is least",
      figure: 0.5,
      unit: "",
      direction: "atLeast",
      where: "our question: is the family the reason",
    },
    size: {
      what: "size of the correlation of effective dimension with accuracy less that of the logarithm of parameters, the set where it is least",
      figure: 0,
      unit: "",
      direction: "atLeast",
      where: "abstract: predicts better than model size",
    },
    noise: {
      what: "correlation of accuracy with the departure of the dimension under noise, the set and the noise where it is weakest",
      figure: -0.9,
      unit: "",
      direction: "atMost",
      where: "abstract: -0.94, beyond 0.9 for all four kinds",
    },
    pca: {
      what: "accuracy on the principal components that hold 95 % of the variance less that on all, the set where it falls most",
      figure: -0.3,
      unit: "points",
      direction: "atLeast",
      where: "abstract: -0.03; 0.3 is our bound",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  next: ["probe fourward-4m --probes geometry"],
  async run(context) {
    const zoos = await measureZoos(context);
    drawZoos(context, zoos);
    drawInterventions(context, zoos);
    const { steps, batch, images, rows } = zooBudgets[context.scale];
    context.note(
      `Every classifier has ${steps} steps of ${batch} images, the same for all; accuracies are of ${images.toLocaleString("en")} held-out images, dimensions of the first ${rows.toLocaleString("en")} of them. Learning rates are part of what the zoo varies, so none is chosen.`,
    );
    context.note(
      `The abstract gives p < 1e-10 for r = 0.75 over 52 models with size held fixed; Student's t gives ${formatNumber(correlationPValue(0.75, 52, 1))}, and no r that rounds to 0.75 gives less than 1e-10.`,
    );
    const bySeed = (fn: (zoo: Zoo) => number, pick: (...values: number[]) => number) =>
      measured(context.seeds.map((_, s) => pick(...[...zoos.values()].map((of) => fn(of[s] as Zoo)))));
    return {
      arithmetic: exactly(correlationPValue(0.69, 15)),
      dimension: bySeed(correlations["dimension, size held fixed"], Math.min),
      compression: bySeed(correlations["compression, size held fixed"], Math.max),
      families: bySeed(correlations["dimension, within families"], Math.min),
      size: bySeed((zoo) => Math.abs(correlations.dimension(zoo)) - Math.abs(correlations.size(zoo)), Math.min),
      noise: bySeed((zoo) => Math.max(...featureNoiseKinds.map((kind) => noiseCorrelation(zoo, kind))), Math.max),
      pca: bySeed(pcaChange, Math.min),
    };
  },
});
