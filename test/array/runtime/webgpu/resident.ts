/** Values that stay in the memory of the GPU of Node; run by `webgpu.test.ts`. */
import { expect, it } from "vitest";
import { graphOf } from "../../../../src/array/compile.ts";
import { getElement } from "../../../../src/array/dtype.ts";
import {
  add,
  compile,
  type DType,
  dispose,
  evaluate,
  flatten,
  key,
  matmul,
  mul,
  normal,
  onDevice,
  releaseSessions,
  scan,
  setDefaults,
  stack,
  sub,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
  zerosLike,
} from "../../../../src/array/index.ts";
import { OnnxBuilder } from "../../../../src/array/onnx/builder.ts";
import { residentData } from "../../../../src/array/tensor.ts";
import { decoder } from "../../../../src/models/index.ts";
import { linear } from "../../../../src/nn/index.ts";
import { generate } from "../../../../src/serve/index.ts";
import { adamW, compileSteps, fit, meanSquaredError } from "../../../../src/train/index.ts";

const numbers = (x: Tensor): number[] => Array.from({ length: x.size }, (_, i) => getElement(x.dtype, x.data, i));
const isThere = (x: Tensor): boolean => residentData(x) !== null;

it("keeps a state on the device between calls", async () => {
  const step = compile((state: { x: Tensor }) => [{ x: mul(state.x, 2) }, sum(state.x)] as const, { resident: ["0"] });
  let state = { x: tensor(Float32Array.of(1, 2, 3)) };
  const sums: number[] = [];
  for (let i = 0; i < 3; i++) {
    const [next, total] = await step(state);
    dispose(state);
    expect([isThere(next.x), isThere(total)]).toEqual([true, false]);
    state = next;
    sums.push(...numbers(total));
  }
  expect(sums).toEqual([6, 12, 24]);
  const { x } = state;
  expect(() => x.data).toThrow("are on the device; get them with await evaluate(x)");
  expect(numbers((await evaluate(state)).x)).toEqual([8, 16, 24]);
  // As a captured tensor, on the device and on the CPU, and after every session has been released.
  const one = tensor(Float32Array.of(1, 1, 1));
  expect(numbers(await compile((y: Tensor) => add(x, y))(one))).toEqual([9, 17, 25]);
  expect(numbers(await compile((y: Tensor) => add(x, y), { device: "cpu" })(one))).toEqual([9, 17, 25]);
  await releaseSessions();
  expect(numbers(await evaluate(x))).toEqual([8, 16, 24]);
  dispose(state);
  dispose(state);
  await expect(evaluate(x)).rejects.toThrow("have been freed");
  await expect(step(state)).rejects.toThrow("have been freed");
});

it.each<[DType, boolean]>([
  ["float32", true],
  ["float16", true],
  ["int32", true],
  ["int64", true],
  ["uint8", true],
  ["bool", true],
  ["float64", false],
])("holds %s: %s", async (dtype, held) => {
  const values = [1, 0, 1, 1, 0, 0, 1];
  const both = compile((x: Tensor) => [x, x] as const, { resident: ["0"] });
  const [there, here] = await both(tensor(values, { dtype }));
  expect([isThere(there), isThere(here)]).toEqual([held, false]);
  const [again] = await both(there);
  expect(numbers(await evaluate(again))).toEqual(values);
  expect(numbers(here)).toEqual(values);
  dispose([there, again]);
});

it("holds nothing, and single numbers", async () => {
  const pass = compile((x: Tensor) => add(x, 1), { resident: [""] });
  for (const x of [tensor(new Float32Array(0), { shape: [0, 3] }), tensor(2)])
    expect(numbers(await evaluate(await pass(x)))).toEqual(numbers(x).map((v) => v + 1));
});

it("frees what is disposed", async () => {
  const step = compile((x: Tensor) => mul(x, 1), { resident: [""] });
  let state = await step(tensor(new Float32Array(2 ** 20).fill(1)));
  const megabytes = () => process.memoryUsage().rss / 2 ** 20;
  const run = async (times: number) => {
    for (let i = 0; i < times; i++) {
      const next = await step(state);
      dispose(state);
      state = next;
    }
  };
  await run(20);
  const before = megabytes();
  // What 60 steps make is 240 MiB; the software driver's memory is the host's.
  await run(60);
  expect(megabytes() - before).toBeLessThan(120);
  expect(numbers(await evaluate(state))[2 ** 20 - 1]).toBe(1);
  dispose(state);
});

/** Half of it, the long way round. */
const halved = (x: Tensor): Tensor => Array.from({ length: 8 }).reduce<Tensor>((y) => mul(add(y, y), 0.5), mul(x, 0.5));

it("walks loops of any length both ways, as the CPU does", async () => {
  const walk = (reverse: boolean) => (x: Tensor, w: Tensor) =>
    scan((carry: Tensor, row: Tensor) => [add(mul(carry, 0.5), row), matmul(row, carry)] as const, x, w, { reverse });
  const fn = (x: Tensor, w: Tensor, long: Tensor) => [
    walk(false)(x, w),
    walk(true)(x, w),
    // Too many operations to be written out.
    scan((carry: Tensor, row: Tensor) => [halved(add(carry, row)), carry] as const, x, long),
  ];
  const [x, w, long] = await evaluate(
    [normal(key(1), [2, 2]), normal(key(2), [3, 2, 2]), normal(key(3), [500, 2, 2])],
    {
      device: "cpu",
    },
  );
  const [there, here] = await Promise.all(
    (["webgpu", "cpu"] as const).map((device) => compile(fn, { device })(x as Tensor, w as Tensor, long as Tensor)),
  );
  const flat = (result: typeof there) => (result ?? []).flat().flatMap(numbers);
  expect(flat(there)).toHaveLength(4 + 12 + 4 + 12 + 4 + 2000);
  for (const [i, value] of flat(here).entries()) expect(flat(there)[i]).toBeCloseTo(value, 4);
});

it("keeps the weights of a model on the device while it generates, what the CPU does", async () => {
  const model = decoder({
    vocabulary: 13,
    context: 12,
    width: 16,
    blocks: [[{ mixer: { kind: "attention", heads: 2 } }, { ffn: { kind: "dense", hidden: 32 } }]],
  });
  const params = await evaluate(model.init(key(7)), { device: "cpu" });
  const weights = await onDevice(params);
  expect(flatten(weights).leaves.every(isThere)).toBe(true);
  expect(await onDevice(params)).toBe(weights);
  expect(await onDevice(params, { device: "cpu" })).toBe(params);
  const tokens = async (device: "cpu" | "webgpu") => {
    setDefaults({ device });
    const steps: (number | null)[] = [];
    for await (const step of generate(model, params, [[1, 2, 3], [6]], { maxTokens: 6, temperature: 0 }))
      steps.push(...step);
    return steps;
  };
  const [here, there] = [await tokens("cpu"), await tokens("webgpu")];
  expect(here).toHaveLength(12);
  expect(there).toEqual(here);
});

const layer = linear({ inputs: 4, outputs: 1 });
const loss = (p: ReturnType<typeof layer.init>, { x, y }: { x: Tensor; y: Tensor }) =>
  meanSquaredError(layer.apply(p, x), y);
const batches = async (step: number, count: number) => {
  const x = stack(Array.from({ length: count }, (_, i) => normal(key(step + i), [16, 4])));
  return evaluate({ x, y: sum(x, { axis: -1, keepDims: true }) }, { device: "cpu" });
};

it("trains as the CPU does, to four digits", async () => {
  const params = await evaluate(layer.init(key(0)), { device: "cpu" });
  const losses = async (device: "cpu" | "webgpu", stepsPerRun?: number) => {
    const { history } = await fit({
      params,
      data: { at: batches },
      loss,
      optimizer: adamW({ learningRate: 0.1 }),
      steps: 6,
      device,
      ...(stepsPerRun === undefined ? {} : { stepsPerRun }),
      evaluate: { every: 4, run: async (trained) => ({ weight: Number(trained.weight.data[0]) }) },
    });
    return history.loss;
  };
  const here = await losses("cpu");
  for (const there of [await losses("webgpu"), await losses("webgpu", 3)]) {
    expect(there).toHaveLength(6);
    for (const [i, value] of there.entries()) expect(value).toBeCloseTo(here[i] as number, 4);
  }
});

it("keeps weights and moments on the device from step to step, and no loop sends them to and fro", async () => {
  type State = { readonly params: Record<string, Tensor>; readonly moments: Record<string, Tensor> };
  const params = await evaluate(layer.init(key(0)));
  const moments = await evaluate({ weight: zerosLike(params.weight), bias: zerosLike(params.bias as Tensor) });
  const step = (state: State, batch: { x: Tensor; y: Tensor }) => {
    const [value, slope] = valueAndGrad((p: typeof params) => loss(p, batch))(state.params as typeof params);
    const next = (name: "weight" | "bias") => add(mul(state.moments[name] as Tensor, 0.5), slope[name] as Tensor);
    const after = { weight: next("weight"), bias: next("bias") };
    const moved = (name: "weight" | "bias") => sub(state.params[name] as Tensor, mul(after[name], 0.1));
    return [{ params: { weight: moved("weight"), bias: moved("bias") }, moments: after }, { loss: value }] as const;
  };
  const run = compileSteps<State, { x: Tensor; y: Tensor }>(step, { resident: ["0"] });
  const first = tensor(Int32Array.of(0), { shape: [] });
  let state: State = { params, moments };
  const losses: number[] = [];
  for (let i = 0; i < 8; i++) {
    const [next, { loss: value }] = await run(state, await batches(i, 1), first, key(0));
    expect(flatten(next).leaves.map(isThere)).toEqual([true, true, true, true]);
    dispose(state);
    state = next;
    losses.push(...numbers(value as Tensor));
  }
  expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 2);
  const graph = graphOf(run.original, { params, moments }, await batches(0, 1), first, key(0));
  const operators = (unrolled: boolean) => {
    const builder = new OnnxBuilder({ unrolled });
    builder.emit(
      graph,
      graph.inputs.map((_, i) => `x${i}`),
    );
    return builder.finish("steps", [], []).nodes.map(({ op }) => op);
  };
  expect(operators(false)).toContain("Scan");
  expect(operators(true)).not.toContain("Scan");
});
