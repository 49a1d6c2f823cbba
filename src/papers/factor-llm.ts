/** Paper 23: feed-forward layers of a trained model cut into slices, with routers taught by the layers themselves. */
import { join } from "#platform";
import { evaluate, flopCount, key, normal, silu, zeros } from "../array/index.ts";
import { type CorpusTokens, type DecoderConfig, decoder, EMBEDDED_MODEL } from "../models/index.ts";
import { gatedFfn, moefiedFfn } from "../nn/index.ts";
import {
  average,
  exactly,
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
  type ConfiguredDecoder,
  distillFactored,
  type FactoredLayer,
  factorFfns,
  factorFigures,
  type LearnerKind,
  type SliceKind,
} from "../surgery/index.ts";
import {
  fitLanguageModel,
  type LanguageScore,
  type LanguageSetting,
  languageSettings,
  languageText,
  pieceProgress,
  scoreLanguageModel,
} from "../train/index.ts";
import { layerTimer } from "./layer-times.ts";

interface Sizes {
  /** Steps that teach, a small share of those that trained the model, and rates of which each recipe gets its best. */
  readonly steps: number;
  readonly rates: readonly number[];
  /** Learning rate of the model that is cut. */
  readonly rate: number;
  /** Tokens on which choices are looked at. */
  readonly tokens: number;
  /** Layers that are timed, and calls a figure. */
  readonly timed: readonly { readonly width: number; readonly hidden: number; readonly rows: number }[];
  readonly calls: number;
}
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: { steps: 3, rates: [1e-2], rate: 4e-3, tokens: 64, timed: [{ width: 64, hidden: 192, rows: 1 }], calls: 3 },
  small: {
    steps: 100,
    rates: [3e-3, 1e-2],
    rate: 12e-3,
    tokens: 2048,
    timed: [
      { width: 1024, hidden: 2816, rows: 1 },
      { width: 2048, hidden: 5632, rows: 1 },
      { width: 1024, hidden: 2816, rows: 64 },
    ],
    calls: 7,
  },
  full: {
    steps: 1000,
    rates: [1e-4, 3e-4, 1e-3],
    rate: 1e-3,
    tokens: 16_384,
    timed: [
      { width: 1024, hidden: 2816, rows: 1 },
      { width: 2048, hidden: 5632, rows: 1 },
      { width: 2048, hidden: 5632, rows: 64 },
      { width: 2048, hidden: 5632, rows: 512 },
    ],
    calls: 51,
  },
};

/** A model cut in some way, and how it is taught; all recipes that learn do so for equally many steps. */
interface RecipeOfArm {
  readonly experts: number;
  readonly active: number;
  readonly slices?: SliceKind;
  readonly straightThrough?: boolean;
  readonly learn?: { readonly what: LearnerKind; readonly task: number; readonly prior: number };
}
const both = { what: "all", task: 1, prior: 1 } as const;
const half = { experts: 4, active: 2 } as const;
const arms = {
  "whole layers, by the task": { experts: 4, active: 4, learn: { what: "all", task: 1, prior: 0 } },
  "nothing learns": half,
  "router, by the task": { ...half, straightThrough: true, learn: { what: "router", task: 1, prior: 0 } },
  "router, by the layers": { ...half, learn: { what: "router", task: 0, prior: 1 } },
  "all, by the task": { ...half, learn: { what: "all", task: 1, prior: 0 } },
  "all, by both": { ...half, learn: both },
  "all, by both, clustered": { ...half, slices: "clustered", learn: both },
  "2 of 8, by both": { experts: 8, active: 2, learn: both },
  "4 of 8, by both": { experts: 8, active: 4, learn: both },
} as const satisfies Record<string, RecipeOfArm>;
type Arm = keyof typeof arms;
const armNames = Object.keys(arms) as Arm[];

interface Outcome {
  readonly score: LanguageScore;
  readonly rate: number;
  readonly layers: readonly FactoredLayer[];
}
interface Results {
  readonly dense: readonly LanguageScore[];
  readonly arms: { readonly [A in Arm]: readonly Outcome[] };
  /** Largest difference of losses with all slices, over seeds. */
  readonly difference: readonly number[];
}

/** The SwiGLU model that is cut. */
const configOf = ({ vocabulary, width, depth, heads, budget }: LanguageSetting): DecoderConfig => ({
  vocabulary,
  context: budget.context,
  width,
  norm: "rms",
  blocks: Array.from({ length: depth }, () => [
    { mixer: { kind: "attention", heads } },
    { ffn: { kind: "gated", hidden: 3 * width } },
  ]),
});

/** Trains the model for each seed, cuts it in every way, and scores what comes of it on test text. */
async function compareRecipes(context: StudyContext, text: CorpusTokens): Promise<Results> {
  const setting = languageSettings[context.scale];
  const { budget } = setting;
  const { steps, rates, tokens } = sizes[context.scale];
  const { signal } = context;
  const config = configOf(setting);
  const chosen = new Map<Arm, number>();
  const total = context.seeds.length * (1 + armNames.length);
  const next = pieceProgress(context, { total, unit: "models" });
  const score = ({ config: c, params }: ConfiguredDecoder, part: "validation" | "test", windows: number) =>
    scoreLanguageModel(decoder(c), params, text[part], { context: budget.context, windows, signal });

  const perSeed = await context.overSeeds(async (seed) => {
    const onProgress = next(`training the model, seed ${seed}`, "the whole model");
    const sourceParams = async () => {
      const { steps: all, batch, context: window } = budget;
      const training = {
        steps: all,
        batch,
        context: window,
        rate: sizes[context.scale].rate,
        seed,
        signal,
        onProgress,
      };
      const checkpoint = { dir: join(context.folder, `model of seed ${seed}`), every: all };
      const { params } = await fitLanguageModel({ model: decoder(config), data: text.train, checkpoint, ...training });
      signal.throwIfAborted();
      return params;
    };
    let source: ConfiguredDecoder | null = null;
    const teacher = async () => {
      source ??= { config: decoder(config).config, params: await sourceParams() };
      return source;
    };
    const dense = await context.remember(`dense, seed ${seed}`, async () =>
      score(await teacher(), "test", budget.test),
    );
    const difference = await context.remember(`all slices, seed ${seed}`, async () => {
      const whole = await factorFfns(await teacher(), { experts: 4, active: 4 });
      const [a, b] = [await score(await teacher(), "test", 8), await score(whole, "test", 8)];
      return Math.abs(a.loss - b.loss) / a.loss;
    });
    const outcomes: Partial<Record<Arm, Outcome>> = {};
    for (const arm of armNames) {
      const onProgress = next(`${arm}, seed ${seed}`, arm);
      const recipe: RecipeOfArm = arms[arm];
      const taught = async (rate: number): Promise<ConfiguredDecoder> => {
        const cut = await factorFfns(await teacher(), { ...recipe, seed });
        if (!recipe.learn) return cut;
        const { what: learn, ...weights } = recipe.learn;
        const { batch, context: window } = budget;
        const training = { steps, batch, context: window, rate, seed, signal, onProgress };
        return distillFactored(await teacher(), cut, { ...weights, ...training, learn, text: text.train });
      };
      outcomes[arm] = await context.remember(`${arm}, seed ${seed}`, async () => {
        // The first seed finds the rate, on validation text.
        const candidates = !recipe.learn ? [0] : chosen.has(arm) ? [chosen.get(arm) as number] : rates;
        let best: { readonly model: ConfiguredDecoder; readonly loss: number; readonly rate: number } | null = null;
        for (const rate of candidates) {
          const model = await taught(rate);
          const { loss } = await score(model, "validation", budget.validation);
          if (!best || loss < best.loss) best = { model, loss, rate };
        }
        const { model, rate } = best as NonNullable<typeof best>;
        const layers = await factorFigures(await teacher(), model, text.validation, { tokens, signal });
        return { score: await score(model, "test", budget.test), rate, layers };
      });
      chosen.set(arm, (outcomes[arm] as Outcome).rate);
    }
    return { dense, difference, outcomes: outcomes as { readonly [A in Arm]: Outcome } };
  });
  return {
    dense: perSeed.map(({ dense }) => dense),
    difference: perSeed.map(({ difference }) => difference),
    arms: Object.fromEntries(
      armNames.map((arm) => [arm, perSeed.map(({ outcomes }) => outcomes[arm])]),
    ) as unknown as Results["arms"],
  };
}

/** A layer of the paper's kind and the same in slices, half of them active. */
const layersOf = (width: number, hidden: number) => ({
  whole: gatedFfn({ width, hidden }),
  cut: moefiedFfn({
    ...{ width, hidden, ...half, router: "linear", gated: true, activation: silu, bias: false },
    scale: half.experts / half.active,
  }),
});

/** Times of wide layers with random weights, whole and in slices, router included. */
async function timeLayers(context: StudyContext) {
  const { timed, calls } = sizes[context.scale];
  const results = [];
  for (const { width, hidden, rows } of timed) {
    const { whole, cut } = layersOf(width, hidden);
    const time = await layerTimer({ dense: whole, sparse: cut }, key(1));
    const x = await evaluate(normal(key(3), [rows, width]));
    const many = { calls: rows === 1 ? calls : Math.max(3, Math.ceil(calls / 3)), signal: context.signal };
    const times = await time(x, many);
    results.push({
      ...{ width, hidden, rows },
      speed: speedMeasurement(times.dense, times.sparse),
      dense: median(times.dense),
      sparse: median(times.sparse),
    });
  }
  return results;
}

/** Multiplications of a layer for one token, counted in the graph; parameters need no values. */
function multiplications() {
  const [width, hidden] = [2048, 5632];
  const { whole, cut } = layersOf(width, hidden);
  const x = zeros([1, width]);
  return {
    whole: flopCount(whole.apply, whole.init(key(0)), x) / 2,
    cut: flopCount(cut.apply, cut.init(key(0)), x) / 2,
  };
}

/** Accuracy of an arm, of that of whole layers trained on for as many steps. */
const percentOf = ({ arms: results }: Results, arm: Arm): number[] =>
  results[arm].map(
    ({ score }, s) => (100 * score.accuracy) / (results["whole layers, by the task"][s] as Outcome).score.accuracy,
  );
const meanOver = (outcome: Outcome, figure: (layer: FactoredLayer) => number): number =>
  average(outcome.layers.map(figure));

function draw(context: StudyContext, results: Results, times: Awaited<ReturnType<typeof timeLayers>>): void {
  const short = (value: number): number => Number(value.toPrecision(4));
  context.figure({
    kind: "table",
    title: "A model with half of its feed-forward layers, by what has learned from what",
    caption: `Test text, means over ${context.seeds.length} seeds. Accuracy: of that of whole layers trained on for as many steps; loss: above the model before. Agreement: share of a router's slices that are among those nearest to the layer one by one. Errors: squared distance from the layer over its square, on what layers read.`,
    columns: [
      "recipe",
      "accuracy kept, %",
      "loss above the model, nats",
      "rate",
      "agreement, %",
      "error of the router",
      "of the nearest",
      "of the best",
    ],
    rows: armNames.map((arm) => {
      const outcomes = results.arms[arm];
      const of = (figure: (layer: FactoredLayer) => number) =>
        short(average(outcomes.map((outcome) => meanOver(outcome, figure))));
      return [
        arm,
        short(average(percentOf(results, arm))),
        short(average(outcomes.map(({ score }, s) => score.loss - (results.dense[s] as LanguageScore).loss))),
        outcomes[0]?.rate || "none",
        of(({ agreement }) => 100 * agreement),
        of(({ error }) => error.router),
        of(({ error }) => error.nearest),
        of(({ error }) => error.best ?? Number.NaN),
      ];
    }),
  });
  context.figure({
    kind: "bars",
    title: "Accuracy kept",
    caption:
      "Share of next tokens that are held likeliest, over that with whole layers trained on for as many steps; one standard deviation over seeds.",
    y: { label: "% of the accuracy with whole layers" },
    bars: armNames.map((arm) => {
      const { x: _, ...point } = withStd(0, percentOf(results, arm));
      return { group: `${arms[arm].active} of ${arms[arm].experts}`, series: arm, ...point };
    }),
  });
  const used = results.arms["all, by both"][0]?.layers ?? [];
  context.figure({
    kind: "table",
    title: "Share of the tokens that use each slice",
    caption: "All, by both; the first seed. With two of four slices the mean is 0.5.",
    columns: ["block", ...(used[0]?.usage ?? []).map((_, e) => `slice ${e + 1}`)],
    rows: used.map(({ block, usage }) => [block, ...usage.map(short)]),
  });
  context.figure({
    kind: "table",
    title: "Rows through a SwiGLU layer, whole and with two of four slices, router included",
    caption: "Medians in milliseconds a layer, timed in stacks of layers; random weights.",
    columns: ["rows at once", "width", "hidden units", "whole", "in slices", "ratio"],
    rows: times.map(({ rows, width, hidden, dense, sparse, speed }) => [
      ...[rows, width, hidden],
      ...[dense, sparse, speed.mean].map((value) => Number(value.toPrecision(3))),
    ]),
  });
}

export default paper({
  number: 23,
  slug: "factor-llm",
  title: "FactorLLM: Factorizing Knowledge via Mixture of Experts for Large Language Models",
  year: 2024,
  source: "Zhao, Wei, Wang and others; arXiv:2408.11855",
  abstract:
    "Each feed-forward layer of a trained model is cut into slices of equal size, without changing a weight. A linear router per layer chooses which of them a token uses. It is taught, with little data, to choose those whose output alone comes nearest to that of the whole layer, while the slices learn to go on without the others.",
  claims: {
    identity: {
      what: "difference of the loss with all slices, over the loss",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition: the same sum in parts",
    },
    multiplications: {
      what: "multiplications of TinyLlama's feed-forward layer with two of four slices, router included, of the whole; counted in the graph",
      figure: 0.50024,
      unit: "",
      direction: "equals",
      tolerance: 5e-6,
      where: "definition: 17,309,696 of 34,603,008",
    },
    kept: {
      what: "accuracy kept with half of the layers, all taught by both, of whole layers trained on for as many steps",
      figure: 85,
      unit: "%",
      direction: "atLeast",
      where: "abstract: up to 85 % of the source's performance",
    },
    taught: {
      what: "accuracy kept: routers taught by the layers less routers that know nothing",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "the prior-approximate router",
    },
    prior: {
      what: "accuracy kept, all taught: by both less by the task alone",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "the prior-approximate loss helps",
    },
    agreement: {
      what: "share of a router's slices that are among the two nearest of four, taught by the layers",
      figure: 75,
      unit: "%",
      direction: "atLeast",
      where: "chance is 50; half way from there to all is our bound",
    },
    clustered: {
      what: "accuracy kept, all taught by both: slices as they stand less clustered ones",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "the official code slices without clustering",
    },
    faster: {
      what: "one row through a layer with two of four slices: whole over cut, the size where it gains least",
      figure: 1.3,
      unit: "x",
      direction: "atLeast",
      where: "abstract: over 30 % faster, there of the whole model",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  next: [`convert ${EMBEDDED_MODEL} --with factor --out models/factored`],
  async run(context) {
    const text = await languageText(languageSettings[context.scale]);
    const results = await compareRecipes(context, text).finally(() => text.close());
    const times = await context.remember("times", () => timeLayers(context));
    draw(context, results, times);
    const count = multiplications();
    const agreement = results.arms["router, by the layers"].map((outcome) =>
      meanOver(outcome, (layer) => 100 * layer.agreement),
    );
    const byLeast = times
      .filter(({ rows }) => rows === 1)
      .map(({ speed }) => speed)
      .reduce((least, speed) => (speed.mean < least.mean ? speed : least));
    context.note(
      `The model that is cut is small and was trained here for ${languageSettings[context.scale].budget.steps} steps; recipes then have ${sizes[context.scale].steps} more on the same text. That is further training, so that what is kept is measured against whole layers that had it too.`,
    );
    context.note(
      "Routers are taught the slices that are nearest to the layer one by one. The table compares their sum with that of the best combination, whose error is what a router could reach; choices one by one leave out that slices complete each other.",
    );
    context.note(
      "A hard choice gives routers no gradient by the task, as in the official code; the arm whose router learns by the task estimates one straight through.",
    );
    return {
      identity: measured(results.difference),
      multiplications: exactly(count.cut / count.whole),
      kept: measured(percentOf(results, "all, by both")),
      taught: pairedMeasurement(percentOf(results, "router, by the layers"), percentOf(results, "nothing learns")),
      prior: pairedMeasurement(percentOf(results, "all, by both"), percentOf(results, "all, by the task")),
      agreement: measured(agreement),
      clustered: pairedMeasurement(percentOf(results, "all, by both"), percentOf(results, "all, by both, clustered")),
      faster: byLeast,
    };
  },
});
