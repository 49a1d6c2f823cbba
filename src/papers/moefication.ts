/** Paper 18: MoEfication of the embedded model: its ReLU layers cut into experts, dense beside sparse. */
import { compile, evaluate, key, normal, relu } from "../array/index.ts";
import { DEFAULT_CORPUS, loadCorpus } from "../data/index.ts";
import { corpusTokens, decoder, EMBEDDED_MODEL, loadPretrained, modelFolder } from "../models/index.ts";
import { ffn, moefiedFfn } from "../nn/index.ts";
import {
  exactly,
  type Measurement,
  measured,
  median,
  pairedMeasurement,
  paper,
  type Scale,
  type StudyContext,
  speedMeasurement,
  withStd,
} from "../report/index.ts";
import {
  type MoefiedLayer,
  type MoefyOptions,
  moefy,
  type RecordedInputs,
  recordFfnInputs,
  withActiveExperts,
} from "../surgery/index.ts";
import { evaluationWindows, inputsAndTargets, pieceProgress, scoreLanguageModel } from "../train/index.ts";
import { layerTimer } from "./layer-times.ts";

/**
 * Hidden units of an expert as in the paper, and so many that the embedded model's 1,024 units are as many experts as the
 * paper's layers of 4,096, 128: the smaller they are, the less that is not wanted comes along.
 */
const UNITS = 32;
const FEWER_UNITS = 8;

interface Sizes {
  /** Tokens that calibrate, windows of validation text that score. */
  readonly tokens: number;
  readonly windows: number;
  readonly epochs: number;
  /** Shares of the experts that are active. */
  readonly shares: readonly number[];
  /** Feed-forward layers that are timed, and calls a figure. */
  readonly timed: readonly { readonly width: number; readonly hidden: number; readonly rows: number }[];
  readonly calls: number;
}
const timed = [
  { width: 768, hidden: 3072, rows: 1 },
  { width: 1024, hidden: 4096, rows: 1 },
  { width: 768, hidden: 3072, rows: 16 },
  { width: 768, hidden: 3072, rows: 64 },
  { width: 768, hidden: 3072, rows: 256 },
];
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: { tokens: 512, windows: 2, epochs: 1, shares: [0.25], timed: [{ width: 64, hidden: 256, rows: 1 }], calls: 3 },
  small: { tokens: 16_384, windows: 48, epochs: 10, shares: [0.125, 0.25, 0.5], timed, calls: 9 },
  full: {
    tokens: 200_000,
    windows: Number.POSITIVE_INFINITY,
    epochs: 30,
    shares: [0.0625, 0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1],
    timed,
    calls: 31,
  },
};

/** What a network is taught in the paper and its code. */
const asDescribed = { router: "mlp", loss: "binary", measure: "activation" } as const;
/**
 * Ways to cut layers and to choose experts: as the paper describes them, and with two changes of ours, fewer units an
 * expert and networks that are taught shares of contributions (see `routerLosses`).
 */
const ways = {
  "parameters, network": { units: UNITS, split: "parameters", ...asDescribed },
  "by chance, network": { units: UNITS, split: "random", ...asDescribed },
  "parameters, similarity": { units: UNITS, split: "parameters", router: "similarity" },
  "parameters, truth": { units: UNITS, split: "parameters", router: "truth" },
  "8 units, similarity": { units: FEWER_UNITS, split: "parameters", router: "similarity" },
  "8 units, network taught shares": {
    ...{ units: FEWER_UNITS, split: "parameters", router: "mlp" },
    ...{ loss: "shares", measure: "contribution" },
  },
} as const satisfies { readonly [name: string]: { units: number } & Partial<MoefyOptions> };
type Way = keyof typeof ways;
const DESCRIBED: Way = "parameters, network";
const IMPROVED: Way = "8 units, network taught shares";
const wayNames = Object.keys(ways) as Way[];

/** One converted model, scored with several numbers of active experts. */
interface Outcome {
  readonly layers: readonly MoefiedLayer[];
  /** By share of active experts, in the order of the shares. */
  readonly accuracy: readonly number[];
  readonly loss: readonly number[];
}

interface Results {
  readonly dense: { readonly accuracy: number; readonly loss: number };
  readonly ways: { readonly [W in Way]: readonly Outcome[] };
  /** Largest difference of a logit with all experts active, over the largest logit. */
  readonly difference: number;
}

/** What an embedded model gives dense and converted in every way. */
async function convertAll(context: StudyContext): Promise<Results> {
  const { tokens, windows, epochs, shares } = sizes[context.scale];
  const { signal, seeds } = context;
  const { model, params, tokenizer } = await loadPretrained(modelFolder(EMBEDDED_MODEL));
  if (!tokenizer) throw new Error(`${EMBEDDED_MODEL} has no tokenizer.json`);
  const text = await corpusTokens(await loadCorpus(DEFAULT_CORPUS), { tokenizer });
  const score = async (each: typeof model, weights: typeof params) =>
    scoreLanguageModel(each, weights, text.validation, { context: model.config.context, windows, batch: 8, signal });
  const total = 1 + wayNames.length * seeds.length;
  const next = pieceProgress(context, { total, unit: "models" });
  try {
    next("dense");
    const dense = await context.remember("dense", () => score(model, params));
    let recorded: Promise<readonly RecordedInputs[]> | undefined;
    const recordOnce = () => {
      recorded ??= recordFfnInputs(model, params, text.train, { tokens, signal });
      return recorded;
    };
    const outcomes: Partial<Record<Way, Outcome[]>> = {};
    for (const name of wayNames) {
      outcomes[name] = await context.overSeeds((seed) => {
        next(name);
        return context.remember(`${name}, seed ${seed}`, async () => {
          const { units, ...options } = ways[name];
          const experts = Math.floor(hiddenOf(model.config.blocks) / units);
          const made = await moefy(model, params, {
            ...options,
            experts,
            active: 1,
            text: text.train,
            recorded: await recordOnce(),
            epochs,
            seed,
            signal,
          });
          const scores = [];
          for (const share of shares) {
            const { config, params: weights } = withActiveExperts(made, Math.max(1, Math.round(share * experts)));
            scores.push(await score(decoder(config), weights));
          }
          return {
            layers: made.layers,
            accuracy: scores.map(({ accuracy }) => accuracy),
            loss: scores.map(({ loss }) => loss),
          };
        });
      });
    }
    const difference = await context.remember("difference", async () => {
      const experts = Math.floor(hiddenOf(model.config.blocks) / FEWER_UNITS);
      const made = await moefy(model, params, {
        experts,
        active: experts,
        text: text.train,
        tokens: 512,
        epochs: 1,
        signal,
      });
      const whole = decoder(made.config);
      const input = inputsAndTargets(evaluationWindows(text.validation, model.config.context).take([0]))[0];
      const window = await evaluate(input);
      const a = (await compile(model.apply)(params, window)).data as Float32Array;
      const b = (await compile(whole.apply)(made.params, window)).data as Float32Array;
      const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0) / largest;
    });
    return { dense, ways: outcomes as Results["ways"], difference };
  } finally {
    text.close();
  }
}

/** Hidden units of the first dense layer. */
function hiddenOf(blocks: Parameters<typeof decoder>[0]["blocks"]): number {
  for (const sublayer of blocks.flat())
    if ("ffn" in sublayer && sublayer.ffn.kind === "dense") return sublayer.ffn.hidden;
  throw new Error("moefication: the model has no dense feed-forward layer");
}

/** Times of rows through layers of the paper's sizes, dense and with a quarter of the experts, router included. */
async function timeLayers(context: StudyContext) {
  const { timed: layers, calls } = sizes[context.scale];
  const results: {
    readonly width: number;
    readonly hidden: number;
    readonly rows: number;
    readonly units: number;
    readonly speed: Measurement;
    readonly dense: number;
    readonly sparse: number;
  }[] = [];
  for (const { width, hidden, rows } of layers) {
    const x = await evaluate(normal(key(3), [rows, width]));
    const plain = ffn({ width, hidden, activation: relu });
    const cut = (units: number) => {
      const experts = hidden / units;
      return moefiedFfn({ width, hidden, experts, active: experts / 4, router: "mlp" });
    };
    const time = await layerTimer(
      {
        dense: plain,
        sparse: cut(UNITS),
        finer: cut(FEWER_UNITS),
      },
      key(1),
    );
    // Calls of more rows take longer, and need to be repeated less.
    const times = await time(x, { calls: Math.max(3, Math.ceil(calls / Math.sqrt(rows))), signal: context.signal });
    for (const [units, sparse] of [
      [UNITS, times.sparse],
      [FEWER_UNITS, times.finer],
    ] as const)
      results.push({
        ...{ width, hidden, rows, units },
        speed: speedMeasurement(times.dense, sparse),
        dense: median(times.dense),
        sparse: median(sparse),
      });
  }
  return results;
}

function draw(
  context: StudyContext,
  { dense, ways: results }: Results,
  times: Awaited<ReturnType<typeof timeLayers>>,
): void {
  const { shares } = sizes[context.scale];
  const kept = (outcome: Outcome, i: number): number => (100 * (outcome.accuracy[i] as number)) / dense.accuracy;
  context.figure({
    kind: "lines",
    title: "Accuracy kept against the share of units in use",
    caption:
      "Share of next tokens that are held likeliest, over that of the dense model; bars are one standard deviation over seeds.",
    x: { label: "% of the hidden units in use" },
    y: { label: "% of the dense model's accuracy" },
    series: wayNames.map((name) => ({
      name,
      points: shares.map((share, i) =>
        withStd(
          100 * share,
          results[name].map((outcome) => kept(outcome, i)),
        ),
      ),
    })),
    reference: { y: 95, label: "95 %" },
  });
  context.figure({
    kind: "lines",
    title: "Loss against the share of units in use",
    caption: "Nats per token on validation text, the first seed.",
    x: { label: "% of the hidden units in use" },
    y: { label: "nats per token" },
    series: wayNames.map((name) => ({
      name,
      points: shares.map((share, i) => ({ x: 100 * share, y: results[name][0]?.loss[i] as number })),
    })),
    reference: { y: dense.loss, label: "dense" },
  });
  context.figure({
    kind: "table",
    title: "Layers of the embedded model",
    caption:
      "On tokens that routers have not learned from, with one expert active, the first seed: what the chosen one gives, and the best there is. Experts of 8 units give a quarter as much each.",
    columns: ["router", "block", "units active for a token, %", "captured, %", "best there is, %"],
    rows: ([DESCRIBED, "parameters, similarity", IMPROVED, "8 units, similarity"] as const).flatMap((name) =>
      (results[name][0]?.layers ?? []).map(({ block, activeShare, captured, capturable }) => [
        name,
        block,
        ...[activeShare, captured, capturable].map((share) => Number((100 * share).toFixed(1))),
      ]),
    ),
  });
  context.figure({
    kind: "table",
    title: "Rows through layers, a quarter of the experts, router included",
    caption:
      "Milliseconds a layer in a stack of them, medians of calls, and the median over rounds of the ratio of a round. Several rows choose different experts each.",
    columns: ["rows at once", "width", "hidden units", "units of an expert", "dense", "sparse", "ratio"],
    rows: times.map(({ width, hidden, rows, units, dense: ms, sparse, speed }) => [
      ...[rows, width, hidden, units],
      ...[ms, sparse, speed.mean].map((value) => Number(value.toPrecision(3))),
    ]),
  });
}

export default paper({
  number: 18,
  slug: "moefication",
  title: "MoEfication: Transformer Feed-forward Layers are Mixtures of Experts",
  year: 2021,
  source: "Zhang, Lin, Liu, Li, Sun, Zhou; Findings of ACL 2022; arXiv:2110.01786",
  abstract:
    "Of the hidden units of a trained ReLU layer only a few are active for a token. Units with similar keys, or that are active together, are put into equal groups, and a small router learns to say which groups a token needs; only those are computed. No weight changes, and most of what the model can do stays.",
  claims: {
    identity: {
      what: "difference of logits with all experts active, over the largest logit",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition: the same units in another order",
    },
    router: {
      what: "cost of the router for T5-large, of a dense layer",
      figure: 1.758,
      unit: "%",
      direction: "equals",
      tolerance: 0.001,
      where: "definition: 1,024 wide, 4,096 units, 128 experts",
    },
    kept: {
      what: "accuracy kept with a quarter of the units: experts of 8 units, router a network taught shares",
      figure: 95,
      unit: "%",
      direction: "atLeast",
      where: "abstract: 10 to 30 % of the parameters at over 95 %",
    },
    described: {
      what: "accuracy kept with a quarter of the units: experts of 32 units, router a network taught as described",
      figure: 95,
      unit: "%",
      direction: "atLeast",
      where: "abstract: 10 to 30 % of the parameters at over 95 %",
    },
    few: {
      what: "accuracy kept with an eighth of the units: experts of 8 units, router a network taught shares",
      figure: 95,
      unit: "%",
      direction: "atLeast",
      where: "abstract: 10 to 30 % of the parameters at over 95 %",
    },
    active: {
      what: "hidden units that are active for a token, the block where they are most",
      figure: 30,
      unit: "%",
      direction: "atMost",
      where: "abstract: few are; 30 is our bound",
    },
    split: {
      what: "accuracy kept with a quarter of the units: split by parameters less split by chance",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "section 4: clusters are better than chance",
    },
    network: {
      what: "accuracy kept with a quarter of the units: router a network less by similarity, experts of 32",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "section 4: the network is the best router",
    },
    shares: {
      what: "accuracy kept with a quarter of the units: router a network taught shares less by similarity, experts of 8",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "section 4: the network is the best router",
    },
    faster: {
      what: "one row through layers with a quarter of the experts of 32 units: dense over sparse, router included, the size where it gains least",
      figure: 2,
      unit: "x",
      direction: "atLeast",
      where: "abstract: 2x with a quarter of the parameters",
    },
    fasterSmall: {
      what: "the same with a quarter of the experts of 8 units",
      figure: 2,
      unit: "x",
      direction: "atLeast",
      where: "abstract: 2x with a quarter of the parameters",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  next: [
    `convert ${EMBEDDED_MODEL} --with moefication --out models/sparse`,
    `generate ${EMBEDDED_MODEL} --prompt "The whale"`,
  ],
  async run(context) {
    const { shares } = sizes[context.scale];
    const results = await convertAll(context);
    const times = await context.remember("times of stacks", () => timeLayers(context));
    draw(context, results, times);
    const kept = (name: Way, share: number): number[] => {
      const i = shares.reduce(
        (best, each, k) => (Math.abs(each - share) < Math.abs((shares[best] as number) - share) ? k : best),
        0,
      );
      return results.ways[name].map(({ accuracy }) => (100 * (accuracy[i] as number)) / results.dense.accuracy);
    };
    const [d, units, experts] = [1024, 4096, 128];
    const leastOf = (size: number): Measurement =>
      times
        .filter(({ rows, units: own }) => rows === 1 && own === size)
        .map(({ speed }) => speed)
        .reduce((least, speed) => (speed.mean < least.mean ? speed : least));
    const layers = results.ways["parameters, truth"][0]?.layers ?? [];
    context.note(
      `The embedded model holds ${(100 * results.dense.accuracy).toFixed(1)} % of next tokens likeliest, at ${results.dense.loss.toFixed(3)} nats per token. It is small: its layers are timed at the paper's sizes instead, with random weights, one row at a time.`,
    );
    return {
      identity: exactly(results.difference),
      router: exactly((100 * (d * experts + experts ** 2)) / (2 * d * units)),
      kept: measured(kept(IMPROVED, 0.25)),
      described: measured(kept(DESCRIBED, 0.25)),
      few: measured(kept(IMPROVED, 0.125)),
      active: exactly(100 * Math.max(...layers.map(({ activeShare }) => activeShare))),
      split: pairedMeasurement(kept(DESCRIBED, 0.25), kept("by chance, network", 0.25)),
      network: pairedMeasurement(kept(DESCRIBED, 0.25), kept("parameters, similarity", 0.25)),
      shares: pairedMeasurement(kept(IMPROVED, 0.25), kept("8 units, similarity", 0.25)),
      faster: leastOf(UNITS),
      fasterSmall: leastOf(FEWER_UNITS),
    };
  },
});
