/** What a paper file exports, and what its study is given to run with. */
import type { FileData } from "../data/files.ts";
import type { Claims, Measurements } from "./claim.ts";
import type { Figure } from "./figure.ts";

/**
 * `smoke`: seconds, the mechanism runs and its invariants hold; `small`: minutes on two cores, the claim is measured on
 * real data; `full`: a GPU or the paper's own sizes.
 */
export const scales = ["smoke", "small", "full"] as const;
export type Scale = (typeof scales)[number];

/** Facts of a paper. */
export interface PaperFacts {
  readonly number: number;
  readonly slug: string;
  readonly title: string;
  readonly year: number;
  /** Where it appeared, with its arXiv identifier where it has one. */
  readonly source: string;
  /** What it says, in our own words. */
  readonly abstract: string;
}

/** A paper that can be run. */
export interface Study<C extends Claims = Claims> extends PaperFacts {
  readonly claims: C;
  /** How many seeds a scale uses unless told otherwise. */
  readonly seeds: Readonly<Record<Scale, number>>;
  /** Commands worth trying after it, without the name of the program. */
  readonly next?: readonly string[];
  /** Measures every claim. */
  run(context: StudyContext): Promise<Measurements<C>>;
}

/** Declares a paper; `run` must give one measurement for each claim. */
export const paper = <const C extends Claims>(study: Study<C>): Study<C> => study;

/** How far a study is. */
export interface StudyProgress {
  /** What is being done, e.g. `training fsq, K = 1000`. */
  readonly stage: string;
  /** Units of work done and to do, in all. */
  readonly done: number;
  readonly total: number;
  /** What is counted, in the plural: `steps`. Shown beside the rate. */
  readonly unit?: string;
  /** The training that is going on, if one is; its losses make a curve that grows. */
  readonly training?: TrainingProgress;
}

/** How far a training is. */
export interface TrainingProgress {
  /** Its own steps done. */
  readonly step: number;
  /** Mean loss over the last few steps, by the name of each model that learns. */
  readonly losses: { readonly [model: string]: number };
}

/** What a study runs with. */
export interface StudyContext {
  readonly scale: Scale;
  readonly seeds: readonly number[];
  /** Where graphs run: `cpu`, `webgpu` or `cuda`. The array language has been told already. */
  readonly device: string;
  /** Aborted by Ctrl-C: long work passes it on, and `remember` stops between pieces. */
  readonly signal: AbortSignal;
  /** Reports progress. */
  progress(progress: StudyProgress): void;
  /**
   * The result of `fn`, kept as JSON under `key` in the study's folder: a run that was interrupted finds it there and
   * does not compute it again. The key names everything the result depends on beside scale, device and version. Plain
   * data and typed arrays come back as they were; anything else is refused.
   */
  remember<T>(key: string, fn: () => Promise<T>): Promise<T>;
  /** `fn` for each seed in turn; gives what it gave, in the order of the seeds. */
  overSeeds<T>(fn: (seed: number, index: number) => Promise<T>): Promise<T[]>;
  /** Adds a plot, table or grid of pictures to the report. */
  figure(figure: Figure): void;
  /** Adds a sentence to the report: why something failed, what was left out. */
  note(text: string): void;
  /** Writes a file beside the report, names it in the result, and gives its path. */
  artifact(name: string, data: FileData): Promise<string>;
  /** A folder for checkpoints and other files of this run. */
  readonly folder: string;
}

/** Thrown when a study is stopped on request; what it remembered is kept. */
export class StoppedError extends Error {
  constructor() {
    super("stopped on request; the same command continues from here");
    this.name = "StoppedError";
  }
}

/** Thrown when the data that a study needs is not there and cannot be had. */
export class SkippedError extends Error {
  override readonly name = "SkippedError";
}
