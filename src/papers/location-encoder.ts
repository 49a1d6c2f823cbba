/** Paper 65: places on the Earth encoded by spherical harmonics, and networks of sines on top. */
import {
  compile,
  concat,
  evaluate,
  key,
  mul,
  reshape,
  slice,
  squeeze,
  type Tensor,
  type Tree,
  take,
  tensor,
} from "../array/index.ts";
import { coastlinesAvailable, fibonacciLattice, type Land, loadLand, spherePoints } from "../data/index.ts";
import {
  cartesianEncoding,
  directEncoding,
  gridEncoding,
  type Layer,
  type LocationEncoding,
  linear,
  parameterCount,
  placesOf,
  residualNetwork,
  siren,
  sphericalHarmonicEncoding,
  theoryEncoding,
  wrapEncoding,
} from "../nn/index.ts";
import {
  average,
  exactly,
  type Point,
  pairedMeasurement,
  paper,
  type Scale,
  SkippedError,
  type StudyContext,
} from "../report/index.ts";
import {
  adamW,
  binaryCrossEntropy,
  cosine,
  fitTogether,
  type IndexBatch,
  indexBatches,
  type OnProgress,
  pieceProgress,
  pixelsOf,
  searchRates,
} from "../train/index.ts";

type Place = readonly [longitude: number, latitude: number];

interface Setting {
  readonly training: number;
  readonly validation: number;
  readonly test: number;
  readonly hidden: number;
  readonly frequencies: number;
  readonly steps: number;
  readonly batch: number;
  readonly rates: readonly number[];
}

const settings: Readonly<Record<Scale, Setting>> = {
  smoke: { training: 300, validation: 100, test: 400, hidden: 8, frequencies: 4, steps: 10, batch: 50, rates: [1e-2] },
  small: {
    training: 5000,
    validation: 2000,
    test: 10_000,
    hidden: 64,
    frequencies: 16,
    steps: 1200,
    batch: 250,
    rates: [1e-4, 5e-4, 2e-3, 8e-3, 32e-3],
  },
  full: {
    training: 100_000,
    validation: 10_000,
    test: 50_000,
    hidden: 128,
    frequencies: 32,
    steps: 20_000,
    batch: 2000,
    rates: [1e-4, 3e-4, 1e-3, 3e-3, 1e-2],
  },
};

const encodingsOf = ({ frequencies }: Setting): { readonly [name: string]: LocationEncoding } => ({
  direct: directEncoding(),
  cartesian: cartesianEncoding(),
  wrap: wrapEncoding(),
  grid: gridEncoding({ frequencies }),
  theory: theoryEncoding({ frequencies }),
  "SH 10": sphericalHarmonicEncoding({ degrees: 10 }),
  "SH 20": sphericalHarmonicEncoding({ degrees: 20 }),
});

const networksOf = ({ hidden }: Setting): { readonly [name: string]: (inputs: number) => Layer<Tree> } => ({
  Linear: (inputs) => linear({ inputs, outputs: 1 }),
  Residual: (inputs) => residualNetwork({ inputs, outputs: 1, hidden }),
  Siren: (inputs) => siren({ inputs, outputs: 1, hidden, layers: 2 }),
});

/** A network on an encoding; its features are a range of the columns of all features. */
interface Model {
  readonly layer: Layer<Tree>;
  readonly columns: readonly [start: number, stop: number];
}

function modelsOf(setting: Setting): { readonly [name: string]: Model } {
  const models: Record<string, Model> = {};
  let start = 0;
  for (const [encoding, { features }] of Object.entries(encodingsOf(setting))) {
    for (const [network, make] of Object.entries(networksOf(setting)))
      models[`${network}(${encoding})`] = { layer: make(features), columns: [start, start + features] };
    start += features;
  }
  return models;
}

/** Logits `[places]` of a model, given all features `[places, columns]`. */
const logitsOf = ({ layer, columns: [start, stop] }: Model, params: Tree, features: Tensor): Tensor =>
  squeeze(layer.apply(params, slice(features, { starts: [start], stops: [stop], axes: [1] })), 1);

/** Places with what every encoding makes of them, one after the other, and whether there is land. */
interface Labelled {
  readonly places: readonly Place[];
  readonly features: Tensor;
  readonly labels: Float32Array;
}

async function labelled(setting: Setting, land: Land, places: readonly Place[]): Promise<Labelled> {
  const encode = compile((x: Tensor) =>
    concat(
      Object.values(encodingsOf(setting)).map((encoding) => encoding.encode(x)),
      { axis: 1 },
    ),
  );
  return {
    places,
    features: await encode(placesOf(places)),
    labels: Float32Array.from(places, ([x, y]) => Number(land.contains(x, y))),
  };
}

type Rates = { readonly [name: string]: number };

/** All models trained on the same batches, each with its own learning rate. */
async function train(
  context: StudyContext,
  setting: Setting,
  { features, labels }: Labelled,
  rates: Rates,
  seed: number,
  steps: number,
  onProgress: OnProgress,
) {
  const models = modelsOf(setting);
  const truth = tensor(labels);
  const trainees = await Promise.all(
    Object.entries(models).map(async ([name, model]) => {
      const loss = (params: Tree, { indices }: IndexBatch): Tensor => {
        const rows = reshape(indices, [-1]);
        return binaryCrossEntropy(logitsOf(model, params, take(features, rows)), take(truth, rows));
      };
      return [
        name,
        { params: await evaluate(model.layer.init(key(seed))), loss, rate: rates[name] as number },
      ] as const;
    }),
  );
  const { params } = await fitTogether({
    models: Object.fromEntries(trainees),
    data: indexBatches({ count: labels.length, batch: setting.batch, seeds: [seed] }),
    optimizer: (rate) => adamW({ learningRate: rate, weightDecay: 1e-4 }),
    schedule: cosine({ from: 1, to: 0.01, steps }),
    steps,
    seed,
    signal: context.signal,
    onProgress,
  });
  context.signal.throwIfAborted();
  return params;
}

/** Logits of every model at places, in pieces. */
async function predictions(
  setting: Setting,
  params: { readonly [name: string]: Tree },
  { features, labels }: Labelled,
) {
  const models = Object.entries(modelsOf(setting));
  const apply = compile((weights: { readonly [name: string]: Tree }, x: Tensor) =>
    Object.fromEntries(models.map(([name, model]) => [name, logitsOf(model, weights[name] as Tree, x)])),
  );
  const piece = 1000;
  const all = Object.fromEntries(models.map(([name]) => [name, new Float32Array(labels.length)]));
  for (let start = 0; start < labels.length; start += piece) {
    const stop = Math.min(labels.length, start + piece);
    const logits = await apply(params, await evaluate(mul(slice(features, { starts: [start], stops: [stop] }), 1)));
    for (const [name, values] of Object.entries(logits)) all[name]?.set(values.data as Float32Array, start);
  }
  return all;
}

/** Share in % of places, of those that count, where the sign of a logit tells land from sea. */
function accuracy(
  logits: Float32Array,
  { labels, places }: Labelled,
  counts: (place: Place) => boolean = () => true,
): number {
  const chosen = places.flatMap((place, i) => (counts(place) ? [i] : []));
  const hits = chosen.filter((i) => (logits[i] as number) > 0 === (labels[i] as number) > 0.5).length;
  return (100 * hits) / chosen.length;
}

const isPolar = ([, latitude]: Place): boolean => Math.abs(latitude) > 60;
const isAtDateLine = ([longitude]: Place): boolean => Math.abs(longitude) > 170;
const BAND = 15;
const bands = Array.from({ length: 180 / BAND }, (_, i) => -90 + BAND * (i + 0.5));

/** Accuracies of one model in %. */
interface Accuracies {
  readonly all: number;
  readonly polar: number;
  readonly dateLine: number;
  readonly byLatitude: readonly number[];
}

const MAP = { width: 144, height: 72 } as const;
const mapPlaces: readonly Place[] = Array.from({ length: MAP.width * MAP.height }, (_, i) => [
  -180 + (360 * ((i % MAP.width) + 0.5)) / MAP.width,
  90 - (180 * (Math.floor(i / MAP.width) + 0.5)) / MAP.height,
]);
/** Models whose maps are drawn. */
const drawn = [
  "Linear(grid)",
  "Linear(SH 20)",
  "Residual(grid)",
  "Siren(direct)",
  "Siren(SH 10)",
  "Siren(SH 20)",
] as const;

interface Outcome {
  readonly accuracies: { readonly [name: string]: Accuracies };
  readonly maps: { readonly [name: string]: Uint8Array };
}

async function measureAll(context: StudyContext, setting: Setting) {
  const land = await loadLand(context.scale === "full" ? "50m" : "110m");
  const test = await labelled(setting, land, fibonacciLattice(setting.test));
  const map = await labelled(setting, land, mapPlaces);
  const sets = async (seed: number) => ({
    training: await labelled(setting, land, spherePoints(setting.training, 2 * seed + 1)),
    validation: await labelled(setting, land, spherePoints(setting.validation, 2 * seed + 2)),
  });
  const names = Object.keys(modelsOf(setting));
  const [total, unit] = [setting.rates.length + context.seeds.length, "trainings"];
  const [first] = context.seeds as readonly [number];
  const [only, ...others] = setting.rates as [number, ...number[]];
  const search = async (): Promise<Rates> => {
    if (others.length === 0) return Object.fromEntries(names.map((name) => [name, only]));
    const { training, validation } = await sets(first);
    const next = pieceProgress(context, { total, unit });
    return searchRates(setting.rates, async (rate) => {
      const onProgress = next(`learning rate ${rate}`);
      const same = Object.fromEntries(names.map((name) => [name, rate]));
      const params = await train(context, setting, training, same, first, Math.ceil(setting.steps / 3), onProgress);
      const logits = await predictions(setting, params, validation);
      return Object.fromEntries(names.map((name) => [name, accuracy(logits[name] as Float32Array, validation)]));
    });
  };
  const searched = await context.remember(`rates, seed ${first}`, search);
  const outcomes = await context.overSeeds((seed, index) =>
    context.remember(`accuracies, seed ${seed}`, async (): Promise<Outcome> => {
      const onProgress = pieceProgress(context, { total, unit, done: setting.rates.length + index })(`seed ${seed}`);
      const { training } = await sets(seed);
      const params = await train(context, setting, training, searched, seed, setting.steps, onProgress);
      const logits = await predictions(setting, params, test);
      const pictures = await predictions(setting, params, map);
      return {
        accuracies: Object.fromEntries(
          names.map((name) => {
            const own = logits[name] as Float32Array;
            const near = (middle: number) => accuracy(own, test, ([, y]) => Math.abs(y - middle) <= BAND / 2);
            const parts = {
              all: accuracy(own, test),
              polar: accuracy(own, test, isPolar),
              dateLine: accuracy(own, test, isAtDateLine),
            };
            return [name, { ...parts, byLatitude: bands.map(near) }];
          }),
        ),
        maps: Object.fromEntries(
          drawn.map((name) => [
            name,
            pixelsOf(
              (pictures[name] as Float32Array).map((v) => 1 / (1 + Math.exp(-v))),
              0,
              1,
            ),
          ]),
        ),
      };
    }),
  );
  return { outcomes, rates: searched, truth: pixelsOf(map.labels, 0, 1) };
}

type Measured = Awaited<ReturnType<typeof measureAll>>;

function draw({ figure }: StudyContext, { outcomes, rates, truth }: Measured): void {
  const names = Object.keys(outcomes[0]?.accuracies ?? {});
  const each = (name: string, part: "all" | "polar" | "dateLine") =>
    outcomes.map(({ accuracies }) => accuracies[name]?.[part] as number);
  const list = (values: readonly number[]): string => values.map((v) => v.toFixed(1)).join(", ");
  figure({
    kind: "table",
    title: "Land or sea",
    caption: "Test accuracy in %, one number for each seed, on points spread evenly over the sphere.",
    columns: [
      "network(encoding)",
      "accuracy",
      "beyond 60 degrees of latitude",
      "10 degrees from the date line",
      "learning rate",
    ],
    rows: names.map((name) => [
      name,
      list(each(name, "all")),
      list(each(name, "polar")),
      list(each(name, "dateLine")),
      rates[name] as number,
    ]),
  });
  figure({
    kind: "lines",
    title: "Accuracy by latitude",
    x: { label: "latitude in degrees" },
    y: { label: "accuracy in %" },
    series: drawn.map((name) => ({
      name,
      points: bands.map(
        (latitude, i): Point => ({
          x: latitude,
          y: average(outcomes.map(({ accuracies }) => accuracies[name]?.byLatitude[i] as number)),
        }),
      ),
    })),
  });
  figure({
    kind: "pictures",
    title: "Maps",
    caption: "Probability of land with the first seed: black is sea, white is land.",
    ...MAP,
    rows: [
      { label: "truth", pictures: [truth] },
      ...drawn.map((name) => ({ label: name, pictures: [outcomes[0]?.maps[name] as Uint8Array] })),
    ],
  });
}

/** Sum of squares of the harmonics of degrees below 10 where it differs most from `100/4π`. */
async function sumOfSquares(): Promise<number> {
  const { encode } = sphericalHarmonicEncoding({ degrees: 10 });
  const x = await evaluate(encode(placesOf([...spherePoints(500, 65), [0, 90], [45, -90], [180, 0], [-180, 0]])));
  const sums = Array.from({ length: x.shape[0] as number }, (_, row) =>
    (x.data as Float32Array).subarray(100 * row, 100 * (row + 1)).reduce((total, v) => total + v * v, 0),
  );
  const expected = 100 / (4 * Math.PI);
  return sums.reduce((far, sum) => (Math.abs(sum - expected) > Math.abs(far - expected) ? sum : far), expected);
}

export default paper({
  number: 65,
  slug: "location-encoder",
  title: "Geographic Location Encoding with Spherical Harmonics and Sinusoidal Representation Networks",
  year: 2023,
  source: "Rußwurm, Klemmer, Rolf, Zbinden, Tuia; arXiv:2310.06743",
  abstract:
    "Networks that are told a place by its longitude and latitude see a map with a cut at the date line and stretched poles. Spherical harmonics are features of the sphere itself. With a network of sines on top they are as good as or better than the usual encodings on global tasks such as telling land from sea; harmonics and sines alone are each competitive.",
  claims: {
    addition: {
      what: "sum of squares of the harmonics of degrees 0 to 9, at the place where it is farthest off",
      figure: 7.9577472,
      unit: "",
      direction: "equals",
      tolerance: 1e-4,
      where: "addition theorem: 100/4π everywhere, poles included",
    },
    parameters: {
      what: "parameters of Siren(SH 10) with 2 layers of 64",
      figure: 10_689,
      unit: "",
      direction: "equals",
      where: "definition of the network",
    },
    best: {
      what: "accuracy of Siren(SH), the better of 10 and 20 degrees, less that of the best other pair",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: state of the art together",
    },
    harmonics: {
      what: "accuracy of Linear(SH 20) less that of Linear(grid)",
      figure: 10,
      unit: "points",
      direction: "atLeast",
      where: "abstract: harmonics alone are competitive; 10 points are our bound",
    },
    sines: {
      what: "accuracy of Siren(direct) less that of Residual(grid)",
      figure: -1,
      unit: "points",
      direction: "atLeast",
      where: "abstract: sine networks alone are competitive; 1 point is our bound",
    },
    polar: {
      what: "accuracy beyond 60 degrees of latitude of Siren(SH 20) less that of Siren(grid)",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "the paper's argument: no artefacts at the poles",
    },
    dateLine: {
      what: "accuracy within 10 degrees of the date line of Siren(SH 20) less that of Siren(direct)",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "the paper's argument: no cut at the date line",
    },
  },
  seeds: { smoke: 1, small: 3, full: 3 },
  async run(context) {
    const setting = settings[context.scale];
    const found = coastlinesAvailable();
    if (!found.ok && context.scale === "smoke") throw new SkippedError(found.reason);
    const result = await measureAll(context, setting);
    draw(context, result);
    const values = (name: string, part: "all" | "polar" | "dateLine" = "all"): readonly number[] =>
      result.outcomes.map(({ accuracies }) => accuracies[name]?.[part] as number);
    const names = Object.keys(modelsOf(setting));
    const best = (some: readonly string[]): string =>
      some.reduce((a, b) => (average(values(b)) > average(values(a)) ? b : a));
    const isOurs = (name: string): boolean => name.startsWith("Siren(SH");
    const [ours, other] = [best(names.filter(isOurs)), best(names.filter((name) => !isOurs(name)))];
    context.note(
      `The best pair beside Siren(SH) is ${other}; of Siren(SH), ${ours} is compared. The test picks both, which favours the ${names.length - 2} others. The checkerboard and the paper's other tasks are left out.`,
    );
    const less = (a: string, b: string, part: "all" | "polar" | "dateLine" = "all") =>
      pairedMeasurement(values(a, part), values(b, part));
    return {
      addition: exactly(await sumOfSquares()),
      parameters: exactly(parameterCount(siren({ inputs: 100, outputs: 1, hidden: 64, layers: 2 }).init(key(0)))),
      best: less(ours, other),
      harmonics: less("Linear(SH 20)", "Linear(grid)"),
      sines: less("Siren(direct)", "Residual(grid)"),
      polar: less("Siren(SH 20)", "Siren(grid)", "polar"),
      dateLine: less("Siren(SH 20)", "Siren(direct)", "dateLine"),
    };
  },
});
