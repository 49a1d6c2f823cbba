/** jax-js on its WebAssembly backend: a whole training step under `jit`, its threads on those of Node. */
import { readFileSync } from "node:fs";
import type { Array as JaxArray } from "@jax-js/jax";
import { type Ready, serve } from "../serve.ts";
import { type LoadedArray, readInputs, splitBatches } from "./inputs.ts";
import type { StoredJob } from "./job.ts";
import { provideWebWorkers } from "./web-worker.ts";

const threads = Number(process.env.BENCH_THREADS);
provideWebWorkers(threads);
const { blockUntilReady, init, jit, lax, nn, numpy: np, tree, valueAndGrad, vjp } = await import("@jax-js/jax");
await init("wasm");

type Params = { [name: string]: JaxArray };
type Batch = { x: JaxArray; y: JaxArray };
type Sizes = Readonly<Record<string, number>>;
type Model = (p: Params, batch: Batch) => JaxArray;

// Using an array consumes it; `.ref` keeps it for another use.
const get = (p: Params, name: string): JaxArray => (p[name] as JaxArray).ref;
const linear = (p: Params, name: string, x: JaxArray): JaxArray =>
  np.add(np.matmul(x, get(p, `${name}.weight`)), get(p, `${name}.bias`));
const gelu = (x: JaxArray): JaxArray => nn.gelu(x, { approximate: false });

function crossEntropy(logits: JaxArray, labels: JaxArray): JaxArray {
  const classes = logits.shape.at(-1) as number;
  const rows = nn.logSoftmax(np.reshape(logits, [-1, classes]));
  return np.negative(np.mean(np.sum(np.multiply(rows, nn.oneHot(np.reshape(labels, [-1]), classes)), -1)));
}

const models: Readonly<Record<string, (sizes: Sizes) => Model>> = {
  mlp:
    () =>
    (p, { x, y }) =>
      np.mean(np.square(np.subtract(linear(p, "down", gelu(linear(p, "up", x))), y))),
  classifier:
    () =>
    (p, { x, y }) =>
      crossEntropy(linear(p, "down", nn.relu(linear(p, "up", x))), y),
  cnn: () => {
    const block = (p: Params, name: string, x: JaxArray): JaxArray => {
      const bias = np.reshape(get(p, `${name}.bias`), [-1, 1, 1]);
      const h = nn.relu(np.add(lax.conv(x, get(p, `${name}.weight`), [1, 1], "SAME"), bias));
      const [batch, channels, height, width] = h.shape as [number, number, number, number];
      return np.max(np.reshape(h, [batch, channels, height / 2, 2, width / 2, 2]), [3, 5]);
    };
    return (p, { x, y }) => {
      const h = block(p, "conv2", block(p, "conv1", x));
      return crossEntropy(linear(p, "head", np.reshape(h, [h.shape[0] as number, -1])), y);
    };
  },
  gpt: (sizes) => {
    const { batch, time, heads, width, layers } = sizes as Record<
      "batch" | "time" | "heads" | "width" | "layers",
      number
    >;
    const norm = (p: Params, name: string, x: JaxArray): JaxArray => {
      const centered = np.subtract(x.ref, np.mean(x, -1, { keepdims: true }));
      const variance = np.mean(np.square(centered.ref), -1, { keepdims: true });
      const normal = np.divide(centered, np.sqrt(np.add(variance, 1e-5)));
      return np.add(np.multiply(normal, get(p, `${name}.scale`)), get(p, `${name}.bias`));
    };
    const attention = (p: Params, i: number, x: JaxArray): JaxArray => {
      const [q, k, v] = np
        .split(linear(p, `${i}.qkv`, x), 3, -1)
        .map((h) => np.transpose(np.reshape(h, [batch, time, heads, width / heads]), [0, 2, 1, 3])) as [
        JaxArray,
        JaxArray,
        JaxArray,
      ];
      const mask = np.multiply(np.subtract(1, np.tri(time)), -1e9);
      const scores = np.multiply(np.matmul(q, np.transpose(k, [0, 1, 3, 2])), 1 / Math.sqrt(width / heads));
      const mixed = np.matmul(nn.softmax(np.add(scores, mask), -1), v);
      return linear(p, `${i}.out`, np.reshape(np.transpose(mixed, [0, 2, 1, 3]), [batch, time, width]));
    };
    return (p, { x, y }) => {
      let h = np.add(np.take(get(p, "tokens"), x, 0), get(p, "positions"));
      for (let i = 0; i < layers; i++) {
        h = np.add(h.ref, attention(p, i, norm(p, `${i}.norm1`, h)));
        h = np.add(h.ref, linear(p, `${i}.down`, gelu(linear(p, `${i}.up`, norm(p, `${i}.norm2`, h)))));
      }
      return crossEntropy(np.matmul(norm(p, "norm", h), np.transpose(get(p, "tokens"))), y);
    };
  },
};

const load = ({ shape, data }: LoadedArray): JaxArray => np.array(data, { shape: [...shape] });
const loadAll = (arrays: Readonly<Record<string, LoadedArray>>): Params =>
  Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, load(array)]));

type State = { params: Params; first: Params; second: Params };

function trainingEntrant(job: StoredJob): Ready {
  const loss = (models[job.model] as (sizes: Sizes) => Model)(job.sizes);
  const { learningRate, beta1, beta2, eps, weightDecay } = job.adam;
  const start = loadAll(readInputs(job.file, job.arrays, "parameter"));
  const zeros = (): Params => Object.fromEntries(Object.entries(start).map(([name, x]) => [name, np.zeros(x.shape)]));
  const batches = splitBatches(readInputs(job.file, job.arrays, "data")).map((batch) => loadAll(batch) as Batch);
  const names = Object.keys(start);
  // `seen1` and `seen2` are 1 - βᵗ: the step enters as numbers, so one compiled function serves all steps.
  const step = jit((state: State, batch: Batch, seen1: JaxArray, seen2: JaxArray) => {
    const [value, gradients] = valueAndGrad(loss)(tree.ref(state.params), batch) as [JaxArray, Params];
    const after: State = { params: {}, first: {}, second: {} };
    for (const name of names) {
      const [w, m, v, g] = [state.params, state.first, state.second, gradients].map((p) => p[name]) as JaxArray[] as [
        JaxArray,
        JaxArray,
        JaxArray,
        JaxArray,
      ];
      const first = np.add(np.multiply(m, beta1), np.multiply(g.ref, 1 - beta1));
      const second = np.add(np.multiply(v, beta2), np.multiply(np.square(g), 1 - beta2));
      const size = np.add(np.sqrt(np.divide(second.ref, seen2.ref)), eps);
      const change = np.divide(np.divide(first.ref, seen1.ref), size);
      const kept = np.multiply(w, 1 - learningRate * weightDecay);
      after.params[name] = np.subtract(kept, np.multiply(change, learningRate));
      after.first[name] = first;
      after.second[name] = second;
    }
    seen1.dispose();
    seen2.dispose();
    return [after, value] as [State, JaxArray];
  });
  return {
    id: "jit",
    label: "jit, WebAssembly",
    async run(steps) {
      let state: State = { params: tree.ref(start) as Params, first: zeros(), second: zeros() };
      const values: JaxArray[] = [];
      for (let i = 0; i < steps; i++) {
        const batch = tree.ref(batches[i % batches.length] as Batch) as Batch;
        const [next, value] = step(state, batch, np.array(1 - beta1 ** (i + 1)), np.array(1 - beta2 ** (i + 1))) as [
          State,
          JaxArray,
        ];
        await blockUntilReady(next);
        state = next;
        values.push(value);
      }
      tree.dispose(state);
      const losses: number[] = [];
      for (const value of values) losses.push((await value.data())[0] as number);
      return losses;
    },
  };
}

function transformEntrant(job: StoredJob): Ready {
  const x = load(splitBatches(readInputs(job.file, job.arrays, "data"))[0]?.x as LoadedArray);
  const isPower = job.model !== "rfft";
  const transform = jit((v: JaxArray) => {
    const { real, imag } = job.model === "planePower" ? np.fft.rfft2(v) : np.fft.rfft(v);
    return isPower ? [np.mean(np.add(np.square(real), np.square(imag)), 0)] : [real, imag];
  });
  return {
    id: "jit",
    label: "jit, WebAssembly",
    async run(calls) {
      for (let i = 1; i < calls; i++) {
        const result = transform(x.ref) as JaxArray[];
        await blockUntilReady(result);
        tree.dispose(result);
      }
      const [a, b] = await Promise.all((transform(x.ref) as JaxArray[]).map((part) => part.data()));
      if (!a) return [];
      if (!b) return [0, 1, a.length >> 1, a.length - 1].map((i) => a[i] as number);
      const meanSquare = (v: ArrayLike<number>): number => {
        let total = 0;
        for (let i = 0; i < v.length; i++) total += (v[i] as number) ** 2;
        return total / v.length;
      };
      const columns = a.length / (job.sizes.rows as number);
      return [a[columns + 2] as number, b[17 * columns + 100] as number, meanSquare(a), meanSquare(b)];
    },
  };
}

/** A causal convolution and both gradients. */
function convolutionEntrant(job: StoredJob): Ready {
  const { x, y } = splitBatches(readInputs(job.file, job.arrays, "data"))[0] as Record<"x" | "y", LoadedArray>;
  const [u, dy] = [load(x), load(y)];
  const k = load(readInputs(job.file, job.arrays, "parameter").k as LoadedArray);
  const length = x.shape.at(-1) as number;
  const twice = (v: JaxArray): JaxArray => {
    const widths: [number, number][] = v.shape.map((_, i) => (i === v.shape.length - 1 ? [0, length] : [0, 0]));
    return np.pad(v, widths);
  };
  const convolve = ([a, b]: [JaxArray, JaxArray]): JaxArray => {
    const [p, q] = [np.fft.rfft(twice(a)), np.fft.rfft(twice(b))];
    const real = np.subtract(np.multiply(p.real.ref, q.real.ref), np.multiply(p.imag.ref, q.imag.ref));
    const imag = np.add(np.multiply(p.real, q.imag), np.multiply(p.imag, q.real));
    const all = np.fft.irfft({ real, imag });
    return all.slice(...Array<[]>(all.shape.length - 1).fill([]), [0, length]);
  };
  const energy = (v: JaxArray): JaxArray => np.sum(np.square(v));
  const call = jit((a: JaxArray, b: JaxArray, d: JaxArray) => {
    const [result, pull] = vjp(convolve, [[a, b]]) as unknown as [JaxArray, (d: JaxArray) => [[JaxArray, JaxArray]]];
    const [[du, dk]] = pull(d);
    return [result, du, dk].map(energy);
  });
  return {
    id: "jit",
    label: "jit, WebAssembly",
    async run(calls) {
      const values: number[] = [];
      for (let i = 0; i < calls; i++) {
        const energies = call(u.ref, k.ref, dy.ref) as JaxArray[];
        values.length = 0;
        for (const one of energies) values.push((await one.data())[0] as number);
      }
      return values;
    },
  };
}

/** Products or passes in a row, each a kernel of its own, and one number at the end. */
function ceilingEntrant(job: StoredJob): Ready {
  const x = load(splitBatches(readInputs(job.file, job.arrays, "data"))[0]?.x as LoadedArray);
  const isProducts = job.model === "products";
  const product = jit((h: JaxArray, y: JaxArray) => np.matmul(h, y));
  const pass = jit((h: JaxArray, low: JaxArray) => np.maximum(h, low));
  const total = jit((h: JaxArray) => np.sum(np.absolute(np.ravel(h).slice([0, 1024]))));
  const count = job.stepsInGraph;
  return {
    id: "jit",
    label: "jit, WebAssembly",
    multiple: count,
    async run(steps) {
      let result = 0;
      for (let done = 0; done < steps; done += count) {
        let h = x.ref;
        for (let i = 0; i < count; i++) h = isProducts ? product(h, x.ref) : pass(h, np.array(-2 + 0.1 * i));
        result = (await total(h).data())[0] as number;
      }
      return [result];
    },
  };
}

const packageFile = new URL("../package.json", import.meta.resolve("@jax-js/jax"));

await serve<StoredJob>({
  describe: () => ({
    name: "jax-js wasm",
    version: (JSON.parse(readFileSync(packageFile, "utf8")) as { version: string }).version,
    threads,
  }),
  async setUp(job) {
    if (job.model in models) return [trainingEntrant(job)];
    if (job.model === "convolution") return [convolutionEntrant(job)];
    if (["rfft", "power", "planePower"].includes(job.model)) return [transformEntrant(job)];
    if (job.model === "products" || job.model === "passes") return [ceilingEntrant(job)];
    throw new Error("the comparison has no form of this job for it");
  },
});
