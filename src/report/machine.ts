/** The machine a measurement was made on. */
import { machine } from "#platform";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** In a browser at most 8, since browsers tell no more. */
  readonly memoryGiB: number;
  readonly system: string;
  readonly node?: string;
  /** The browser, in its own words, where graphs ran in a page. */
  readonly browser?: string;
  /** Version of the runtime that executed the graphs. */
  readonly onnxruntime: string;
  readonly fourward: string;
}

/** Describes this machine and the versions of what ran on it. */
export const describeMachine = (): Machine => machine();
