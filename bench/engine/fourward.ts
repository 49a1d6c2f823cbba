/**
 * Fourward's side: training steps as `fit` runs them, many in one graph, and one by one with the state returned to
 * JavaScript in between. Also the runtime alone, as a ceiling, and how long a session takes to make.
 */
import * as ort from "onnxruntime-node";
import {
  abs,
  compile,
  evaluate,
  key,
  matmul,
  maximum,
  releaseSessions,
  reshape,
  rfft,
  setDefaults,
  slice,
  stack,
  sum,
  type Tensor,
  toOnnx,
} from "../../src/array/index.ts";
import { runtime } from "../../src/array/runtime/node.ts";
import { describeMachine } from "../../src/report/machine.ts";
import { compileSteps } from "../../src/train/index.ts";
import { type Ready, serve } from "../serve.ts";
import type { StoredJob } from "./jobs.ts";
import {
  type Batch,
  comparedPlaces,
  convolutionEnergies,
  convolutionInputs,
  index,
  inputOf,
  isTraining,
  meanPlanePower,
  meanPower,
  training,
} from "./models.ts";

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

/** A compiled function of one argument, called again and again. */
function callEntrant<A, R>(fn: (x: A) => R, x: A, check: (result: R) => readonly number[]): Ready[] {
  const call = compile(fn);
  return [
    {
      id: "call",
      label: "compiled",
      async run(calls) {
        let result = await call(x);
        for (let i = 1; i < calls; i++) result = await call(x);
        return check(result);
      },
    },
  ];
}

/** ONNX Runtime with nothing around it: `count` operations in a row in one model, and one number returned. */
async function runtimeEntrant(count: number, fn: (x: Tensor) => Tensor, x: Tensor): Promise<Ready[]> {
  const model = toOnnx(fn, [x], { inputNames: ["x"], outputNames: ["total"] });
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: threads, interOpNumThreads: 1 });
  const [input] = session.inputNames;
  const feeds = { [input as string]: new ort.Tensor("float32", x.data as Float32Array, x.shape) };
  return [
    {
      id: "runtime",
      label: "ONNX Runtime alone",
      multiple: count,
      async run(steps) {
        let total = 0;
        for (let i = 0; i < steps; i += count) {
          const results = await session.run(feeds);
          total = Number(Object.values(results)[0]?.data[0]);
        }
        return [total];
      },
    },
  ];
}

const repeated = (count: number, x: Tensor, fn: (h: Tensor, i: number) => Tensor): Tensor =>
  Array.from({ length: count }, (_, i) => i).reduce(fn, x);

/** One number by which results are compared, cheap beside what made them. */
const size = (h: Tensor): Tensor => sum(abs(slice(reshape(h, [-1]), { starts: [0], stops: [1024] })));

async function setUp(job: StoredJob): Promise<Ready[]> {
  await releaseSessions();
  if (isTraining(job)) return trainingEntrants(job);
  const x = inputOf(job);
  const count = job.stepsInGraph;
  if (job.model === "rfft") {
    return callEntrant(
      (v) => rfft(v),
      x,
      ({ re, im }) => {
        const [a, b] = [re, im].map((t) => t.data as Float32Array) as [Float32Array, Float32Array];
        const meanSquare = (v: Float32Array) => v.reduce((total, value) => total + value * value, 0) / v.length;
        const columns = re.shape[1] as number;
        return [a[columns + 2] as number, b[17 * columns + 100] as number, meanSquare(a), meanSquare(b)];
      },
    );
  }
  if (job.model === "power" || job.model === "planePower") {
    const power = job.model === "power" ? meanPower : meanPlanePower;
    return callEntrant(power, x, (p) => comparedPlaces(p.size).map((i) => (p.data as Float32Array)[i] as number));
  }
  if (job.model === "convolution") return callEntrant(convolutionEnergies, convolutionInputs(job), numbers);
  return job.model === "products"
    ? runtimeEntrant(count, (v) => size(repeated(count, v, (h) => matmul(h, v))), x)
    : runtimeEntrant(count, (v) => size(repeated(count, v, (h, i) => maximum(h, -2 + 0.1 * i))), x);
}

/** Milliseconds of each part of a first call, of a training step's graph: everything anew each time. */
async function creation(job: StoredJob): Promise<object> {
  const { step, state, batches } = await training(job);
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
    return { name: "Fourward", version: `${fourward}, onnxruntime-node ${onnxruntime}`, threads };
  },
  setUp,
  others: { creation },
});
