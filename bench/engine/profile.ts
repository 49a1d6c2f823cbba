/** `bench profile`: where the time of a job's graph goes, by operator, as ONNX Runtime measures it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { flatten, rfft, type Tensor, toOnnx } from "../../src/array/index.ts";
import { digits, table } from "../table.ts";
import { writeInputs } from "./inputs.ts";
import { adam, type Job } from "./jobs.ts";
import {
  type Batch,
  convolutionEnergies,
  convolutionInputs,
  index,
  inputOf,
  isTraining,
  meanPlanePower,
  meanPower,
  training,
} from "./models.ts";

/** An event in the runtime's trace; `dur` is in microseconds. */
interface TraceEvent {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly args?: {
    readonly op_name?: string;
    readonly output_type_shape?: readonly Readonly<Record<string, readonly number[]>>[];
  };
}

interface Share {
  readonly label: string;
  microseconds: number;
  count: number;
}

const RUNS = 20;
const WARM_UP = 3;
/** Rows of the table; the rest is summed up. */
const SHOWN = 25;

/** One step of a training job, or one call of another, run and traced; the time of each operator as a table. */
export async function profile(job: Job, threads: number, byShape: boolean): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "fourward-profile-"));
  try {
    const file = join(folder, "inputs.bin");
    const stored = { ...job, adam, file, arrays: writeInputs(file, job.arrays, 1) };
    const { model, args } = isTraining(stored) ? await trainingModel(stored) : callModel(stored);
    const session = await ort.InferenceSession.create(model, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      enableProfiling: true,
      profileFilePrefix: join(folder, "trace"),
    });
    const feeds = Object.fromEntries(
      session.inputNames.map((name) => {
        const x = args.get(name) as Tensor;
        return [name, new ort.Tensor(x.dtype as "float32", x.data as Float32Array, x.shape)];
      }),
    );
    const started: number[] = [];
    for (let i = 0; i < RUNS + WARM_UP; i++) {
      started.push(performance.now());
      await session.run(feeds);
    }
    const perRun = (performance.now() - (started[WARM_UP] as number)) / RUNS;
    // The trace is written when the session ends; there is one in the folder.
    session.endProfiling();
    await session.release();
    const trace = readdirSync(folder).find((name) => name.startsWith("trace")) as string;
    const events = JSON.parse(readFileSync(join(folder, trace), "utf8")) as TraceEvent[];
    return `### ${job.title}: ${digits(perRun)} ms a ${job.unit}, traced\n\n${sharesTable(events, byShape)}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function trainingModel(job: Parameters<typeof training>[0]) {
  const { step, state, batches } = await training(job);
  const args: [typeof state, Batch, Tensor] = [state, batches[0] as Batch, index(0)];
  const model = toOnnx((before, batch, i) => step(before, batch, { step: i }), args);
  const { paths, leaves } = flatten(args);
  return { model, args: new Map(paths.map((path, i) => [path, leaves[i] as Tensor])) };
}

function callModel(job: Parameters<typeof inputOf>[0]) {
  const named = (inputs: readonly Tensor[]) =>
    new Map(inputs.map((x, i) => [`0${inputs.length > 1 ? `.${i}` : ""}`, x]));
  if (job.model === "convolution") {
    const inputs = convolutionInputs(job);
    return { model: toOnnx(convolutionEnergies, [inputs]), args: named(inputs) };
  }
  const x = inputOf(job);
  const calls = { rfft: (v: Tensor) => rfft(v), power: meanPower, planePower: meanPlanePower };
  const call = calls[job.model as keyof typeof calls];
  if (!call) throw new Error(`profile: "${job.id}" is one operator only`);
  return { model: toOnnx(call as (v: Tensor) => unknown, [x]), args: named([x]) };
}

function sharesTable(events: readonly TraceEvent[], byShape: boolean): string {
  const shares = new Map<string, Share>();
  for (const { cat, name, dur, args } of events) {
    const operator = args?.op_name;
    if (cat !== "Node" || !name.endsWith("_kernel_time") || operator === undefined) continue;
    const shapes = (args?.output_type_shape ?? []).map((one) => `[${Object.values(one)[0]?.join(", ")}]`);
    const label = byShape ? `${operator} ${shapes.join(" ")}` : operator;
    const share = shares.get(label) ?? { label, microseconds: 0, count: 0 };
    share.microseconds += dur;
    share.count++;
    shares.set(label, share);
  }
  const sorted = [...shares.values()].sort((a, b) => b.microseconds - a.microseconds);
  const total = sorted.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const runs = RUNS + WARM_UP;
  const row = ({ label, microseconds, count }: Share): string[] => [
    label,
    digits(microseconds / runs / 1000),
    `${digits((100 * microseconds) / total)} %`,
    digits(count / runs),
  ];
  const rest = sorted.slice(SHOWN).reduce(
    (sum, { microseconds, count }) => ({
      label: "all others",
      microseconds: sum.microseconds + microseconds,
      count: sum.count + count,
    }),
    { label: "all others", microseconds: 0, count: 0 },
  );
  const rows = [...sorted.slice(0, SHOWN), ...(rest.count > 0 ? [rest] : [])].map(row);
  return table([byShape ? "operator and its results" : "operator", "ms", "share", "nodes"], rows);
}
