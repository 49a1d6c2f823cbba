/**
 * TensorFlow.js on its WebAssembly backend. It lacks GELU, AdamW, the gradients of embeddings and of convolution kernels
 * (its WebAssembly backend has no kernel for these); they are composed from what it has.
 */
import { createRequire } from "node:module";
import { getThreadsCount, setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { type Ready, serve } from "../serve.ts";
import { type LoadedArray, readInputs, splitBatches } from "./inputs.ts";
import type { StoredJob } from "./job.ts";

type Params = { readonly [name: string]: tf.Variable };
type Batch = { readonly x: tf.Tensor; readonly y: tf.Tensor };
type Sizes = Readonly<Record<string, number>>;

// Gradients are registered by a file of its own that only CommonJS can load.
createRequire(import.meta.url)("@tensorflow/tfjs-core/dist/register_all_gradients.js");
setThreadsCount(Number(process.env.BENCH_THREADS));
await tf.setBackend("wasm");

const get = <T extends tf.Tensor = tf.Tensor>(p: Params, name: string): T => p[name] as unknown as T;

/** `x·W + b` along the last axis, as one product of two matrices. */
function linear(p: Params, name: string, x: tf.Tensor): tf.Tensor {
  const weight = get<tf.Tensor2D>(p, `${name}.weight`);
  const rows = tf.matMul(tf.reshape(x, [-1, weight.shape[0]]) as tf.Tensor2D, weight);
  return tf.reshape(tf.add(rows, get(p, `${name}.bias`)), [...x.shape.slice(0, -1), weight.shape[1]]);
}

/** `x·Φ(x)`. */
const gelu = (x: tf.Tensor): tf.Tensor => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));

function crossEntropy(logits: tf.Tensor, labels: tf.Tensor): tf.Scalar {
  const classes = logits.shape.at(-1) as number;
  const rows = tf.logSoftmax(tf.reshape(logits, [-1, classes]));
  const chosen = tf.oneHot(tf.reshape(labels, [-1]) as tf.Tensor1D, classes);
  return tf.neg(tf.mean(tf.sum(tf.mul(rows, chosen), 1))) as tf.Scalar;
}

/** A 3 x 3 convolution with a gradient for its kernel: one matrix product for each place of the kernel. */
function conv3x3(image: tf.Tensor4D, kernel: tf.Tensor4D, needsImageGradient: boolean): tf.Tensor4D {
  const kernelGradient = (x: tf.Tensor4D, dy: tf.Tensor4D): tf.Tensor4D => {
    const [batch, height, width, inputs] = x.shape;
    const outputs = dy.shape[3];
    const wide = tf.pad(x, [
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ]);
    const rows = tf.reshape(dy, [-1, outputs]) as tf.Tensor2D;
    const places = [0, 1, 2].flatMap((i) =>
      [0, 1, 2].map((j) => {
        const seen = tf.reshape(tf.slice(wide, [0, i, j, 0], [batch, height, width, inputs]), [-1, inputs]);
        return tf.matMul(seen as tf.Tensor2D, rows, true, false);
      }),
    );
    return tf.reshape(tf.stack(places), [3, 3, inputs, outputs]) as tf.Tensor4D;
  };
  if (!needsImageGradient) {
    return tf.customGrad((w) => ({
      value: tf.conv2d(image, w as tf.Tensor4D, 1, "same"),
      gradFunc: (dy) => kernelGradient(image, dy as tf.Tensor4D),
    }))(kernel) as tf.Tensor4D;
  }
  return tf.customGrad((x, w, save) => {
    (save as tf.GradSaveFunc)([x as tf.Tensor, w as tf.Tensor]);
    return {
      value: tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same"),
      gradFunc: (dy, saved) => {
        const [before, weight] = saved as [tf.Tensor4D, tf.Tensor4D];
        const grown = dy as tf.Tensor4D;
        return [tf.conv2dTranspose(grown, weight, before.shape, 1, "same"), kernelGradient(before, grown)];
      },
    };
  })(image, kernel) as tf.Tensor4D;
}

const models: Readonly<Record<string, (sizes: Sizes) => (p: Params, batch: Batch) => tf.Scalar>> = {
  mlp:
    () =>
    (p, { x, y }) =>
      tf.mean(tf.squaredDifference(linear(p, "down", gelu(linear(p, "up", x))), y)) as tf.Scalar,
  classifier:
    () =>
    (p, { x, y }) =>
      crossEntropy(linear(p, "down", tf.relu(linear(p, "up", x))), y),
  cnn: () => {
    const block = (p: Params, name: string, x: tf.Tensor4D, isFirst: boolean): tf.Tensor4D => {
      const h = tf.add(conv3x3(x, get(p, `${name}.weight`), !isFirst), get(p, `${name}.bias`));
      return tf.maxPool(tf.relu(h) as tf.Tensor4D, 2, 2, "valid");
    };
    return (p, { x, y }) => {
      const h = block(p, "conv2", block(p, "conv1", x as tf.Tensor4D, true), false);
      return crossEntropy(linear(p, "head", tf.reshape(tf.transpose(h, [0, 3, 1, 2]), [h.shape[0], -1])), y);
    };
  },
  gpt: (sizes) => {
    const { batch, time, heads, width, layers, vocabulary } = sizes as Record<string, number> & { layers: number };
    const mask = tf.keep(tf.mul(tf.sub(1, tf.linalg.bandPart(tf.ones([time as number, time as number]), -1, 0)), -1e9));
    const norm = (p: Params, name: string, x: tf.Tensor): tf.Tensor => {
      const { mean, variance } = tf.moments(x, -1, true);
      const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
      return tf.add(tf.mul(normal, get(p, `${name}.scale`)), get(p, `${name}.bias`));
    };
    const attention = (p: Params, i: number, x: tf.Tensor): tf.Tensor => {
      const shape = [batch, time, heads, (width as number) / (heads as number)] as number[];
      const [q, k, v] = tf
        .split(linear(p, `${i}.qkv`, x), 3, 2)
        .map((h) => tf.transpose(tf.reshape(h, shape), [0, 2, 1, 3])) as [tf.Tensor, tf.Tensor, tf.Tensor];
      const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(shape[3] as number)), mask);
      const mixed = tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]);
      return linear(p, `${i}.out`, tf.reshape(mixed, x.shape));
    };
    return (p, { x, y }) => {
      const tokens = get<tf.Tensor2D>(p, "tokens");
      // A float one-hot comes out wrong from the WebAssembly backend; an integer one is right.
      const chosen = tf.cast(tf.oneHot(tf.reshape(x, [-1]) as tf.Tensor1D, vocabulary as number), "float32");
      const embedded = tf.reshape(tf.matMul(chosen as tf.Tensor2D, tokens), [...x.shape, width as number]);
      let h = tf.add(embedded, get(p, "positions"));
      for (let i = 0; i < layers; i++) {
        h = tf.add(h, attention(p, i, norm(p, `${i}.norm1`, h)));
        h = tf.add(h, linear(p, `${i}.down`, gelu(linear(p, `${i}.up`, norm(p, `${i}.norm2`, h)))));
      }
      const rows = tf.reshape(norm(p, "norm", h), [-1, width as number]) as tf.Tensor2D;
      return crossEntropy(tf.matMul(rows, tokens, false, true), y);
    };
  },
};

/** Images are [batch, height, width, channels] here, and kernels [height, width, inputs, outputs]. */
function arranged(name: string, { shape, data }: LoadedArray): tf.Tensor {
  const dtype = data instanceof Int32Array ? "int32" : "float32";
  const x = tf.tensor(data, [...shape], dtype);
  if (shape.length !== 4) return x;
  return tf.transpose(x, name.endsWith(".weight") ? [2, 3, 1, 0] : [0, 2, 3, 1]);
}

const allArranged = (arrays: Readonly<Record<string, LoadedArray>>): Record<string, tf.Tensor> =>
  Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, arranged(name, array)]));

function trainingEntrant(job: StoredJob): Ready {
  const loss = (models[job.model] as (sizes: Sizes) => (p: Params, batch: Batch) => tf.Scalar)(job.sizes);
  const { learningRate, beta1, beta2, eps, weightDecay } = job.adam;
  const start = allArranged(readInputs(job.file, job.arrays, "parameter"));
  const params: Params = Object.fromEntries(Object.entries(start).map(([name, x]) => [name, tf.variable(x)]));
  const variables = Object.values(params);
  const batches = splitBatches(readInputs(job.file, job.arrays, "data")).map((batch) => allArranged(batch) as Batch);
  return {
    id: "eager",
    label: "eager, WebAssembly",
    async run(steps) {
      for (const [name, x] of Object.entries(start)) params[name]?.assign(x);
      const optimizer = tf.train.adam(learningRate, beta1, beta2, eps);
      const values: tf.Scalar[] = [];
      for (let i = 0; i < steps; i++) {
        const batch = batches[i % batches.length] as Batch;
        const { value, grads } = tf.variableGrads(() => loss(params, batch), variables);
        tf.tidy(() => {
          for (const w of variables) w.assign(tf.mul(w, 1 - learningRate * weightDecay));
        });
        optimizer.applyGradients(grads as unknown as Record<string, tf.Variable>);
        tf.dispose(grads);
        values.push(value);
      }
      const losses = values.map((value) => value.dataSync()[0] as number);
      tf.dispose(values);
      optimizer.dispose();
      return losses;
    },
  };
}

/** Products or passes in a row, and one number at the end. */
function ceilingEntrant(job: StoredJob): Ready {
  const x = arranged("x", splitBatches(readInputs(job.file, job.arrays, "data"))[0]?.x as LoadedArray);
  const count = job.stepsInGraph;
  const isProducts = job.model === "products";
  const all = (): tf.Tensor => {
    let h = x;
    for (let i = 0; i < count; i++) {
      const before = h;
      h = isProducts ? tf.matMul(before as tf.Tensor2D, x as tf.Tensor2D) : tf.maximum(before, -2 + 0.1 * i);
      if (before !== x) before.dispose();
    }
    return tf.sum(tf.abs(tf.slice(tf.reshape(h, [-1]), 0, 1024)));
  };
  return {
    id: "eager",
    label: "eager, WebAssembly",
    multiple: count,
    async run(steps) {
      let result = 0;
      for (let done = 0; done < steps; done += count) {
        const total = tf.tidy(all);
        result = total.dataSync()[0] as number;
        total.dispose();
      }
      return [result];
    },
  };
}

await serve<StoredJob>({
  describe: () => ({ name: "tfjs-wasm", version: tf.version_core, threads: getThreadsCount() }),
  async setUp(job) {
    tf.disposeVariables();
    if (job.model in models) return [trainingEntrant(job)];
    if (["rfft", "power", "planePower", "convolution", "fno"].includes(job.model))
      throw new Error("its WebAssembly backend has no complex numbers");
    if (job.model === "products" || job.model === "passes") return [ceilingEntrant(job)];
    throw new Error("the comparison has no form of this job for it");
  },
});
