/** The groups of jobs that are timed in every system. */
import { browserGroup } from "../browser/group.ts";
import { conditionalJobs } from "./conditional-jobs.ts";
import { fourierJobs } from "./fourier-jobs.ts";
import type { Job, Scale } from "./job.ts";
import type { Found, PeerId } from "./peers.ts";
import { startupJobs } from "./startup-jobs.ts";
import { textJobs } from "./text-jobs.ts";
import { trainingJobs } from "./training-jobs.ts";

export interface Group {
  readonly name: string;
  readonly description: string;
  jobs(scale: Scale): readonly Job[];
  /** Its peers, where they are not those of all groups: those wanted, as far as it has them. */
  peers?(threads: number, wanted: readonly PeerId[]): readonly Found[];
}

/** In the order in which all of them run. */
export const groups: readonly Group[] = [
  { name: "engine", description: "Training steps beside PyTorch, tfjs-wasm and jax-js.", jobs: trainingJobs },
  {
    name: "fourier",
    description: "Transforms, a long convolution and a neural operator beside PyTorch and jax-js.",
    jobs: fourierJobs,
  },
  { name: "text", description: "A token of a Llama form, in float32 and with weights of few bits.", jobs: textJobs },
  {
    name: "conditional",
    description: "Feed-forward layers of which a quarter is used, beside all of them.",
    jobs: conditionalJobs,
  },
  { name: "startup", description: "New processes, and graphs that are compiled the first time.", jobs: startupJobs },
  browserGroup,
];
