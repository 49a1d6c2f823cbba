/** Paper 28: feed-forward layers of a deep thin model in one wide layer, once attention between them is gone. */
import { compile, evaluate, mapTree, mul, type Tensor, tensor } from "../array/index.ts";
import { type CorpusTokens, type DecoderConfig, type DecoderParams, decoder } from "../models/index.ts";
import { blockDependency, windowDependency } from "../probe/index.ts";
import {
  average,
  exactly,
  measured,
  pairedMeasurement,
  paper,
  type Scale,
  type StudyContext,
  spearman,
  withinGroups,
  withStd,
} from "../report/index.ts";
import {
  blocksSideBySide,
  type ConfiguredDecoder,
  dropAttention,
  type FfnRun,
  ffnRuns,
  ffnsSideBySide,
  fuseFfnRun,
  heal,
  withoutFfns,
} from "../surgery/index.ts";
import { fitLanguageModel, languageSettings, languageText, scoreLanguageModel, spreadWindows } from "../train/index.ts";
import { fusionGain, fusionTimes, fusionTimesTable } from "./fusion-times.ts";

interface Sizes {
  readonly depth: number;
  /** Attention is dropped from this block on. */
  readonly from: number;
  readonly rate: number;
  /** Steps of distillation: of the model without attention, and of fused ones; the rate of both. */
  readonly steps: number;
  readonly healing: number;
  /** Windows that score a choice, and tokens that show how blocks depend on each other. */
  readonly windows: number;
  readonly tokens: number;
  /** Lengths of runs. */
  readonly lengths: readonly number[];
  readonly timed: { readonly widths: readonly number[]; readonly lengths: readonly number[] };
  readonly calls: number;
}
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: {
    ...{ depth: 4, from: 1, rate: 4e-3, steps: 2, healing: 4e-3, windows: 4, tokens: 32, lengths: [2, 3] },
    ...{ timed: { widths: [32], lengths: [2] }, calls: 3 },
  },
  small: {
    ...{ depth: 12, from: 6, rate: 6e-3, steps: 80, healing: 2e-3, windows: 96, tokens: 2048 },
    lengths: [2, 3, 4, 5, 6],
    ...{ timed: { widths: [256, 512, 1024], lengths: [2, 4, 6] }, calls: 31 },
  },
  full: {
    ...{ depth: 24, from: 12, rate: 1e-3, steps: 1000, healing: 3e-4, windows: 256, tokens: 32_768 },
    lengths: [2, 3, 4, 6, 8, 10, 12],
    ...{ timed: { widths: [256, 512, 1024, 2048, 4096], lengths: [2, 4, 8, 12] }, calls: 51 },
  },
};

/** One window of feed-forward layers, fused and left out; losses in nats per token on validation text. */
interface Window {
  readonly first: number;
  readonly length: number;
  /** Whether the model's last layer is in it. */
  readonly last: boolean;
  readonly dependency: number;
  readonly fused: number;
  readonly removed: number;
}

interface Outcome {
  readonly whole: number;
  /** After each attention sublayer that was dropped, and after healing. */
  readonly dropped: readonly { readonly block: number; readonly loss: number }[];
  readonly bare: number;
  readonly matrix: readonly (readonly number[])[];
  readonly windows: readonly Window[];
  /** Loss above the model without attention, of the longest run without the last layer: before, and after healing both. */
  readonly gap: {
    readonly fused: number;
    readonly removed: number;
    readonly fusedHealed: number;
    readonly removedHealed: number;
  };
  /** Difference of logits from the layers side by side, and of a run of one layer, over the largest. */
  readonly sum: number;
  readonly one: number;
  /** Order of the difference from the layers in a row in the size of what they add. */
  readonly order: number;
  /** Loss with whole blocks side by side, where they depend least on each other. */
  readonly blocks: readonly { readonly count: number; readonly first: number; readonly loss: number }[];
}

/** Trains the model of a seed, drops attention, and tries every window. */
async function tryWindows(context: StudyContext, text: CorpusTokens, seed: number): Promise<Outcome> {
  const { vocabulary, width, heads, budget } = languageSettings[context.scale];
  const { depth, from, rate, steps, healing, windows, tokens, lengths } = sizes[context.scale];
  const { signal } = context;
  const { batch, context: window } = budget;
  const config: DecoderConfig = {
    ...{ vocabulary, context: window, width, norm: "rms" },
    blocks: Array.from({ length: depth }, () => [
      { mixer: { kind: "attention", heads } },
      { ffn: { kind: "gated", hidden: 2 * width } },
    ]),
  };
  const loss = async ({ config: c, params }: ConfiguredDecoder): Promise<number> =>
    (await scoreLanguageModel(decoder(c), params, text.validation, { context: window, windows, signal })).loss;
  const healed = (teacher: ConfiguredDecoder, student: ConfiguredDecoder) =>
    heal(teacher, student, { text: text.train, steps, batch, rate: healing, seed, signal });

  const model = decoder(config);
  const training = { steps: budget.steps, batch, context: window, rate, seed, signal };
  const { params } = await fitLanguageModel({ model, data: text.train, ...training });
  signal.throwIfAborted();
  const whole: ConfiguredDecoder = { config: model.config, params };
  const {
    dropped,
    loss: wholeLoss,
    ...cut
  } = await dropAttention(whole, {
    ...{ count: depth - from, within: [from, depth - 1], text: text.validation, windows, signal },
  });
  const bare = await healed(whole, cut);
  const matrix = await blockDependency(decoder(bare.config), bare.params, text.validation, { tokens, signal });
  const all = ffnRuns(bare.config)[0] as FfnRun;
  const tried: Window[] = [];
  for (const length of lengths)
    for (let i = 0; i + length <= all.length; i++) {
      const run = all.slice(i, i + length);
      const first = run[0]?.block as number;
      tried.push({
        ...{ first, length, last: i + length === all.length },
        dependency: windowDependency(matrix, first, length).sum,
        fused: await loss(await fuseFfnRun(bare, run)),
        removed: await loss(withoutFfns(bare, run)),
      });
    }
  const longest = all.slice(-1 - (lengths.at(-1) as number), -1);
  const [fused, removed] = [await fuseFfnRun(bare, longest), withoutFfns(bare, longest)];
  // Each gets as many more steps as the model that it is compared with.
  const [bareHealed, fusedHealed, removedHealed] = [
    await loss(await healed(whole, bare)),
    await loss(await healed(whole, fused)),
    await loss(await healed(whole, removed)),
  ];
  const bareLoss = await loss(bare);
  const blocks = [];
  const dense = await blockDependency(model, params, text.validation, { tokens, signal });
  for (const count of [2, 3, 4].filter((n) => n < depth)) {
    const first = leastDependent(dense, count);
    blocks.push({ count, first, loss: await loss(blocksSideBySide(whole, first, count)) });
  }
  return {
    ...{ whole: wholeLoss, dropped: dropped.map(({ block, loss: after }) => ({ block, loss: after })), bare: bareLoss },
    ...{ matrix, windows: tried, blocks },
    gap: {
      fused: (await loss(fused)) - bareLoss,
      removed: (await loss(removed)) - bareLoss,
      fusedHealed: fusedHealed - bareHealed,
      removedHealed: removedHealed - bareHealed,
    },
    sum: await difference(ffnsSideBySide(bare, longest), fused, text),
    one: await difference(bare, await fuseFfnRun(bare, longest.slice(0, 1)), text),
    order: await orderOf(bare, longest, text),
  };
}

function leastDependent(matrix: readonly (readonly number[])[], count: number): number {
  const sums = Array.from(
    { length: matrix.length - count + 1 },
    (_, first) => windowDependency(matrix, first, count).sum,
  );
  return sums.indexOf(Math.min(...sums));
}

async function logitsOf({ config, params }: ConfiguredDecoder, { validation }: CorpusTokens): Promise<Float32Array> {
  const { tokens } = spreadWindows(validation, { context: config.context - 1, windows: 1 }).batch(0, 1);
  return (await compile(decoder(config).apply)(params, await evaluate(tokens))).data as Float32Array;
}

/** Largest difference of a logit on a window of text, over the largest. */
async function difference(a: ConfiguredDecoder, b: ConfiguredDecoder, text: CorpusTokens): Promise<number> {
  const [x, y] = [await logitsOf(a, text), await logitsOf(b, text)];
  const largest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return x.reduce((most, value, i) => Math.max(most, Math.abs(value - (y[i] as number))), 0) / largest;
}

/** The power of ε with which a fused run departs from its layers in a row, if what they add is multiplied by ε; float64. */
async function orderOf({ config, params }: ConfiguredDecoder, run: FfnRun, text: CorpusTokens): Promise<number> {
  const exact = mapTree(params, (x) => tensor(Float64Array.from(x.data as Float32Array), { shape: x.shape }));
  const added = new RegExp(`^blocks\\.(${run.map(({ block }) => block).join("|")})\\.ffn\\.layer\\.down\\.`);
  const departure = async (eps: number): Promise<number> => {
    const small = (await evaluate(
      mapTree(exact, (x: Tensor, path) => (added.test(path) ? mul(x, eps) : x)),
    )) as DecoderParams;
    return difference({ config, params: small }, await fuseFfnRun({ config, params: small }, run), text);
  };
  return Math.log10((await departure(1e-2)) / (await departure(1e-3)));
}

/** Windows of a length, over seeds. */
const ofLength = (outcomes: readonly Outcome[], length: number) =>
  outcomes.map(({ windows, bare }) =>
    windows
      .filter((each) => each.length === length)
      .map((each) => ({ ...each, rise: each.fused - bare, loss: each.removed - bare })),
  );
const riseAt = (outcomes: readonly Outcome[], length: number): number[] =>
  ofLength(outcomes, length).map((windows) => average(windows.map(({ rise }) => rise)));

function draw(context: StudyContext, outcomes: readonly Outcome[]): void {
  const { lengths } = sizes[context.scale];
  const [first] = outcomes as [Outcome];
  context.figure({
    kind: "lines",
    title: "Loss above the model without attention there, against the length of a run",
    caption: "Mean over all windows of a length without retraining; bars are one standard deviation over seeds.",
    x: { label: "feed-forward layers in the run" },
    y: { label: "nats per token", log: true },
    series: [
      { name: "fused", points: lengths.map((n) => withStd(n, riseAt(outcomes, n))) },
      {
        name: "left out",
        points: lengths.map((n) =>
          withStd(
            n,
            ofLength(outcomes, n).map((windows) => average(windows.map(({ loss }) => loss))),
          ),
        ),
      },
    ],
  });
  context.figure({
    kind: "lines",
    title: "Loss of fused windows against how much their blocks depend on each other",
    caption: "The first seed; a point for each window. Dependence is the sum of the entries of the matrix below.",
    x: { label: "sum of dependence within the window" },
    y: { label: "rise of the loss, nats per token" },
    series: lengths.map((n) => ({
      name: `${n} layers`,
      points: (ofLength([first], n)[0] ?? [])
        .map(({ dependency, rise }) => ({ x: dependency, y: rise }))
        .sort((a, b) => a.x - b.x),
    })),
  });
  context.figure({
    kind: "table",
    title: "Dependence of blocks",
    caption:
      "Cosine distance between what the block of a column adds and what it adds without the block of a row; the first seed.",
    columns: ["without", ...first.matrix.map((_, j) => String(j))],
    rows: first.matrix.map((row, i) => [i, ...row.map((value, j) => (j > i ? Number(value.toFixed(3)) : ""))]),
  });
  context.figure({
    kind: "table",
    title: "Steps of the conversion",
    caption: `Validation loss in nats per token, means over ${outcomes.length} seeds. Blocks side by side are those of the whole model that depend least on each other, without retraining.`,
    columns: ["model", "loss", "above the whole model"],
    rows: [
      ["whole", (o: Outcome) => o.whole] as const,
      ...first.dropped.map(
        (_, k) => [`${k + 1} attention dropped`, (o: Outcome) => o.dropped[k]?.loss as number] as const,
      ),
      ["healed", (o: Outcome) => o.bare] as const,
      ...first.blocks.map(
        ({ count }, k) => [`whole, ${count} blocks side by side`, (o: Outcome) => o.blocks[k]?.loss as number] as const,
      ),
    ].map(([name, loss]) => [
      name,
      ...[average(outcomes.map(loss)), average(outcomes.map((o) => loss(o) - o.whole))].map((v) =>
        Number(v.toFixed(4)),
      ),
    ]),
  });
  context.figure({
    kind: "table",
    title: "The longest run without the last layer, before and after distillation",
    caption: "Loss above the model without attention there, which gets the same steps; nats per token, each seed.",
    columns: ["seed", "fused", "left out", "fused, distilled", "left out, distilled"],
    rows: outcomes.map(({ gap }, s) => [
      context.seeds[s] as number,
      ...[gap.fused, gap.removed, gap.fusedHealed, gap.removedHealed].map((v) => Number(v.toFixed(4))),
    ]),
  });
}

/** Tokens a second that the paper reports for one user on eight GPUs: Llama-405B, without attention, and fused. */
const reported = { whole: 41.44, pruned: 63.38, fused: 70.92 };

export default paper({
  number: 28,
  slug: "ffn-fusion",
  title: "FFN Fusion: Rethinking Sequential Computation in Large Language Models",
  year: 2025,
  source: "Bercovich, Dabbah, Puny and others; arXiv:2503.18908",
  abstract:
    "Once attention has been dropped from some blocks of a trained model, feed-forward layers follow each other. What each adds depends little on those just before it, so a run of them can read the same vectors, and the sum of what they add is one wider layer with the same weights. Fewer steps follow each other, for a small loss that distillation mostly repairs.",
  claims: {
    pruned: {
      what: "the paper's speed without some attention, over the whole model's",
      figure: 1.529,
      unit: "x",
      direction: "equals",
      tolerance: 5e-4,
      where: "table of latency: 63.38 of 41.44 tokens/s",
    },
    both: {
      what: "the paper's speed with runs fused too, over the whole model's",
      figure: 1.711,
      unit: "x",
      direction: "equals",
      tolerance: 5e-4,
      where: "abstract: 1.71x; 70.92 of 41.44 tokens/s",
    },
    fusion: {
      what: "what fusion adds to it",
      figure: 1.119,
      unit: "x",
      direction: "equals",
      tolerance: 5e-4,
      where: "the same table: 70.92 of 63.38 tokens/s",
    },
    sum: {
      what: "difference of logits between a fused run and its layers side by side, over the largest",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition: the sum in one layer",
    },
    one: {
      what: "difference of logits after fusing a run of one layer, over the largest",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition: nothing but the norm's gain moves",
    },
    order: {
      what: "power of the size of what layers add, with which fusing them departs from them in a row",
      figure: 2,
      unit: "",
      direction: "equals",
      tolerance: 0.1,
      where: "definition: they act on each other in second order",
    },
    removed: {
      what: "loss of a fused window less that with its layers left out, the window where it is most",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "the paper's reason to fuse and not to drop",
    },
    longer: {
      what: "rise of the loss by fusing: longest runs less runs of two",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "table of run lengths: fewer layers in the end, lower scores",
    },
    dependency: {
      what: "rank correlation over all windows of the rise of the loss with the dependence of their blocks",
      figure: 0.5,
      unit: "",
      direction: "atLeast",
      where: "section 3: windows of low dependence are fused; the bound is ours",
    },
    within: {
      what: "the same among windows of one length",
      figure: 0.5,
      unit: "",
      direction: "atLeast",
      where: "our question: does it say more than the length",
    },
    last: {
      what: "rise of the loss by fusing three layers: the last three less those one earlier",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "table: the last layer must not be fused",
    },
    recovered: {
      what: "share of the rise of the longest run that a few steps of distillation take away",
      figure: 50,
      unit: "%",
      direction: "atLeast",
      where: "table: distillation repairs it; half is our bound",
    },
    faster: {
      what: "a token through the most layers in a row over one fused layer, the narrowest width",
      figure: 1.119,
      unit: "x",
      direction: "atLeast",
      where: "table of latency, there on eight GPUs that wait for each other",
    },
    wide: {
      what: "the same at the widest",
      figure: 1.119,
      unit: "x",
      direction: "atLeast",
      where: "the same",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  next: ["convert fourward-4m --with fuse --set attentions=3 steps=200 --out models/fused", "eval models/fused"],
  async run(context) {
    const { vocabulary } = languageSettings[context.scale];
    const { timed, calls, lengths } = sizes[context.scale];
    const text = await languageText({ vocabulary });
    let outcomes: Outcome[];
    try {
      outcomes = await context.overSeeds((seed, i) => {
        context.progress({
          stage: `training and fusing, seed ${seed}`,
          done: i,
          total: context.seeds.length,
          unit: "seeds",
        });
        return context.remember(`windows, seed ${seed}`, () => tryWindows(context, text, seed));
      });
    } finally {
      text.close();
    }
    const times = await fusionTimes(context, { ...timed, calls, rounds: 5 });
    draw(context, outcomes);
    context.figure(fusionTimesTable(times));
    context.note(
      "Blocks of a model this shallow depend on each other more than those of one with a hundred. On a CPU no device waits for another, so what fusing saves is the start of operations, which shows where layers are narrow; where they are wide, reading the weights takes the time, and they are the same.",
    );
    const correlation = (change: (values: readonly number[], windows: readonly Window[]) => readonly number[]) =>
      outcomes.map(({ windows }) =>
        spearman(
          change(
            windows.map(({ dependency }) => dependency),
            windows,
          ),
          change(
            windows.map(({ fused }) => fused),
            windows,
          ),
        ),
      );
    const three = lengths.includes(3) ? 3 : (lengths[0] as number);
    const threes = ofLength(outcomes, three);
    const most = times.filter(({ layers }) => layers === timed.lengths.at(-1));
    return {
      pruned: exactly(reported.pruned / reported.whole),
      both: exactly(reported.fused / reported.whole),
      fusion: exactly(reported.fused / reported.pruned),
      sum: exactly(Math.max(...outcomes.map(({ sum }) => sum))),
      one: exactly(Math.max(...outcomes.map(({ one }) => one))),
      order: measured(outcomes.map(({ order }) => order)),
      removed: measured(
        outcomes.map(({ windows }) => Math.max(...windows.map(({ fused, removed }) => fused - removed))),
      ),
      longer: pairedMeasurement(riseAt(outcomes, lengths.at(-1) as number), riseAt(outcomes, lengths[0] as number)),
      dependency: measured(correlation((values) => values)),
      within: measured(
        correlation((values, windows) =>
          withinGroups(
            values,
            windows.map(({ length }) => String(length)),
          ),
        ),
      ),
      last: pairedMeasurement(
        threes.map((windows) => windows.at(-1)?.rise ?? Number.NaN),
        threes.map((windows) => windows.at(-2)?.rise ?? Number.NaN),
      ),
      recovered: measured(outcomes.map(({ gap }) => 100 * (1 - gap.fusedHealed / gap.fused))),
      faster: measured(fusionGain(most[0] as (typeof most)[number])),
      wide: measured(fusionGain(most.at(-1) as (typeof most)[number])),
    };
  },
});
