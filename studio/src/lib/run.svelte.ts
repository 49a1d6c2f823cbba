/** A run on the server as it goes on: the state that its parts show. */
import { withChanges } from "../../../src/report/loss-curves.ts";
import type { Run, RunDetail, RunEvent, StartRun } from "../../../src/studio/api.ts";
import { api, messageOf } from "./api.ts";
import { followRun } from "./follow.ts";

const over: ReadonlySet<string> = new Set(["done", "failed", "cancelled"]);

/** Whether nothing more will happen in a run. */
export const isOver = ({ state }: Run): boolean => over.has(state);

/** Starts, follows and cancels one run. */
export class LiveRun {
  run = $state.raw<RunDetail | null>(null);
  /** What went wrong between here and the server. */
  problem = $state("");
  #stop: (() => void) | null = null;

  constructor(run: RunDetail | null = null) {
    this.run = run;
  }

  /** Starts a run and follows it; `problem` says why it could not. */
  async start(request: StartRun): Promise<void> {
    this.problem = "";
    try {
      const run = await api<Run>("/api/runs", { method: "POST", body: request });
      this.run = { ...run, figures: [], losses: [], notes: [], outcome: null, files: [] };
      this.follow();
    } catch (error) {
      this.problem = messageOf(error);
    }
  }

  /** Follows the run until it is over. */
  follow(): void {
    this.#stop?.();
    if (!this.run || isOver(this.run)) return;
    this.#stop = followRun(
      this.run.id,
      (event) => {
        this.problem = "";
        this.run = this.run && after(this.run, event);
      },
      (gaveUp) => {
        this.problem = gaveUp
          ? "The connection to the server is lost; load the page again."
          : "The connection is lost; trying again.";
      },
    );
  }

  async cancel(): Promise<void> {
    if (!this.run) return;
    try {
      const run = await api<Run>(`/api/runs/${this.run.id}/cancel`, { method: "POST", body: {} });
      this.run = { ...this.run, ...run };
    } catch (error) {
      this.problem = messageOf(error);
    }
  }

  /** Follows no longer; the run goes on. */
  leave(): void {
    this.#stop?.();
  }
}

/** A run after an event. */
function after(run: RunDetail, { event, data }: RunEvent): RunDetail {
  switch (event) {
    case "run":
    case "done":
      return data;
    case "queued":
      return { ...run, state: "queued", ahead: data.ahead };
    case "running":
      return { ...run, state: "running", ahead: 0, attempts: data.attempts };
    case "progress":
      return { ...run, state: "running", progress: data };
    case "losses":
      return { ...run, losses: [...withChanges(run.losses, data.changes)] };
    case "figure":
      return { ...run, figures: [...run.figures, data] };
    case "note":
      return { ...run, notes: [...run.notes, data.text] };
    case "failed":
      return { ...run, state: "failed", failure: data.failure };
    case "cancelled":
      return { ...run, state: "cancelled" };
  }
}
