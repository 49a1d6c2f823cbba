/** Paper 28: feed-forward layers of a deep thin model in one wide layer, once attention between them is gone. */
import { EMBEDDED_MODEL } from "../models/index.ts";
import {
  average,
  exactly,
  measured,
  pairedMeasurement,
  paper,
  type StudyContext,
  spearman,
  withinGroups,
  withStd,
} from "../report/index.ts";
import { languageSettings, languageText, pieceProgress } from "../train/index.ts";
import { fusionGain, fusionTimes, fusionTimesTable } from "./fusion-times.ts";
import { type FusedWindow, type FusionOutcome, fusionSizes, stagesOf, tryWindows } from "./fusion-windows.ts";

/** Windows of a length, over seeds. */
const ofLength = (outcomes: readonly FusionOutcome[], length: number) =>
  outcomes.map(({ windows, bare }) =>
    windows
      .filter((each) => each.length === length)
      .map((each) => ({ ...each, rise: each.fused - bare, loss: each.removed - bare })),
  );
const riseAt = (outcomes: readonly FusionOutcome[], length: number): number[] =>
  ofLength(outcomes, length).map((windows) => average(windows.map(({ rise }) => rise)));

function draw(context: StudyContext, outcomes: readonly FusionOutcome[]): void {
  const { lengths } = fusionSizes[context.scale];
  const [first] = outcomes as [FusionOutcome];
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
      ["whole", (o: FusionOutcome) => o.whole] as const,
      ...first.dropped.map(
        (_, k) => [`${k + 1} attention dropped`, (o: FusionOutcome) => o.dropped[k]?.loss as number] as const,
      ),
      ["healed", (o: FusionOutcome) => o.bare] as const,
      ...first.blocks.map(
        ({ count }, k) =>
          [`whole, ${count} blocks side by side`, (o: FusionOutcome) => o.blocks[k]?.loss as number] as const,
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
  next: [
    `convert ${EMBEDDED_MODEL} --with fuse --set attentions=3 steps=200 --out models/fused`,
    `eval ${EMBEDDED_MODEL} models/fused`,
  ],
  async run(context) {
    const { vocabulary } = languageSettings[context.scale];
    const { timed, calls, lengths } = fusionSizes[context.scale];
    const text = await languageText({ vocabulary });
    let outcomes: FusionOutcome[];
    try {
      const stages = stagesOf(context.scale);
      outcomes = await context.overSeeds((seed, i) => {
        const total = context.seeds.length * stages;
        const count = pieceProgress(context, { total, unit: "stages", done: i * stages });
        const next = (stage: string) => count(`seed ${seed}: ${stage}`, stage);
        return context.remember(`windows, seed ${seed}`, () => tryWindows(context, text, seed, next));
      });
    } finally {
      text.close();
    }
    const times = await fusionTimes(context, { ...timed, calls });
    draw(context, outcomes);
    context.figure(fusionTimesTable(times));
    context.note(
      "Blocks of a model this shallow depend on each other more than those of one with a hundred. On a CPU no device waits for another, so what fusing saves is the start of operations, which shows where layers are narrow; where they are wide, reading the weights takes the time, and they are the same.",
    );
    const correlation = (change: (values: readonly number[], windows: readonly FusedWindow[]) => readonly number[]) =>
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
      faster: fusionGain(most[0] as (typeof most)[number]),
      wide: fusionGain(most.at(-1) as (typeof most)[number]),
    };
  },
});
