/** The studio: a site on which papers are found, read and run. */
export * as api from "./api.ts";
export type { QueueLimits } from "./runs/queue.ts";
export { type Runner, type RunnerOptions, startRunner } from "./runs/runner.ts";
export { type RunningStudio, type StudioOptions, startStudio } from "./server.ts";
