/** The jobs that are one call of a function in the array language: what is called, and by which numbers it is compared. */
import {
  abs,
  add,
  matmul,
  maximum,
  mean,
  reshape,
  rfft,
  rfft2,
  slice,
  square,
  stack,
  sum,
  type Tensor,
  vjp,
} from "../../src/array/index.ts";
import { fftConvolution } from "../../src/spectral/index.ts";
import { conditionalPrograms } from "./conditional.ts";
import { decodePrograms } from "./decode.ts";
import { readInputs, splitBatches } from "./inputs.ts";
import type { ModelName, StoredJob } from "./job.ts";
import { inputOf, toTensors } from "./models.ts";

/** A function of trees of tensors and what it is called with. */
export interface Program {
  /** Name of this way of doing the job; `call` by default. */
  readonly id?: string;
  readonly label?: string;
  readonly fn: (...args: never[]) => readonly Tensor[];
  readonly args: readonly unknown[];
  /** Steps of a call. */
  readonly steps: number;
  /** Few numbers of the results, by which systems are compared. */
  check(results: readonly Float32Array[]): readonly number[];
  /** How it is run: compiled (the default), by the runtime with nothing around it, or both. */
  readonly by?: "runtime" | "both";
  /** See `Entrant`. */
  readonly tolerance?: number;
}

/** The ways in which Fourward does a job, the plainest first; undefined if it trains a model or is of another kind. */
export const programsOf = async (job: StoredJob): Promise<readonly Program[] | undefined> => programs[job.model]?.(job);

type Programs = readonly Program[];

const programs: Readonly<Partial<Record<ModelName, (job: StoredJob) => Programs | Promise<Programs>>>> = {
  rfft: (job) => [spectrumProgram(job)],
  power: (job) => [powerProgram(job, (x) => rfft(x))],
  planePower: (job) => [powerProgram(job, (x) => rfft2(x))],
  convolution: (job) => [convolutionProgram(job)],
  products: (job) => [ceiling(job, (h, x) => matmul(h, x))],
  passes: (job) => [ceiling(job, (h, _, i) => maximum(h, -2 + 0.1 * i))],
  decode: decodePrograms,
  conditional: conditionalPrograms,
};

function spectrumProgram(job: StoredJob): Program {
  return {
    fn: (x: Tensor) => {
      const { re, im } = rfft(x);
      return [re, im];
    },
    args: [inputOf(job)],
    steps: 1,
    check: ([re, im]) => {
      const columns = (job.sizes.length as number) / 2 + 1;
      const meanSquare = (v: Float32Array) => v.reduce((total, value) => total + value * value, 0) / v.length;
      const [a, b] = [re, im] as [Float32Array, Float32Array];
      return [a[columns + 2] as number, b[17 * columns + 100] as number, meanSquare(a), meanSquare(b)];
    },
  };
}

function convolutionProgram(job: StoredJob): Program {
  const { x, y } = toTensors(splitBatches(readInputs(job.file, job.arrays, "data"))[0] ?? {});
  const { k } = toTensors(readInputs(job.file, job.arrays, "parameter"));
  return {
    fn: (u: Tensor, kernel: Tensor, dy: Tensor) => [convolutionEnergies([u, kernel, dy])],
    args: [x, k, y],
    steps: 1,
    check: ([energies]) => Array.from(energies ?? []),
  };
}

/** The mean power at each frequency. */
function powerProgram(job: StoredJob, transform: (x: Tensor) => { readonly re: Tensor; readonly im: Tensor }): Program {
  return {
    fn: (x: Tensor) => {
      const { re, im } = transform(x);
      return [mean(add(square(re), square(im)), { axis: 0 })];
    },
    args: [inputOf(job)],
    steps: 1,
    check: ([power]) => {
      const p = power as Float32Array;
      return [0, 1, p.length >> 1, p.length - 1].map((i) => p[i] as number);
    },
  };
}

/** Sums of squares of a causal convolution and of its gradients. */
function convolutionEnergies([u, k, dy]: readonly [Tensor, Tensor, Tensor]): Tensor {
  const [y, pull] = vjp(([a, b]: readonly Tensor[]) => fftConvolution(a as Tensor, b as Tensor), [u, k]);
  // Row by row: the runtime sums millions of numbers one after the other, which is off by a thousandth.
  return stack([y, ...pull(dy)[0]].map((x) => sum(sum(square(x), { axis: -1 }))));
}

/** Operations in a row, and one number at the end, cheap beside them. */
function ceiling(job: StoredJob, operation: (h: Tensor, x: Tensor, i: number) => Tensor): Program {
  const steps = job.stepsInGraph;
  return {
    fn: (x: Tensor) => {
      const last = Array.from({ length: steps }, (_, i) => i).reduce((h, i) => operation(h, x, i), x);
      return [sum(abs(slice(reshape(last, [-1]), { starts: [0], stops: [1024] })))];
    },
    args: [inputOf(job)],
    steps,
    check: ([total]) => Array.from(total ?? []),
    by: "runtime",
  };
}
