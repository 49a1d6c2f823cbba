/** Progress of long work: one changing line on a terminal, a plain line now and then elsewhere. */
import { formatDuration } from "../report/format.ts";
import type { StudyProgress, TrainingProgress } from "../report/study.ts";

const BAR_WIDTH = 24;
/** Between plain lines where there is no terminal. */
const PLAIN_SECONDS = 10;

/** What a progress line is written to: `process.stderr`, or a stand-in in tests. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** `loss 0.513`, or the lowest and the highest of models that train together; empty where none does. */
function lossText({ losses }: TrainingProgress = { step: 0, losses: {} }): string {
  const values = Object.values(losses);
  if (values.length === 0) return "";
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => Number(value.toPrecision(4)));
  return low === high ? `loss ${low}` : `losses ${low} to ${high}`;
}

/** Shows progress with share done, rate, time left and the latest loss. */
export class ProgressLine {
  readonly #out: Terminal;
  readonly #now: () => number;
  readonly #start: number;
  #printed = Number.NEGATIVE_INFINITY;
  #first: StudyProgress | null = null;

  constructor(out: Terminal = process.stderr, now: () => number = () => performance.now() / 1000) {
    this.#out = out;
    this.#now = now;
    this.#start = now();
  }

  /** Takes note of how far the work is, and shows it if it is time. */
  update(progress: StudyProgress): void {
    const now = this.#now();
    // What an earlier run left done tells nothing about the speed of this one.
    this.#first ??= progress;
    if (now - this.#printed < (this.#out.isTTY ? 0.1 : PLAIN_SECONDS) && progress.done < progress.total) return;
    this.#printed = now;
    const text = this.#text(progress, now - this.#start);
    this.#out.write(this.#out.isTTY ? `\r\u001b[2K${text.slice(0, (this.#out.columns || 80) - 1)}` : `${text}\n`);
  }

  /** Ends the line, so that what follows starts on one of its own. */
  end(): void {
    if (this.#out.isTTY && this.#first) this.#out.write("\r\u001b[2K");
  }

  #text({ stage, done, total, unit, training }: StudyProgress, seconds: number): string {
    const share = total > 0 ? Math.min(1, done / total) : 0;
    const ahead = done - (this.#first?.done ?? 0);
    const rate = seconds > 0 ? ahead / seconds : 0;
    const left = rate > 0 ? formatDuration((total - done) / rate) : "?";
    const bar = "█".repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, "░");
    const units = unit === undefined ? "" : ` ${unit}`;
    const pace = rate >= 0.1 ? `${rate.toFixed(1)}${units}/s` : rate > 0 ? `${(60 * rate).toFixed(1)}${units}/min` : "";
    const parts = [`${Math.floor(share * 100)} %`.padStart(5), pace, `${left} left`, lossText(training), stage]
      .filter(Boolean)
      .join("  ");
    return this.#out.isTTY ? `${bar} ${parts}` : parts.trim();
  }
}
