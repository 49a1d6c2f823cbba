/** Models of the training jobs, in the array language. */
import {
  add,
  arange,
  conv,
  evaluate,
  gelu,
  layerNormalize,
  lessEqual,
  matmul,
  maxPool,
  mul,
  relu,
  reshape,
  softmax,
  split,
  type Tensor,
  type Tree,
  take,
  tensor,
  transpose,
  valueAndGrad,
} from "../../src/array/index.ts";
import { neuralOperator } from "../../src/models/index.ts";
import { adamW, crossEntropy, meanSquaredError } from "../../src/train/index.ts";
import { type LoadedArray, readInputs, splitBatches } from "./inputs.ts";
import type { StoredJob } from "./job.ts";

type Params = { readonly [name: string]: Tensor };
export type Batch = { readonly x: Tensor; readonly y: Tensor };
type Sizes = Readonly<Record<string, number>>;
type Model = (params: Params, batch: Batch) => Tensor;

const get = (p: Params, name: string): Tensor => p[name] as Tensor;
const linear = (p: Params, name: string, x: Tensor): Tensor =>
  add(matmul(x, get(p, `${name}.weight`)), get(p, `${name}.bias`));

const models: Readonly<Record<string, (sizes: Sizes) => Model>> = {
  mlp:
    () =>
    (p, { x, y }) =>
      meanSquaredError(linear(p, "down", gelu(linear(p, "up", x))), y),
  classifier:
    () =>
    (p, { x, y }) =>
      crossEntropy(linear(p, "down", relu(linear(p, "up", x))), y),
  cnn: () => {
    const block = (p: Params, name: string, x: Tensor): Tensor => {
      const h = conv(x, get(p, `${name}.weight`), { padding: 1, bias: get(p, `${name}.bias`) });
      return maxPool(relu(h), { window: 2 });
    };
    return (p, { x, y }) => {
      const h = block(p, "conv2", block(p, "conv1", x));
      return crossEntropy(linear(p, "head", reshape(h, [h.shape[0] as number, -1])), y);
    };
  },
  gpt: (sizes) => {
    const { batch, time, heads, width, layers } = sizes as Record<
      "batch" | "time" | "heads" | "width" | "layers",
      number
    >;
    const norm = (p: Params, name: string, x: Tensor): Tensor =>
      layerNormalize(x, get(p, `${name}.scale`), get(p, `${name}.bias`));
    const attention = (p: Params, i: number, x: Tensor): Tensor => {
      const seen = lessEqual(arange(time), reshape(arange(time), [time, 1]));
      const [q, k, v] = split(linear(p, `${i}.qkv`, x), { axis: -1, sizes: [width, width, width] }).map((h) =>
        transpose(reshape(h, [batch, time, heads, width / heads]), [0, 2, 1, 3]),
      ) as [Tensor, Tensor, Tensor];
      const scores = mul(matmul(q, k, { transposeB: true }), 1 / Math.sqrt(width / heads));
      const mixed = matmul(softmax(scores, { mask: seen }), v);
      return linear(p, `${i}.out`, reshape(transpose(mixed, [0, 2, 1, 3]), [batch, time, width]));
    };
    return (p, { x, y }) => {
      let h = add(take(get(p, "tokens"), x, { axis: 0 }), get(p, "positions"));
      for (let i = 0; i < layers; i++) {
        h = add(h, attention(p, i, norm(p, `${i}.norm1`, h)));
        h = add(h, linear(p, `${i}.down`, gelu(linear(p, `${i}.up`, norm(p, `${i}.norm2`, h)))));
      }
      return crossEntropy(matmul(norm(p, "norm", h), get(p, "tokens"), { transposeB: true }), y);
    };
  },
  fno: ({ width = 0, modes = 0, layers = 0 }) => {
    const operator = neuralOperator({ inputs: 1, outputs: 1, width, layers, modes: [modes, modes] });
    return (p, { x, y }) => meanSquaredError(operator.apply(nested(p), x), y);
  },
};

/** Parameters by dotted names as a tree. */
export function nested(p: Params): { readonly [name: string]: Tree } {
  const tree: Record<string, Tree> = {};
  for (const [path, x] of Object.entries(p)) {
    const names = path.split(".");
    const last = names.pop() as string;
    const at = names.reduce((node, name) => {
      node[name] ??= {};
      return node[name] as Record<string, Tree>;
    }, tree);
    at[last] = x;
  }
  return tree;
}

export const toTensors = (arrays: Readonly<Record<string, LoadedArray>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(arrays).map(([name, { shape, data }]) => [name, tensor(data, { shape })]));

/** True if the job trains a model. */
export const isTraining = ({ model }: StoredJob): boolean => model in models;

/** The first array of a job's data. */
export const inputOf = (job: StoredJob): Tensor =>
  toTensors(splitBatches(readInputs(job.file, job.arrays, "data"))[0] ?? {}).x as Tensor;

/** A training job: the step, its state at the start, and batches. */
export async function training(job: StoredJob) {
  const loss = (models[job.model] as (sizes: Sizes) => Model)(job.sizes);
  const optimizer = adamW(job.adam);
  const params = toTensors(readInputs(job.file, job.arrays, "parameter"));
  const batches = splitBatches(readInputs(job.file, job.arrays, "data")).map((batch) => toTensors(batch) as Batch);
  const state = await evaluate({ params: params as Params, optimizer: optimizer.init(params) });
  type State = typeof state;
  const step = (before: State, batch: Batch, { step }: { readonly step: Tensor }) => {
    const [value, gradients] = valueAndGrad(loss)(before.params, batch);
    const after = optimizer.update(gradients, before.optimizer, before.params, step);
    return [{ params: after.params, optimizer: after.state }, { loss: value }] as const;
  };
  return { step, state, batches };
}

/** A whole number as a step. */
export const index = (i: number): Tensor => tensor(Int32Array.of(i), { shape: [] });
