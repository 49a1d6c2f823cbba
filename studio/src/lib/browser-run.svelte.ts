/** A run of a study in this browser, in the form of a run on the server. */
import { withLosses } from "../../../src/report/loss-curves.ts";
import type { RunDetail } from "../../../src/studio/api.ts";
import type { FromStudy, ToStudy } from "../browser/messages.ts";

/** Starts, follows and ends one run at a time. */
export class BrowserRun {
  run = $state.raw<RunDetail | null>(null);
  /** Address of the report once there is one. */
  report = $state("");
  #worker: Worker | null = null;

  /** Runs a study; why it cannot is the run's `failure`. */
  start({ slug, scale }: ToStudy, title: string): void {
    this.leave();
    const now = new Date().toISOString();
    this.run = {
      ...{ id: "in-this-browser-000000", request: { kind: "study", slug, scale }, title, state: "running", own: true },
      ...{ ahead: 0, attempts: 1, createdAt: now, startedAt: now, finishedAt: null, progress: null, failure: null },
      ...{ figures: [], losses: [], notes: [], outcome: null, files: [] },
    };
    // Loaded with the first run: the runtime and the studies are no part of the page.
    const worker = new Worker(new URL("../browser/study-worker.ts", import.meta.url), { type: "module" });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromStudy>) => this.#take(data, scale);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#take(
        { kind: "failed", failure: `this browser could not start the study (${event.message || "no reason given"})` },
        scale,
      );
    };
    worker.postMessage({ slug, scale } satisfies ToStudy);
  }

  #take(message: FromStudy, scale: ToStudy["scale"]): void {
    const { run } = this;
    if (!run) return;
    if (message.kind === "progress") {
      const { progress } = message;
      const losses = progress.training ? [...withLosses(run.losses, progress.training)] : run.losses;
      this.run = { ...run, progress, losses };
    } else if (message.kind === "figure") this.run = { ...run, figures: [...run.figures, message.figure] };
    else if (message.kind === "failed") {
      this.#end();
      this.run = { ...run, state: "failed", failure: message.failure };
    } else {
      this.#end();
      const { report, notes, seeds, claims, kind: _, ...facts } = message;
      const outcome = { kind: "study" as const, scale, seeds: [...seeds], claims: [...claims], ...facts };
      this.run = { ...run, state: "done", notes: [...notes], outcome };
      this.report = URL.createObjectURL(new Blob([report], { type: "text/html" }));
    }
  }

  cancel(): void {
    this.#end();
    if (this.run) this.run = { ...this.run, state: "cancelled" };
  }

  /** Ends the run and forgets its report. */
  leave(): void {
    this.#end();
    if (this.report) URL.revokeObjectURL(this.report);
    this.report = "";
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = null;
  }
}
