/** Paper 18: MoEfication of the embedded model: its ReLU layers cut into experts, dense beside sparse. */
import { compile, evaluate, key, normal, relu } from "../array/index.ts";
import { DEFAULT_CORPUS, loadCorpus } from "../data/index.ts";
import { corpusTokens, decoder, EMBEDDED_MODEL, loadPretrained, modelFolder } from "../models/index.ts";
import { ffn, moefiedFfn } from "../nn/index.ts";
import {
  average,
  exactly,
  measured,
  median,
  pairedMeasurement,
  paper,
  type Scale,
  type StudyContext,
  timeInTurn,
  withStd,
} from "../report/index.ts";
import { type MoefiedLayer, moefy, type SplitKind, withActiveExperts } from "../surgery/index.ts";
import { evaluationWindows, inputsAndTargets, scoreLanguageModel } from "../train/index.ts";

/** Hidden units of an expert, as in the paper. */
const UNITS = 32;

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
  small: { tokens: 8192, windows: 24, epochs: 10, shares: [0.125, 0.25, 0.5], timed, calls: 21 },
  full: {
    tokens: 200_000,
    windows: Number.POSITIVE_INFINITY,
    epochs: 30,
    shares: [0.0625, 0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1],
    timed,
    calls: 101,
  },
};

/** Ways to cut layers and to choose experts. */
const ways = {
  "parameters, network": { split: "parameters", router: "mlp" },
  "together, network": { split: "coactivation", router: "mlp" },
  "by chance, network": { split: "random", router: "mlp" },
  "parameters, similarity": { split: "parameters", router: "similarity" },
  "parameters, truth": { split: "parameters", router: "truth" },
} as const satisfies { readonly [name: string]: { split: SplitKind; router: "mlp" | "similarity" | "truth" } };
type Way = keyof typeof ways;
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
  let done = 0;
  const next = (stage: string) => context.progress({ stage, done: done++, total, unit: "models" });
  try {
    next("dense");
    const dense = await context.remember("dense", () => score(model, params));
    let difference = 0;
    const outcomes: Partial<Record<Way, Outcome[]>> = {};
    for (const name of wayNames) {
      outcomes[name] = await context.overSeeds((seed) => {
        next(name);
        return context.remember(`${name}, seed ${seed}`, async () => {
          const experts = Math.floor(hiddenOf(model.config.blocks) / UNITS);
          const made = await moefy(model, params, {
            ...ways[name],
            experts,
            active: 1,
            text: text.train,
            tokens,
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
    difference = await context.remember("difference", async () => {
      const experts = Math.floor(hiddenOf(model.config.blocks) / UNITS);
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
    readonly ratio: readonly number[];
    readonly dense: number;
    readonly sparse: number;
  }[] = [];
  for (const { width, hidden, rows } of layers) {
    const experts = hidden / UNITS;
    const plain = ffn({ width, hidden, activation: relu });
    const cut = moefiedFfn({ width, hidden, experts, active: experts / 4, router: "mlp" });
    const [plainParams, cutParams, x] = await evaluate([
      plain.init(key(1)),
      cut.init(key(2)),
      normal(key(3), [rows, width]),
    ] as const);
    const [dense, sparse] = [compile(plain.apply), compile(cut.apply)];
    const times = await timeInTurn(
      { dense: () => dense(plainParams, x), sparse: () => sparse(cutParams, x) },
      // Calls of more rows take longer, and need to be repeated less.
      { calls: Math.max(3, Math.ceil(calls / Math.sqrt(rows))), signal: context.signal },
    );
    results.push({
      width,
      hidden,
      rows,
      ratio: times.dense.map((ms, i) => ms / (times.sparse[i] as number)),
      dense: median(times.dense),
      sparse: median(times.sparse),
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
  const layers = results["parameters, network"][0]?.layers ?? [];
  context.figure({
    kind: "table",
    title: "Layers of the embedded model",
    caption:
      "On tokens that routers have not learned from, with one expert active: what the chosen one gives, and the best there is.",
    columns: ["block", "units active for a token, %", "captured by the network, %", "best there is, %"],
    rows: layers.map(({ block, activeShare, captured, capturable }) => [
      block,
      ...[activeShare, captured, capturable].map((share) => Number((100 * share).toFixed(1))),
    ]),
  });
  context.figure({
    kind: "table",
    title: "Rows through a layer, a quarter of the experts, router included",
    caption: "Medians in milliseconds; both were timed in turn. Several rows choose different experts each.",
    columns: ["rows at once", "width", "hidden units", "dense", "sparse", "ratio"],
    rows: times.map(({ width, hidden, rows, dense: ms, sparse, ratio }) => [
      rows,
      width,
      hidden,
      Number(ms.toPrecision(3)),
      Number(sparse.toPrecision(3)),
      Number(average(ratio).toPrecision(3)),
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
      what: "accuracy kept with a quarter of the units, split by parameters, router a network",
      figure: 95,
      unit: "%",
      direction: "atLeast",
      where: "abstract: 10 to 30 % of the parameters at over 95 %",
    },
    few: {
      what: "accuracy kept with an eighth of the units",
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
      what: "accuracy kept with a quarter of the units: router a network less by similarity",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "section 4: the network is the best router",
    },
    faster: {
      what: "one row through a layer with a quarter of the experts: dense over sparse, router included, the size where it gains least",
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
    const times = await context.remember("times", () => timeLayers(context));
    draw(context, results, times);
    const kept = (name: Way, share: number): number[] => {
      const i = shares.reduce(
        (best, each, k) => (Math.abs(each - share) < Math.abs((shares[best] as number) - share) ? k : best),
        0,
      );
      return results.ways[name].map(({ accuracy }) => (100 * (accuracy[i] as number)) / results.dense.accuracy);
    };
    const [d, units, experts] = [1024, 4096, 128];
    const byLeast = times
      .filter(({ rows }) => rows === 1)
      .map(({ ratio }) => ratio)
      .reduce((least, ratio) => (average(ratio) < average(least) ? ratio : least));
    const layers = results.ways["parameters, truth"][0]?.layers ?? [];
    context.note(
      `The embedded model holds ${(100 * results.dense.accuracy).toFixed(1)} % of next tokens likeliest, at ${results.dense.loss.toFixed(3)} nats per token. It is small: its layers are timed at the paper's sizes instead, with random weights, one row at a time.`,
    );
    return {
      identity: exactly(results.difference),
      router: exactly((100 * (d * experts + experts ** 2)) / (2 * d * units)),
      kept: measured(kept("parameters, network", 0.25)),
      few: measured(kept("parameters, network", 0.125)),
      active: exactly(100 * Math.max(...layers.map(({ activeShare }) => activeShare))),
      split: pairedMeasurement(kept("parameters, network", 0.25), kept("by chance, network", 0.25)),
      network: pairedMeasurement(kept("parameters, network", 0.25), kept("parameters, similarity", 0.25)),
      faster: measured(byLeast),
    };
  },
});
