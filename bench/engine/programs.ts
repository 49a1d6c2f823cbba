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
import { readInputs, splitBatches } from "./inputs.ts";
import type { ModelName, StoredJob } from "./job.ts";
import { toTensors } from "./models.ts";

/** A function of tensors and what it is called with. */
export interface Program {
  readonly fn: (...args: readonly Tensor[]) => readonly Tensor[];
  readonly args: readonly Tensor[];
  /** Steps of a call. */
  readonly steps: number;
  /** Few numbers of the results, by which systems are compared. */
  check(results: readonly Float32Array[]): readonly number[];
  /** Whether it is a ceiling: an operator of the runtime, with nothing around it. */
  readonly isCeiling?: boolean;
}

/** The program of a job; undefined if it trains a model or is of another kind. */
export const programOf = (job: StoredJob): Program | undefined => programs[job.model]?.(job);

const programs: Readonly<Partial<Record<ModelName, (job: StoredJob) => Program>>> = {
  rfft: (job) => ({
    fn: (x) => {
      const { re, im } = rfft(x as Tensor);
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
  }),
  power: (job) => powerProgram(job, (x) => rfft(x)),
  planePower: (job) => powerProgram(job, (x) => rfft2(x)),
  convolution: (job) => {
    const { x, y } = toTensors(splitBatches(readInputs(job.file, job.arrays, "data"))[0] ?? {});
    const { k } = toTensors(readInputs(job.file, job.arrays, "parameter"));
    return {
      fn: (...args) => [convolutionEnergies(args as [Tensor, Tensor, Tensor])],
      args: [x, k, y] as Tensor[],
      steps: 1,
      check: ([energies]) => Array.from(energies ?? []),
    };
  },
  products: (job) => ceiling(job, (h, x) => matmul(h, x)),
  passes: (job) => ceiling(job, (h, _, i) => maximum(h, -2 + 0.1 * i)),
};

/** The first array of a job that has no parameters. */
const inputOf = (job: StoredJob): Tensor =>
  toTensors(splitBatches(readInputs(job.file, job.arrays, "data"))[0] ?? {}).x as Tensor;

/** The mean power at each frequency. */
function powerProgram(job: StoredJob, transform: (x: Tensor) => { readonly re: Tensor; readonly im: Tensor }): Program {
  return {
    fn: (x) => {
      const { re, im } = transform(x as Tensor);
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
    fn: (x) => {
      const last = Array.from({ length: steps }, (_, i) => i).reduce(
        (h, i) => operation(h, x as Tensor, i),
        x as Tensor,
      );
      return [sum(abs(slice(reshape(last, [-1]), { starts: [0], stops: [1024] })))];
    },
    args: [inputOf(job)],
    steps,
    check: ([total]) => Array.from(total ?? []),
    isCeiling: true,
  };
}
