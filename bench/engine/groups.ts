/** The groups of jobs that are timed in every system. */
import { fourierJobs } from "./fourier-jobs.ts";
import type { Job, Scale } from "./job.ts";
import { trainingJobs } from "./training-jobs.ts";

export interface Group {
  readonly name: string;
  readonly description: string;
  jobs(scale: Scale): readonly Job[];
}

/** In the order in which all of them run. */
export const groups: readonly Group[] = [
  { name: "engine", description: "Training steps beside PyTorch, tfjs-wasm and jax-js.", jobs: trainingJobs },
  {
    name: "fourier",
    description: "Transforms, a long convolution and a neural operator beside PyTorch and jax-js.",
    jobs: fourierJobs,
  },
];
