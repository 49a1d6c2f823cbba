import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, expectTypeOf, it } from "vitest";
import {
  add,
  compile,
  evaluate,
  flatten,
  key,
  log,
  mean,
  mul,
  normal,
  relu,
  reshape,
  square,
  sub,
  type Tensor,
  type Tree,
  tensor,
  toNested,
} from "../../src/array/index.ts";
import { dropout, linear, sequential } from "../../src/nn/index.ts";
import {
  accuracy,
  adamW,
  checkpointPath,
  crossEntropy,
  DivergedError,
  fit,
  type Progress,
  sgd,
  trainLoop,
} from "../../src/train/index.ts";
import { onSmallDisk } from "../data/small-disk.ts";
import { numbers } from "../nn/reference.ts";

const folder = () => mkdtempSync(join(tmpdir(), "fourward-fit-"));
const bytesOf = (tree: Tree) =>
  flatten(tree).leaves.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex"));
const rowsOf = (path: string) =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

const net = sequential(linear({ inputs: 3, outputs: 8 }), relu, dropout(0.2), linear({ inputs: 8, outputs: 4 }));
const BATCH = 5;
/** Batches as a pure function of the step. */
const data = {
  examples: BATCH,
  at(step: number, count: number) {
    const rows = Array.from({ length: count }, (_, i) => numbers(BATCH * 3, step + i + 1));
    return {
      x: tensor(Float32Array.from(rows.flat()), { shape: [count, BATCH, 3] }),
      y: tensor(Int32Array.from(rows.flatMap((row) => row.slice(0, BATCH).map((v) => (v > 0 ? 3 : 1)))), {
        shape: [count, BATCH],
      }),
    };
  },
};
const task = {
  params: net.init(key(1)),
  data,
  optimizer: adamW({ learningRate: 0.02 }),
  loss: (params: ReturnType<typeof net.init>, { x, y }: ReturnType<typeof data.at>, context: { key: Tensor }) => {
    const logits = net.apply(params, x, { training: true, key: context.key });
    return [crossEntropy(logits, y), { accuracy: accuracy(logits, y) }] as const;
  },
};

describe("fit", () => {
  it("learns, and reports every step", async () => {
    const { params, step, stopped, history } = await fit({ ...task, steps: 300 });
    expect([step, stopped, history.start]).toEqual([300, false, 0]);
    expect(history.loss).toHaveLength(300);
    expect(history.metrics.loss).toEqual(history.loss);
    expect(history.metrics.accuracy).toHaveLength(300);
    const late = history.loss.slice(-50).reduce((a, b) => a + b) / 50;
    expect(late).toBeLessThan(0.6 * (history.loss[0] as number));
    expectTypeOf(params).toEqualTypeOf<ReturnType<typeof net.init>>();
  });

  it("gives the same bits however steps are grouped into runs, the tail included", async () => {
    const results = [];
    for (const stepsPerRun of [1, 7, 16, 50, 1000, undefined]) {
      results.push(await fit({ ...task, steps: 50, seed: 9, ...(stepsPerRun ? { stepsPerRun } : {}) }));
    }
    const [first, ...others] = results.map(({ params, state, history }) => ({
      bytes: bytesOf([params, state]),
      history,
    }));
    for (const other of others) expect(other).toEqual(first);
  });

  it("is plain gradient descent, step by step", async () => {
    // For the loss (w - x)²/2 and batch x, w ← w - η·(w - x).
    const source = {
      at: (step: number, count: number) => tensor(Float32Array.from({ length: count }, (_, i) => (step + i) % 3)),
    };
    const { params, history } = await fit({
      params: { w: tensor(4) },
      data: source,
      loss: ({ w }, x) => mul(square(sub(w, x)), 0.5),
      optimizer: sgd({ learningRate: 0.5 }),
      steps: 7,
      stepsPerRun: 3,
    });
    let w = 4;
    const losses = Array.from({ length: 7 }, (_, t) => {
      const loss = (w - (t % 3)) ** 2 / 2;
      w -= 0.5 * (w - (t % 3));
      return loss;
    });
    expect(toNested(params.w)).toBe(w);
    expect(history.loss).toEqual(losses);
  });

  it("draws by seed and step", async () => {
    const noise = async (seed: number) => {
      const { history } = await fit({
        params: tensor([0]),
        data: { at: (_, count) => tensor(new Float32Array(count)) },
        loss: (w, _, context) => add(mean(mul(w, 0)), mean(normal(context.key, [1]))),
        optimizer: sgd({ learningRate: 0.1 }),
        steps: 20,
        seed,
        stepsPerRun: 8,
      });
      return history.loss;
    };
    expect(new Set(await noise(1)).size).toBe(20);
    expect(await noise(1)).toEqual(await noise(1));
    expect(await noise(1)).not.toEqual(await noise(2));
  });

  it("fetches each batch once, the next one while a run goes on, and waits for promises", async () => {
    const asked: string[] = [];
    const source = {
      async at(step: number, count: number) {
        asked.push(`${step}+${count}`);
        await new Promise((resolve) => setTimeout(resolve, 1));
        return data.at(step, count);
      },
    };
    const slow = await fit({ ...task, data: source, steps: 10, stepsPerRun: 4 });
    expect(asked).toEqual(["0+4", "4+4", "8+2"]);
    expect(bytesOf(slow.params)).toEqual(bytesOf((await fit({ ...task, steps: 10 })).params));
    const broken = {
      at: (step: number, count: number) =>
        step >= 4 ? Promise.reject(new Error("no more data")) : data.at(step, count),
    };
    await expect(fit({ ...task, data: broken, steps: 10, stepsPerRun: 2 })).rejects.toThrow("no more data");
    await expect(
      fit({ ...task, data: { at: (step: number) => data.at(step, 1) }, steps: 10, stepsPerRun: 2 }),
    ).rejects.toThrow('train: expected 2 stacked batches at "x", got shape [1, 5, 3]');
  });

  it("tells progress after each run", async () => {
    const seen: Progress[] = [];
    const { history } = await fit({
      ...task,
      steps: 10,
      stepsPerRun: 4,
      onProgress: (progress) => seen.push(progress),
    });
    expect(seen.map(({ step }) => step)).toEqual([4, 8, 10]);
    expect(seen.every(({ steps }) => steps === 10)).toBe(true);
    expect(seen[0]?.loss).toBeCloseTo(history.loss.slice(0, 4).reduce((a, b) => a + b) / 4, 10);
    for (const { stepsPerSecond, examplesPerSecond, secondsLeft, step } of seen) {
      expect(stepsPerSecond).toBeGreaterThan(0);
      expect(examplesPerSecond).toBeCloseTo(stepsPerSecond * BATCH, 6);
      expect(secondsLeft).toBeCloseTo((10 - step) / stepsPerSecond, 6);
    }
  });

  it("evaluates at exact steps, and at the end", async () => {
    const evaluate = {
      every: 4,
      run: async (params: ReturnType<typeof net.init>, step: number) => ({ step, size: flatten(params).leaves.length }),
    };
    for (const stepsPerRun of [undefined, 3, 100]) {
      const { history } = await fit({ ...task, steps: 10, evaluate, ...(stepsPerRun ? { stepsPerRun } : {}) });
      expect(history.evaluations).toEqual([4, 8, 10].map((step) => ({ step, scores: { step, size: 4 } })));
    }
  });

  it("writes metrics and evaluations as JSONL", async () => {
    const metricsFile = join(folder(), "metrics.jsonl");
    const { history } = await fit({
      ...task,
      steps: 5,
      stepsPerRun: 2,
      metricsFile,
      evaluate: { every: 3, run: () => ({ score: 1 }) },
    });
    const row = (i: number) => ({ step: i + 1, loss: history.loss[i], accuracy: history.metrics.accuracy?.[i] });
    const score = (step: number) => ({ step, evaluation: { score: 1 } });
    expect(rowsOf(metricsFile)).toEqual([row(0), row(1), row(2), score(3), row(3), row(4), score(5)]);
  });

  it("names wrong options and metrics", async () => {
    await expect(fit({ ...task, steps: 0 })).rejects.toThrow(
      "train: steps must be a whole number of at least 1, got 0",
    );
    await expect(fit({ ...task, steps: 5, stepsPerRun: 0.5 })).rejects.toThrow(
      "train: stepsPerRun must be a whole number of at least 1, got 0.5",
    );
    const reporting = (metrics: Record<string, Tensor>) =>
      fit({ ...task, steps: 1, loss: (p, b, c) => [task.loss(p, b, c)[0], metrics] });
    await expect(reporting({ loss: tensor(1) })).rejects.toThrow(
      'fit: a metric cannot have the name "loss"; rename it',
    );
    await expect(reporting({ step: tensor(1) })).rejects.toThrow(
      'train: a metric cannot have the name "step"; rename it',
    );
    await expect(reporting({ list: tensor([1, 2]) })).rejects.toThrow(
      'train: metric "list" must be a scalar tensor, got Tensor(float32[2])',
    );
  });
});

describe("trainLoop", () => {
  it("carries any state: here an average that no gradient touches", async () => {
    const { state } = await trainLoop({
      state: { count: tensor(0, { dtype: "int32" }), average: tensor(0) },
      data: { at: (step: number, count: number) => tensor(Float32Array.from({ length: count }, (_, i) => step + i)) },
      step: ({ count, average }, x) => [
        { count: add(count, 1), average: add(mul(average, 0.5), mul(x, 0.5)) },
        { loss: sub(x, average) },
      ],
      steps: 10,
      stepsPerRun: 4,
    });
    let average = 0;
    for (let x = 0; x < 10; x++) average = average / 2 + x / 2;
    expect([toNested(state.count), toNested(state.average)]).toEqual([10, average]);
  });
});

describe("a loss that is not finite", () => {
  /** `log(3 - step)` is finite for steps 0 to 2. */
  const falling = {
    params: { w: tensor([1]) },
    data: {
      at: (step: number, count: number) => tensor(Float32Array.from({ length: count }, (_, i) => 3.5 - step - i)),
    },
    optimizer: sgd({ learningRate: 0.1 }),
    loss: ({ w }: { w: Tensor }, x: Tensor) => mul(mean(w), log(x)),
    steps: 20,
    stepsPerRun: 5,
  };

  it("stops training, names the step, and keeps the last good checkpoint and all metrics up to it", async () => {
    const dir = folder();
    const metricsFile = join(dir, "metrics.jsonl");
    const failure = await fit({ ...falling, checkpoint: { dir, every: 2 }, metricsFile }).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(DivergedError);
    expect((failure as DivergedError).step).toBe(5);
    expect((failure as Error).message).toBe(
      `train: the loss is NaN at step 5; the checkpoint of step 4 in ${checkpointPath(dir)} is kept; lower the learning rate or clip the gradients`,
    );
    expect(rowsOf(metricsFile).map(({ step, loss }) => [step, typeof loss])).toEqual([
      [1, "number"],
      [2, "number"],
      [3, "number"],
      [4, "number"],
      [5, "string"],
    ]);
    const resumed = await fit({ ...falling, steps: 4, checkpoint: { dir, every: 2 } });
    expect(Number.isFinite(resumed.params.w.data[0])).toBe(true);
  });

  it("is named without a checkpoint, too", async () => {
    await expect(fit(falling)).rejects.toThrow(
      "train: the loss is NaN at step 5; lower the learning rate or clip the gradients",
    );
    await expect(fit({ ...falling, checkpoint: { dir: folder(), every: 50 } })).rejects.toThrow(
      "at step 5; there is no checkpoint yet; lower",
    );
  });

  it("never saves parameters that are not finite, though the loss was", async () => {
    const dir = folder();
    const exploding = fit({
      params: { w: tensor([1e38]) },
      data: { at: (_, count) => tensor(new Float32Array(count)) },
      loss: ({ w }) => mean(w),
      optimizer: {
        init: () => ({}),
        update: (_, state, params) => ({
          params: { w: mul((params as { w: Tensor }).w, 1e10) } as unknown as typeof params,
          state,
        }),
      },
      steps: 1,
      checkpoint: { dir, every: 1 },
    });
    await expect(exploding).rejects.toThrow(
      'train: "params.w" of the state is not finite at step 1; there is no checkpoint yet',
    );
    expect(existsSync(checkpointPath(dir))).toBe(false);
  });
});

describe("stopping by signal", () => {
  it("finishes the run, saves, says so, and goes on later with the same bits", async () => {
    const dir = folder();
    const control = new AbortController();
    const stopped = await fit({
      ...task,
      steps: 40,
      stepsPerRun: 4,
      checkpoint: { dir, every: 1000 },
      signal: control.signal,
      onProgress: ({ step }) => step === 12 && control.abort(),
    });
    expect([stopped.stopped, stopped.step, stopped.history.loss.length]).toEqual([true, 12, 12]);
    const resumed = await fit({ ...task, steps: 40, checkpoint: { dir, every: 1000 } });
    expect([resumed.stopped, resumed.step, resumed.history.start, resumed.history.loss.length]).toEqual([
      false,
      40,
      12,
      28,
    ]);
    const unbroken = await fit({ ...task, steps: 40 });
    expect(bytesOf([resumed.params, resumed.state])).toEqual(bytesOf([unbroken.params, unbroken.state]));
    expect([...stopped.history.loss, ...resumed.history.loss]).toEqual(unbroken.history.loss);
  });

  it("does nothing if it was aborted before", async () => {
    const { step, stopped, params } = await fit({ ...task, steps: 5, signal: AbortSignal.abort() });
    expect([step, stopped]).toEqual([0, true]);
    expect(bytesOf(params)).toEqual(bytesOf(await evaluate(task.params)));
  });
});

describe("checkpoints", () => {
  it("resume a finished run without a further step, and start anew when asked to", async () => {
    const dir = folder();
    const checkpoint = { dir, every: 5 };
    const first = await fit({ ...task, steps: 10, checkpoint });
    const again = await fit({ ...task, steps: 10, checkpoint });
    expect([again.step, again.history.loss.length]).toEqual([10, 0]);
    expect(bytesOf(again.params)).toEqual(bytesOf(first.params));
    const anew = await fit({ ...task, steps: 10, checkpoint: { ...checkpoint, resume: false } });
    expect([anew.history.start, anew.history.loss.length]).toEqual([0, 10]);
    const longer = await fit({ ...task, steps: 12, checkpoint });
    expect([longer.step, longer.history.start]).toEqual([12, 10]);
    await expect(fit({ ...task, steps: 8, checkpoint })).rejects.toThrow(
      `train: the checkpoint in ${dir} is of step 12, past the 8 steps asked for`,
    );
  });

  it("of another run are refused in one sentence", async () => {
    const dir = folder();
    const checkpoint = { dir, every: 5 };
    await fit({ ...task, steps: 5, checkpoint });
    await expect(fit({ ...task, steps: 9, seed: 3, checkpoint })).rejects.toThrow(
      `resume ${checkpointPath(dir)}: it was made with seed 0, this run has seed 3; choose another folder or the same seed`,
    );
    await expect(fit({ ...task, steps: 9, optimizer: sgd({ learningRate: 1 }), checkpoint })).rejects.toThrow(
      /^load .*: tensor "optimizer\.first\..*" of the file is not in the model/,
    );
    const whole = readFileSync(checkpointPath(dir));
    writeFileSync(checkpointPath(dir), whole.subarray(0, whole.length - 10));
    await expect(fit({ ...task, steps: 9, checkpoint })).rejects.toThrow(`read ${checkpointPath(dir)}: `);
  });

  it("survive a full disk: one sentence, and the previous one stays whole", async () => {
    const dir = join(folder(), "small");
    await onSmallDisk(dir, async () => {
      const wide = linear({ inputs: 1000, outputs: 10 });
      const run = (steps: number) =>
        fit({
          params: wide.init(key(0)),
          data: { at: (_, count) => tensor(new Float32Array(count * 1000).fill(1), { shape: [count, 1000] }) },
          loss: (p, x) => mean(square(wide.apply(p, x))),
          optimizer: sgd({ learningRate: 1e-4, momentum: 0.9 }),
          steps,
          checkpoint: { dir, every: 5 },
        });
      // Parameters and momentum take 80 kB: two files fit into 256 kB, beside 120 kB of other things only one.
      await run(5);
      const before = readFileSync(checkpointPath(dir));
      writeFileSync(join(dir, "other"), Buffer.alloc(120_000));
      await expect(run(10)).rejects.toThrow(
        `write ${checkpointPath(dir)}: the disk is full; free some space or choose another folder`,
      );
      expect(readFileSync(checkpointPath(dir)).equals(before)).toBe(true);
    });
  });
});

describe("memory of runs", () => {
  it("keeps what goes in untouched, and gives new memory each time", async () => {
    const params = await evaluate(task.params);
    const fixed = { at: () => batches };
    const batches = data.at(0, 4);
    const before = bytesOf([params, batches]);
    const result = await fit({ ...task, params, data: fixed, steps: 12, stepsPerRun: 4 });
    expect(bytesOf([params, batches])).toEqual(before);
    const buffers = (tree: Tree) => flatten(tree).leaves.map((x) => x.data.buffer);
    const given = new Set(buffers([params, batches]));
    expect(buffers([result.params, result.state]).filter((buffer) => given.has(buffer))).toEqual([]);
  });

  it("is not shared between inputs and outputs that hold the same values", async () => {
    const x = tensor([1, 2, 3, 4]);
    const results = await compile((v: Tensor) => [v, v, reshape(v, [2, 2]), add(v, 0)])(x);
    const buffers = [x, ...results].map(({ data: { buffer } }) => buffer);
    expect(new Set(buffers).size).toBe(5);
    (x.data as Float32Array)[0] = 9;
    expect(results.map((y) => y.data[0])).toEqual([1, 1, 1, 1]);
  });
});
