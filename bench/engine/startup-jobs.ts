/** Jobs of starting: processes, and graphs that are met for the first time. */

import type { Job, Scale } from "./job.ts";
import { gpt } from "./training-jobs.ts";

/** The jobs of `bench startup`. */
export function startupJobs(scale: Scale): readonly Job[] {
  const start = (id: string, model: "list" | "firstResult", title: string): Job => ({
    ...{ id, model, title, unit: "start", sizes: {}, arrays: [], stepsInGraph: 1 },
  });
  return [
    start("list", "list", "fourward list, from the start of the process to its end"),
    start("first-result", "firstResult", "A new process that computes one product of two vectors, to its end"),
    {
      ...gpt("compile", scale === "tiny" ? TINY : SMALL, 1),
      title: "The first and the second time that the training step of a small GPT is compiled and run",
      model: "compile",
      unit: "call",
    },
  ];
}

const SMALL = { layers: 2, width: 64, heads: 4, time: 32, batch: 8, vocabulary: 256 };
const TINY = { layers: 1, width: 8, heads: 2, time: 4, batch: 2, vocabulary: 16 };
