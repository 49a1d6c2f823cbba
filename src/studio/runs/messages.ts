/** What a server and its workers say to each other, as JSON between processes. */
import type { JsonFigure, RunOutcome, RunProgress, RunRequest } from "../api.ts";

/** A run as a worker gets it. */
export interface WorkOrder {
  readonly request: RunRequest;
  /** Where it keeps its pieces and writes its report; its own. */
  readonly folder: string;
  /** Folders of models by name, beside the embedded one. */
  readonly models: Readonly<Record<string, string>>;
}

export type ToWorker = { readonly kind: "start"; readonly order: WorkOrder } | { readonly kind: "stop" };

export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "progress"; readonly progress: RunProgress }
  | { readonly kind: "figure"; readonly figure: JsonFigure }
  | { readonly kind: "note"; readonly text: string }
  | { readonly kind: "done"; readonly outcome: RunOutcome; readonly files: readonly string[] }
  | { readonly kind: "failed"; readonly failure: string }
  /** It was told to stop, and what is done is kept. */
  | { readonly kind: "stopped" };
