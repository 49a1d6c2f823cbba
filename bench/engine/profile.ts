/** `bench profile`: where the time of a job's graph goes, by primitive or by line. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, profiled, setDefaults, type Tensor } from "../../src/array/index.ts";
import { byLine, byPrimitive, profileTable } from "../../src/report/index.ts";
import { digits, table } from "../table.ts";
import { writeInputs } from "./inputs.ts";
import { adam, type Job, type StoredJob } from "./job.ts";
import { type Batch, index, isTraining, training } from "./models.ts";
import { programsOf } from "./programs.ts";

const RUNS = 20;

/** One step of a training job, or one call of another, many times; the time of its parts as a table. */
export async function profile(job: Job, threads: number, byLines: boolean): Promise<string> {
  setDefaults({ threads });
  const folder = mkdtempSync(join(tmpdir(), "fourward-bench-"));
  try {
    const file = join(folder, "inputs.bin");
    const stored = { ...job, adam, file, arrays: writeInputs(file, job.arrays, 1) };
    const run = isTraining(stored) ? await trainingStep(stored) : await callOf(stored);
    const { profile } = await profiled(async () => {
      for (let i = 0; i < RUNS; i++) await run();
    });
    const [first, rows] = byLines
      ? (["line", byLine(profile)] as const)
      : (["primitive", byPrimitive(profile)] as const);
    const shares = profileTable("", first, rows);
    const title = `${job.title}: ${digits((1000 * profile.seconds) / profile.runs)} ms a ${job.unit}, measured`;
    return `### ${title}\n\n${table(
      shares.columns,
      shares.rows.map((row) => row.map(String)),
    )}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function trainingStep(job: Parameters<typeof training>[0]): Promise<() => Promise<unknown>> {
  const { step, state, batches } = await training(job);
  const run = compile((before: typeof state, batch: Batch, i: Tensor) => step(before, batch, { step: i }));
  return () => run(state, batches[0] as Batch, index(0));
}

async function callOf(job: StoredJob): Promise<() => Promise<unknown>> {
  const [program] = (await programsOf(job)) ?? [];
  if (!program || program.by === "runtime")
    throw new Error(`profile: "${job.id}" is not one graph of several operators`);
  const run = compile(program.fn as (...args: readonly unknown[]) => unknown);
  return () => run(...program.args);
}
