/** FFN Fusion from end to end: attention dropped, runs found and fused, the result checked and healed. */
import { compile, type Tensor } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { type DecoderParams, decoder } from "../models/index.ts";
import { blockDependency, windowDependency } from "../probe/index.ts";
import type { StudyProgress } from "../report/index.ts";
import {
  distillLanguageModel,
  inputsAndTargets,
  type LoopOptions,
  scoreLanguageModel,
  spreadWindows,
} from "../train/index.ts";
import { type DroppedAttention, dropAttention } from "./drop-attention.ts";
import { blocksSideBySide, type FfnRun, ffnRuns, ffnsSideBySide, fuseFfnRun } from "./fuse.ts";
import type { ConfiguredDecoder } from "./replace.ts";
import { placeText } from "./sublayers.ts";

export interface ChooseRunsOptions {
  /** Layers of a run at most; no limit by default. */
  readonly longest?: number;
  /** Layers of a run at least; 2 by default. */
  readonly shortest?: number;
  /** The largest entry of the matrix within a run; no limit by default. */
  readonly most?: number;
  /** Whether the last feed-forward layer of the model may be in a run; false by default, which the source found best. */
  readonly last?: boolean;
}

/**
 * Runs to fuse, none with a layer of another: long ones first, and of those of one length the ones whose blocks depend
 * least on each other (`windowDependency` of the matrix of the model).
 * Source: Bercovich et al. 2025, arXiv:2503.18908, section 3.
 */
export function chooseRuns(
  model: ConfiguredDecoder,
  dependency: readonly (readonly number[])[],
  {
    longest = Number.POSITIVE_INFINITY,
    shortest = 2,
    most = Number.POSITIVE_INFINITY,
    last = false,
  }: ChooseRunsOptions = {},
): readonly FfnRun[] {
  if (!(shortest >= 2 && longest >= shortest))
    throw new RangeError(`chooseRuns: expected 2 ≤ shortest ≤ longest, got ${shortest} and ${longest}`);
  const all = ffnRuns(model.config, { shortest: 1 });
  const final = all.at(-1)?.at(-1);
  let free: FfnRun[] = all.map((run) => (last || !final ? run : run.filter((place) => place !== final)));
  const chosen: FfnRun[] = [];
  for (let length = Math.min(longest, Math.max(0, ...free.map((run) => run.length))); length >= shortest; ) {
    let best: { readonly run: FfnRun; readonly of: FfnRun; readonly sum: number } | null = null;
    for (const of of free)
      for (let i = 0; i + length <= of.length; i++) {
        const run = of.slice(i, i + length);
        const { max, sum } = runDependency(run, dependency);
        if (max <= most && (best === null || sum < best.sum)) best = { run, of, sum };
      }
    if (best === null) {
      length--;
      continue;
    }
    const { run, of } = best;
    const at = of.indexOf(run[0] as FfnRun[number]);
    chosen.push(run);
    free = free.flatMap((each) => (each === of ? [of.slice(0, at), of.slice(at + length)] : [each]));
  }
  return chosen.sort((a, b) => (a[0]?.block ?? 0) - (b[0]?.block ?? 0));
}

/** How much the blocks of a run depend on each other. */
const runDependency = (run: FfnRun, dependency: readonly (readonly number[])[]) => {
  const [first, last] = [run[0]?.block ?? 0, run.at(-1)?.block ?? 0];
  return windowDependency(dependency, first, last - first + 1);
};

export interface FuseModelOptions extends ChooseRunsOptions {
  /** Attention sublayers that are dropped first; 0 by default. */
  readonly attentions?: number;
  /** Whole blocks that are put side by side at the end, where they depend least on each other; none by default. */
  readonly sideBySide?: number;
  /** Steps of distillation from the whole model; 0 by default. */
  readonly steps?: number;
  /** Windows of a step; 8 by default. */
  readonly batch?: number;
  /** Highest learning rate; 5e-4 by default. */
  readonly rate?: number;
  readonly text: TokenFile;
  /** Windows that score what is dropped and how blocks depend on each other; 16 by default. */
  readonly windows?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StudyProgress) => void;
}

/** What was done, with losses on the calibration text in nats per token. */
export interface FusionFigures {
  readonly dropped: readonly DroppedAttention[];
  /** The matrix of `blockDependency` after attention was dropped. */
  readonly dependency: readonly (readonly number[])[];
  /** What was fused, with how much the blocks depended on each other. */
  readonly runs: readonly { readonly places: readonly string[]; readonly max: number; readonly sum: number }[];
  /** The first of the blocks that stand side by side, if any do. */
  readonly sideBySide: { readonly first: number; readonly count: number; readonly sum: number } | null;
  readonly losses: {
    readonly whole: number;
    readonly dropped: number;
    readonly fused: number;
    readonly healed: number | null;
  };
  /** Largest difference of a logit from the same layers side by side, over the largest logit: rounding alone. */
  readonly difference: number;
}

export interface Fused extends ConfiguredDecoder {
  readonly figures: FusionFigures;
}

/**
 * Drops attention, fuses the runs of feed-forward layers that this leaves, checks that the wide layers compute the sums
 * they stand for, and teaches the result what the whole model predicts. Throws one sentence if there is nothing to fuse.
 * Source: Bercovich et al. 2025, arXiv:2503.18908.
 */
export async function fuseModel(model: ConfiguredDecoder, options: FuseModelOptions): Promise<Fused> {
  const { attentions = 0, sideBySide = 0, steps = 0, text, windows = 16, signal, onProgress } = options;
  const context = Math.min(model.config.context, text.length - 1);
  const stop = signal ? { signal } : {};
  const lossOf = async ({ config, params }: ConfiguredDecoder): Promise<number> =>
    (await scoreLanguageModel(decoder(config), params, text, { context, windows, ...stop })).loss;
  const { loss, dropped, ...bare } = await dropAttention(model, {
    ...{ count: attentions, text, windows, ...stop },
    ...(onProgress ? { onProgress } : {}),
  });
  const dependencyOf = ({ config, params }: ConfiguredDecoder) =>
    blockDependency(decoder(config), params, text, {
      ...{ tokens: windows * context, ...stop },
      onProgress: (done, total) => onProgress?.({ done, total, stage: "dependence of blocks", unit: "blocks" }),
    });
  const dependency = await dependencyOf(bare);
  const runs = chooseRuns(bare, dependency, options);
  if (runs.length === 0 && sideBySide === 0)
    throw new Error(
      "fuseModel: no feed-forward layers follow each other without attention between them; or those that do depend on each other too much; drop more attention (attentions), allow more dependence (most), or put whole blocks side by side",
    );
  let [fused, sums]: ConfiguredDecoder[] = [bare, bare];
  // From the last on, since the places after a fused run move up.
  for (const run of [...runs].reverse()) {
    fused = await fuseFfnRun(fused as ConfiguredDecoder, run);
    sums = ffnsSideBySide(sums as ConfiguredDecoder, run);
  }
  const difference = await differenceOf(sums as ConfiguredDecoder, fused as ConfiguredDecoder, text, context);
  const beside = sideBySide > 1 ? await leastDependent(fused as ConfiguredDecoder, sideBySide, dependencyOf) : null;
  const flat = beside
    ? blocksSideBySide(fused as ConfiguredDecoder, beside.first, beside.count)
    : (fused as ConfiguredDecoder);
  const losses = { whole: loss, dropped: dropped.at(-1)?.loss ?? loss, fused: await lossOf(flat), healed: null };
  const figures: FusionFigures = {
    ...{ dropped, dependency, losses, difference, sideBySide: beside },
    runs: runs.map((run) => ({ places: run.map(placeText), ...runDependency(run, dependency) })),
  };
  if (steps === 0) return { ...flat, figures };
  const healed = await heal(model, flat, {
    ...options,
    steps,
    onProgress: ({ step, loss }) =>
      onProgress?.({
        ...{ done: step, total: steps, stage: "distilling", unit: "steps" },
        training: { step, losses: { "divergence from the whole model": loss } },
      }),
  });
  return { ...healed, figures: { ...figures, losses: { ...losses, healed: await lossOf(healed) } } };
}

/** Teaches a changed model what the whole one predicts. Rejects with the reason of the signal. */
export async function heal(
  teacher: ConfiguredDecoder,
  student: ConfiguredDecoder,
  {
    text,
    steps,
    batch = 8,
    rate = 5e-4,
    seed = 0,
    signal,
    onProgress,
  }: Pick<FuseModelOptions, "text" | "batch" | "rate" | "seed" | "signal"> & Pick<LoopOptions, "steps" | "onProgress">,
): Promise<ConfiguredDecoder> {
  const { params } = await distillLanguageModel({
    teacher: { model: decoder(teacher.config), params: teacher.params },
    student: { model: decoder(student.config), params: student.params },
    data: text,
    ...{ steps, batch, rate, seed, context: Math.min(teacher.config.context, text.length - 1), weightDecay: 0 },
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  });
  signal?.throwIfAborted();
  return { config: student.config, params };
}

/** Where so many blocks depend least on each other. */
async function leastDependent(
  model: ConfiguredDecoder,
  count: number,
  dependencyOf: (model: ConfiguredDecoder) => Promise<readonly (readonly number[])[]>,
) {
  const matrix = await dependencyOf(model);
  if (count > matrix.length)
    throw new RangeError(`fuseModel: ${count} blocks cannot stand side by side in a model of ${matrix.length}`);
  return Array.from({ length: matrix.length - count + 1 }, (_, first) => ({
    ...{ first, count },
    sum: windowDependency(matrix, first, count).sum,
  })).reduce((best, each) => (each.sum < best.sum ? each : best));
}

/** Largest difference of two models' logits on a window, over the largest of the first's. */
async function differenceOf(a: ConfiguredDecoder, b: ConfiguredDecoder, text: TokenFile, context: number) {
  const window = spreadWindows(text, { context, windows: 1 }).batch(0, 1).tokens;
  const logits = async ({ config, params }: ConfiguredDecoder) => {
    const model = decoder(config);
    const run = compile((weights: DecoderParams, tokens: Tensor) => model.apply(weights, inputsAndTargets(tokens)[0]));
    return (await run(params, window)).data as Float32Array;
  };
  const [x, y] = [await logits(a), await logits(b)];
  const largest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return x.reduce((most, value, i) => Math.max(most, Math.abs(value - (y[i] as number))), 0) / largest;
}
