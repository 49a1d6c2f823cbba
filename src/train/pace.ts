/** How many steps go into one run of the graph, and how fast they are. */

/** A run should last about this long: short enough to react to Ctrl-C, long enough that its boundary costs little. */
const TARGET_SECONDS = 0.3;
/** Slow steps share a run of up to so many and so long, if there are enough of them to make up for another graph. */
const SLOW = { steps: 4, seconds: 1.25, left: 64 } as const;
/** Stacked batches of one run should not be larger than this. */
const BATCH_BYTES = 64 * 2 ** 20;
const MOST_STEPS = 8192;
/** Steps that share a run and take so many times as long as one alone go back to running alone: some runtimes' loops are slow. */
const SLOWER = 1.5;

export interface PaceOptions {
  /** Steps in a run; chosen from the time that steps take if undefined. */
  readonly stepsPerRun: number | undefined;
  /** Runs never cross a multiple of these, nor `steps`. */
  readonly stops: readonly number[];
  readonly steps: number;
}

interface Run {
  readonly count: number;
  readonly seconds: number;
  /** False if compilation took a part of the time. */
  readonly isCompiled: boolean;
}

/** Plans runs and keeps their time. Its choices never change the numbers that are computed. */
export class Pace {
  readonly #options: PaceOptions;
  /** Lengths that have run, and so are compiled. */
  readonly #compiled = new Set<number>();
  /** Recent runs, the oldest first; the very first one, which was compiled, only until there is another. */
  #recent: Run[] = [];
  #length: number;
  #isChosen: boolean;
  /** Seconds of a step that runs alone, while runs of the chosen length have not shown to be faster. */
  #alone: number | null = null;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#length = options.stepsPerRun ?? 1;
    this.#isChosen = options.stepsPerRun !== undefined;
  }

  /** Steps of the run that begins after `step` steps. */
  next(step: number): number {
    const { stops, steps } = this.#options;
    const ends = [steps, ...stops.map((every) => (Math.floor(step / every) + 1) * every)];
    return Math.min(this.#length, ...ends.map((end) => end - step));
  }

  /** Takes note of a run of `count` steps that ended after `step` steps, and whose batches held so many bytes. */
  record(count: number, seconds: number, batchBytes: number, step: number): void {
    const isCompiled = this.#compiled.has(count);
    this.#compiled.add(count);
    const run = { count, seconds, isCompiled };
    if (isCompiled) this.#recent = [...this.#recent.filter((other) => other.isCompiled).slice(-9), run];
    else if (this.#recent.length === 0) this.#recent = [run];
    if (isCompiled && this.#alone !== null && count === this.#length) {
      if (seconds / count > SLOWER * this.#alone) this.#length = 1;
      this.#alone = null;
    }
    if (isCompiled && !this.#isChosen) {
      this.#length = this.#chosen(seconds / count, batchBytes / count, step);
      this.#isChosen = true;
      if (this.#length > 1) this.#alone = seconds / count;
    }
  }

  /** Over the last ten runs. Needs one run. */
  get secondsPerStep(): number {
    const total = (of: (run: Run) => number) => this.#recent.reduce((sum, run) => sum + of(run), 0);
    return total((run) => run.seconds) / total((run) => run.count);
  }

  #chosen(secondsPerStep: number, bytesPerStep: number, step: number): number {
    const { stops, steps } = this.#options;
    const within = (seconds: number, most: number): number =>
      Math.floor(Math.min(seconds / secondsPerStep, BATCH_BYTES / Math.max(1, bytesPerStep), most));
    let fitting = within(TARGET_SECONDS, MOST_STEPS);
    // What leaves the runtime is copied, all parameters and moments: a twentieth of such a step.
    if (fitting < SLOW.steps) fitting = steps - step < SLOW.left ? 1 : within(SLOW.seconds, SLOW.steps);
    if (fitting < 2) return 1;
    return dividing(stops.length === 0 ? steps - step : stops.reduce(greatestCommonDivisor, steps), fitting);
  }
}

/** A divisor of `whole` close below `wanted`, so that all runs have one length and one graph; else `wanted`. */
function dividing(whole: number, wanted: number): number {
  if (whole <= wanted) return whole;
  for (let divisor = wanted; divisor > wanted / 2; divisor--) if (whole % divisor === 0) return divisor;
  return wanted;
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));
