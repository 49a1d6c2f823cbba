/** The training loop: any state, any step, with progress, metrics, checkpoints and exact resume. */
import {
  type CompileOptions,
  dispose,
  evaluate,
  flatten,
  key,
  ownsMemory,
  type Tensor,
  type Tree,
  tensor,
} from "../array/index.ts";
import { type JsonlWriter, jsonlWriter } from "../data/index.ts";
import { checkpointPath, loadCheckpoint, type Progressed, saveCheckpoint } from "./checkpoints.ts";
import { DivergedError, nonFinitePath } from "./diverged.ts";
import { Pace } from "./pace.ts";
import { compileSteps, type Step } from "./steps.ts";

/** Batches as a pure function of the step, which is what makes a resumed run see the same data. */
export interface BatchSource<B extends Tree> {
  /**
   * The batches of steps `step` to `step + count - 1` (counted from 0), stacked along a new first axis of extent
   * `count`. It may be asked for batches that are never used.
   */
  at(step: number, count: number): B | Promise<B>;
  /** Examples in the batch of one step, for the rate that progress shows. */
  readonly examples?: number;
}

/** How far training is. */
export interface Progress {
  /** Steps done. */
  readonly step: number;
  /** Steps to do in all. */
  readonly steps: number;
  /** Mean loss over the steps of the last run. */
  readonly loss: number;
  /** The same of each model by its name, where several train together. */
  readonly losses?: { readonly [model: string]: number };
  readonly stepsPerSecond: number;
  /** Known if the source of batches says how many examples a batch has. */
  readonly examplesPerSecond?: number;
  /** Estimated from the recent rate. */
  readonly secondsLeft: number;
}

/** Numbers that an evaluation gives. */
export type Scores = { readonly [name: string]: number };

/** Options of every training loop. */
export interface LoopOptions extends CompileOptions {
  /** Steps to do in all, those of a resumed run included. */
  readonly steps: number;
  /** Seed of all randomness inside steps; 0 by default. */
  readonly seed?: number;
  /**
   * Steps in one run of the graph; by default chosen so that a run takes about 0.3 s, of slow steps at most 1.25 s. The
   * numbers do not depend on it.
   * On a device with memory of its own the default is 1: steps of one run are written out one after the other there, as
   * far as they are short, and the last digits may depend on how many there are.
   */
  readonly stepsPerRun?: number;
  /** Stops after the current run, once it is aborted: a checkpoint is written, and the result says `stopped`. */
  readonly signal?: AbortSignal;
  /** Called after each run. */
  readonly onProgress?: (progress: Progress) => void;
  /**
   * Saves a checkpoint in the folder `dir` each `every` steps, at the end, and when stopped. A folder that holds a
   * checkpoint is resumed: the run ends with the same bits as one that was never interrupted. With `resume: false` it
   * starts anew.
   */
  readonly checkpoint?: { readonly dir: string; readonly every: number; readonly resume?: boolean };
  /**
   * A JSONL file with one row a step, `{ step, loss, ...metrics }`, and one for each evaluation,
   * `{ step, evaluation: { ... } }`; steps count from 1. A resumed run continues it.
   */
  readonly metricsFile?: string;
}

export interface TrainLoopOptions<S extends Tree, B extends Tree> extends LoopOptions {
  /** Metrics that are losses of models which train together, for `Progress.losses`. */
  readonly models?: readonly string[];
  /** One step, traced once. */
  readonly step: Step<S, B>;
  /** The state before the first step. */
  readonly state: S;
  readonly data: BatchSource<B>;
  /** Scores the state each `every` steps and at the end. */
  readonly evaluate?: { readonly every: number; run(state: S, step: number): Scores | Promise<Scores> };
}

/** What the steps of this call reported, in order. Steps before a resumed checkpoint are not in it. */
export interface History {
  /** Number of steps before the first one in this history. */
  readonly start: number;
  readonly loss: readonly number[];
  /** All that a step reports, the loss included, by name. */
  readonly metrics: { readonly [name: string]: readonly number[] };
  readonly evaluations: readonly { readonly step: number; readonly scores: Scores }[];
}

export interface LoopResult<S extends Tree> {
  readonly state: S;
  /** Steps done. */
  readonly step: number;
  /** True if the signal ended training before the last step. */
  readonly stopped: boolean;
  readonly history: History;
}

/**
 * Carries a state through steps, many of them in each run of one graph. What a run gives is new memory that becomes the
 * input of the next run; only the metrics are read in between, and batches are fetched while the graph runs.
 *
 * Rejects with a `DivergedError` if a loss is NaN or infinite: metrics up to that step are written and the last
 * checkpoint, whose numbers are all finite, is kept. If a file cannot be written (a full disk), it rejects with one
 * sentence and the previous checkpoint is whole.
 */
export async function trainLoop<S extends Tree, B extends Tree>(
  options: TrainLoopOptions<S, B>,
): Promise<LoopResult<S>> {
  const { data, steps, seed = 0, signal, onProgress, checkpoint, metricsFile, evaluate: evaluation } = options;
  checkCounts({
    steps,
    "checkpoint.every": checkpoint?.every,
    "evaluate.every": evaluation?.every,
    stepsPerRun: options.stepsPerRun,
  });
  // Only this loop sees the state on the device: whoever else asks for it gets a copy on the host.
  const run = compileSteps(options.step, { ...compileOptions(options), resident: ["0"] });
  let now: Progressed<S> = { state: await evaluate(options.state), step: 0 };
  if (checkpoint && checkpoint.resume !== false) now = (await loadCheckpoint(checkpoint.dir, now.state, seed)) ?? now;
  if (now.step > steps) {
    throw new Error(
      `train: the checkpoint in ${checkpoint?.dir} is of step ${now.step}, past the ${steps} steps asked for; choose another folder`,
    );
  }
  const onHost = async (): Promise<S> => {
    const state = await evaluate(now.state);
    if (state !== now.state) dispose(now.state);
    now = { state, step: now.step };
    return state;
  };
  let saved = checkpoint && now.step > 0 ? now.step : null;
  const save = async (): Promise<void> => {
    if (!checkpoint || saved === now.step) return;
    const broken = nonFinitePath(await onHost());
    if (broken !== null)
      throw new DivergedError(`"${broken}" of the state is not finite`, now.step, keptText(checkpoint.dir, saved));
    await saveCheckpoint(checkpoint.dir, now, seed);
    saved = now.step;
  };
  const pace = new Pace({
    stepsPerRun: options.stepsPerRun ?? (ownsMemory(options) ? 1 : undefined),
    stops: [checkpoint?.every, evaluation?.every].filter((n) => n !== undefined),
    steps,
  });
  const source = prefetching(data);
  const record = new Recorder(
    now.step,
    metricsFile === undefined ? null : jsonlWriter(metricsFile, now.step > 0 ? { resumeAt: now.step } : {}),
  );
  const seedKey = key(seed);
  try {
    while (now.step < steps && !signal?.aborted) {
      const count = pace.next(now.step);
      const batches = await source.take(now.step, count);
      const started = performance.now();
      const running = run(now.state, batches, tensor(Int32Array.of(now.step), { shape: [] }), seedKey);
      const after = now.step + count;
      if (after < steps) source.prepare(after, pace.next(after));
      const [state, metrics] = await running;
      pace.record(count, (performance.now() - started) / 1000, bytesIn(batches), after);
      const rows = readRows(metrics, count);
      const bad = rows.findIndex(({ loss }) => !Number.isFinite(loss));
      record.steps(now.step, bad < 0 ? rows : rows.slice(0, bad + 1));
      if (bad >= 0) {
        const kept = checkpoint ? keptText(checkpoint.dir, saved) : "";
        throw new DivergedError(`the loss is ${rows[bad]?.loss}`, now.step + bad + 1, kept);
      }
      dispose(now.state);
      now = { state, step: after };
      onProgress?.({
        ...progressOf(now.step, steps, rows, pace.secondsPerStep, data.examples),
        ...(options.models
          ? { losses: Object.fromEntries(options.models.map((name) => [name, meanOf(rows, name)])) }
          : {}),
      });
      if (evaluation && (now.step % evaluation.every === 0 || now.step === steps)) {
        record.evaluation(now.step, await evaluation.run(await onHost(), now.step));
      }
      if (checkpoint && (now.step % checkpoint.every === 0 || now.step === steps)) await save();
    }
    if (now.step < steps) await save();
  } finally {
    record.close();
  }
  await onHost();
  return { ...now, stopped: now.step < steps, history: record.history };
}

const keptText = (dir: string, saved: number | null): string =>
  saved === null
    ? "there is no checkpoint yet; "
    : `the checkpoint of step ${saved} in ${checkpointPath(dir)} is kept; `;

function compileOptions({ device, threads }: CompileOptions): CompileOptions {
  return { ...(device === undefined ? {} : { device }), ...(threads === undefined ? {} : { threads }) };
}

function checkCounts(options: { readonly [name: string]: number | undefined }): void {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) {
      throw new RangeError(`train: ${name} must be a whole number of at least 1, got ${value}`);
    }
  }
}

/** Fetches one batch ahead. A plan that changes in between costs a second fetch, nothing else. */
function prefetching<B extends Tree>(data: BatchSource<B>) {
  let ahead: { readonly step: number; readonly count: number; readonly batches: Promise<B> } | null = null;
  const fetch = async (step: number, count: number): Promise<B> => {
    const batches = await data.at(step, count);
    flatten(batches).leaves.forEach(({ shape }, i) => {
      if (shape[0] === count) return;
      const path = flatten(batches).paths[i];
      throw new RangeError(
        `train: expected ${count} stacked batches${path ? ` at "${path}"` : ""}, got shape [${shape.join(", ")}]`,
      );
    });
    return batches;
  };
  return {
    take(step: number, count: number): Promise<B> {
      const ready = ahead?.step === step && ahead.count === count ? ahead.batches : fetch(step, count);
      ahead = null;
      return ready;
    },
    prepare(step: number, count: number): void {
      const batches = fetch(step, count);
      // Whoever takes it gets the error; until then it must not end the process.
      batches.catch(() => {});
      ahead = { step, count, batches };
    },
  };
}

type Row = { readonly loss: number; readonly [name: string]: number };

function readRows(metrics: { readonly [name: string]: Tensor }, count: number): Row[] {
  const columns = Object.entries(metrics).map(([name, { data }]) => [name, data] as const);
  return Array.from(
    { length: count },
    (_, i) => Object.fromEntries(columns.map(([name, data]) => [name, Number(data[i])])) as Row,
  );
}

const meanOf = (rows: readonly Row[], name: string): number =>
  rows.reduce((total, row) => total + (row[name] as number), 0) / rows.length;

const bytesIn = (tree: Tree): number => flatten(tree).leaves.reduce((total, { data }) => total + data.byteLength, 0);

function progressOf(
  step: number,
  steps: number,
  rows: readonly Row[],
  secondsPerStep: number,
  examples: number | undefined,
): Progress {
  const stepsPerSecond = 1 / secondsPerStep;
  return {
    step,
    steps,
    loss: meanOf(rows, "loss"),
    stepsPerSecond,
    ...(examples === undefined ? {} : { examplesPerSecond: examples * stepsPerSecond }),
    secondsLeft: (steps - step) * secondsPerStep,
  };
}

/** Keeps what steps and evaluations report, in memory and in the metrics file. */
class Recorder {
  readonly #metrics: Record<string, number[]> = { loss: [] };
  readonly #evaluations: { step: number; scores: Scores }[] = [];
  readonly #start: number;
  readonly #file: JsonlWriter | null;

  constructor(start: number, file: JsonlWriter | null) {
    this.#start = start;
    this.#file = file;
  }

  steps(before: number, rows: readonly Row[]): void {
    rows.forEach((row, i) => {
      this.#file?.write({ step: before + i + 1, ...row });
      for (const [name, value] of Object.entries(row)) {
        this.#metrics[name] ??= [];
        this.#metrics[name].push(value);
      }
    });
  }

  evaluation(step: number, scores: Scores): void {
    this.#file?.write({ step, evaluation: scores });
    this.#evaluations.push({ step, scores });
  }

  close(): void {
    this.#file?.close();
  }

  get history(): History {
    return {
      start: this.#start,
      loss: this.#metrics.loss as number[],
      metrics: this.#metrics,
      evaluations: this.#evaluations,
    };
  }
}
