/** How fast work goes and how long it will take, from what was said of its progress. */

interface Sample {
  readonly seconds: number;
  readonly done: number;
}

/** Seconds of the past that the rate is taken over. */
const MEMORY = 30;

/** Keeps the recent past of a piece of work. */
export class WorkPace {
  #samples: Sample[] = [];

  /** Takes note that `done` units are done at a time in seconds. */
  record(done: number, seconds: number): void {
    const last = this.#samples.at(-1);
    // Another piece of work has begun.
    if (last && done < last.done) this.#samples = [];
    this.#samples = [...this.#samples.filter((sample) => sample.seconds >= seconds - MEMORY), { seconds, done }];
  }

  /** Units a second; 0 until it is known. */
  get rate(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.seconds <= first.seconds) return 0;
    return (last.done - first.done) / (last.seconds - first.seconds);
  }

  /** Seconds until `total` units are done; NaN until it is known. */
  left(total: number): number {
    const last = this.#samples.at(-1);
    return last && this.rate > 0 ? Math.max(0, total - last.done) / this.rate : Number.NaN;
  }
}

/** `12.4 steps/s`, by the minute where that is easier to read; empty until it is known. */
export function rateText(rate: number, unit = ""): string {
  if (!(rate > 0)) return "";
  const units = unit && ` ${unit}`;
  return rate >= 0.1 ? `${rate.toFixed(1)}${units}/s` : `${(60 * rate).toFixed(1)}${units}/min`;
}
