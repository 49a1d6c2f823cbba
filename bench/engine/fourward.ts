/**
 * Fourward's side: training steps as `fit` runs them, many in one graph, and one by one with the state returned to
 * JavaScript in between. Also the runtime alone, as a ceiling, and how long a session takes to make.
 */
import * as ort from "onnxruntime-node";
import {
  compile,
  evaluate,
  flatten,
  key,
  releaseSessions,
  setDefaults,
  stack,
  type Tensor,
  toOnnx,
} from "../../src/array/index.ts";
import { runtime } from "../../src/array/runtime/node.ts";
import { describeMachine } from "../../src/report/machine.ts";
import { compileSteps } from "../../src/train/index.ts";
import { type Ready, serve } from "../serve.ts";
import type { StoredJob } from "./job.ts";
import { type Batch, index, isTraining, training } from "./models.ts";
import { type Program, programsOf } from "./programs.ts";
import { compileEntrants, firstResultEntrant, listEntrant } from "./starts.ts";
import { type Work, workOf } from "./work.ts";

const threads = Number(process.env.BENCH_THREADS);
setDefaults({ threads });

const numbers = (x: Tensor): number[] => Array.from(x.data as Float32Array);

async function trainingEntrants(job: StoredJob): Promise<Ready[]> {
  const { step, state, batches } = await training(job);
  const count = job.stepsInGraph;
  const inOneGraph = compileSteps(step);
  const single = compile((before: typeof state, batch: Batch, i: Tensor) => step(before, batch, { step: i }));
  const stackOf = async (first: number): Promise<Batch> =>
    evaluate(
      Object.fromEntries(
        (["x", "y"] as const).map((name) => [
          name,
          stack(Array.from({ length: count }, (_, i) => (batches[(first + i) % batches.length] as Batch)[name])),
        ]),
      ) as unknown as Batch,
    );
  // Where a run begins in the cycle of batches repeats after as many runs as there are batches.
  const stacks = await Promise.all(batches.map((_, run) => stackOf(run * count)));
  return [
    {
      id: "fit",
      label: count === 1 ? "as fit runs it: 1 step a run" : `as fit runs it: ${count} steps in a graph`,
      multiple: count,
      async run(steps) {
        let now = state;
        const losses: number[] = [];
        for (let i = 0; i < steps; i += count) {
          const [next, { loss }] = await inOneGraph(
            now,
            stacks[(i / count) % stacks.length] as Batch,
            index(i),
            key(0),
          );
          losses.push(...numbers(loss as Tensor));
          now = next;
        }
        return losses;
      },
    },
    {
      id: "step",
      label: "compiled step, state through JavaScript",
      async run(steps) {
        let now = state;
        const losses: number[] = [];
        for (let i = 0; i < steps; i++) {
          const [next, { loss }] = await single(now, batches[i % batches.length] as Batch, index(i));
          losses.push(...numbers(loss));
          now = next;
        }
        return losses;
      },
    },
  ];
}

type Call = (...args: readonly unknown[]) => readonly Tensor[];

/** A compiled function, called again and again. */
function callEntrant({ id = "call", label = "", fn, args, steps: count, check, tolerance }: Program): Ready {
  const call = compile(fn as Call);
  return {
    id,
    label: label === "" ? "compiled" : `compiled, ${label}`,
    multiple: count,
    ...(tolerance ? { tolerance } : {}),
    async run(steps) {
      let results = await call(...args);
      for (let i = count; i < steps; i += count) results = await call(...args);
      return check(results.map(({ data }) => data as Float32Array));
    },
  };
}

/** ONNX Runtime with nothing around it. */
async function runtimeEntrant({ fn, args, steps: count, check }: Program): Promise<Ready> {
  const { leaves } = flatten(args);
  const names = leaves.map((_, i) => `x${i}`);
  const session = await ort.InferenceSession.create(toOnnx(fn as Call, [...args], { inputNames: names }), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  const given = new Map(leaves.map(({ dtype, data, shape }, i) => [names[i], new ort.Tensor(dtype, data, shape)]));
  // What the graph does not use is no input of it.
  const feeds = Object.fromEntries(session.inputNames.map((name) => [name, given.get(name) as ort.Tensor]));
  return {
    id: "runtime",
    label: "ONNX Runtime alone",
    multiple: count,
    async run(steps) {
      let results: Readonly<Record<string, ort.Tensor>> = {};
      for (let i = 0; i < steps; i += count) results = await session.run(feeds);
      return check(session.outputNames.map((name) => results[name]?.data as Float32Array));
    },
  };
}

async function setUp(job: StoredJob): Promise<Ready[]> {
  await releaseSessions();
  if (isTraining(job)) return trainingEntrants(job);
  if (job.model === "list") return [listEntrant()];
  if (job.model === "firstResult") return [firstResultEntrant()];
  if (job.model === "compile") return compileEntrants(job);
  const entrants: Ready[] = [];
  for (const program of (await programsOf(job)) ?? []) {
    if (program.by !== "runtime") entrants.push(callEntrant(program));
    if (program.by !== undefined) entrants.push(await runtimeEntrant(program));
  }
  return entrants;
}

/** Operations and bytes of a step, from its graph, for each way of doing the job whose graph is another. */
async function works(job: StoredJob): Promise<{ readonly works: readonly Work[] }> {
  const programs = await programsOf(job);
  if (programs)
    return { works: programs.map(({ id = "call", fn, args, steps }) => workOf(id, fn as Call, args, steps)) };
  if (!isTraining(job)) return { works: [] };
  const { step, state, batches } = await training(job);
  const fn = (before: typeof state, batch: Batch, i: Tensor) => step(before, batch, { step: i });
  return { works: [workOf("fit", fn, [state, batches[0] as Batch, index(0)])] };
}

/** Milliseconds of each part of a first call, of a training step's graph: everything anew each time. */
async function creation(job: StoredJob): Promise<object> {
  const { step, state, batches } = await training({ ...job, model: "gpt" });
  const fn = (before: typeof state, batch: Batch, i: Tensor) => step(before, batch, { step: i });
  const args = [state, batches[0] as Batch, index(0)] as const;
  let started = performance.now();
  const since = (): number => {
    const [before, now] = [started, performance.now()];
    started = now;
    return now - before;
  };
  const model = toOnnx(fn, [...args]);
  const traceMs = since();
  const session = await runtime.load(model, { device: "cpu", threads });
  const createMs = since();
  await session.release();
  await releaseSessions();
  const compiled = compile(fn);
  since();
  await compiled(...args);
  const firstCallMs = since();
  await compiled(...args);
  return { traceMs, createMs, firstCallMs, secondCallMs: since(), modelBytes: model.length };
}

await serve<StoredJob>({
  describe: () => {
    const { fourward, onnxruntime } = describeMachine();
    return { name: "Fourward", version: `${fourward}, ${runtime.name} ${onnxruntime}`, threads };
  },
  setUp,
  others: { creation, works },
});
