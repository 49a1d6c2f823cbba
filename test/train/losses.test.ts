import { describe, expect, it } from "vitest";
import { compile, grad, key, mean, type Tensor, tensor, toNested } from "../../src/array/index.ts";
import {
  accuracy,
  binaryCrossEntropy,
  compileSteps,
  crossEntropy,
  klDivergence,
  meanSquaredError,
} from "../../src/train/index.ts";
import { distance, gradientError, matrix, softmaxRow } from "../nn/reference.ts";

const logits = matrix(6, 4, 1).map((row) => row.map((x) => 5 * x));
const labels = [0, 3, 1, 1, 2, 0];
const ids = tensor(Int32Array.from(labels));

const losses = (smoothing: number): number[] =>
  logits.map((row, i) => {
    const p = softmaxRow(row).map(Math.log);
    const even = p.reduce((a, b) => a + b, 0) / p.length;
    return -(1 - smoothing) * (p[labels[i] as number] as number) - smoothing * even;
  });
const total = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0);

describe("binaryCrossEntropy", () => {
  it("agrees with the logarithms of probabilities, for large logits too", async () => {
    const x = [-3, -0.2, 0.5, 4, 80, -80];
    const y = [0, 1, 1, 0.25, 1, 0];
    const loss = compile((a: Tensor, b: Tensor) => binaryCrossEntropy(a, b, { reduction: "none" }));
    const got = toNested(await loss(tensor(Float32Array.from(x)), tensor(Float32Array.from(y)))) as number[];
    const log = (v: number) => -Math.log1p(Math.exp(-v));
    for (const [i, value] of got.entries()) {
      const [logit, label] = [x[i] as number, y[i] as number];
      expect(value).toBeCloseTo(-label * log(logit) - (1 - label) * log(-logit), 5);
    }
    expect(() => binaryCrossEntropy(tensor([1, 2]), tensor([1]))).toThrow("one shape");
  });
});

describe("crossEntropy", () => {
  it.each([0, 0.1, 1])("agrees with plain JavaScript at smoothing %d, for each reduction", async (smoothing) => {
    const run = compile((x: Tensor) => [
      crossEntropy(x, ids, { smoothing }),
      crossEntropy(x, ids, { smoothing, reduction: "sum" }),
      crossEntropy(x, ids, { smoothing, reduction: "none" }),
    ]);
    const [mean, sum, each] = (await run(tensor(logits))) as [Tensor, Tensor, Tensor];
    expect([mean.shape, sum.shape, each.shape]).toEqual([[], [], [6]]);
    expect(distance(mean.data, [total(losses(smoothing)) / 6])).toBeLessThan(1e-6);
    expect(distance(sum.data, [total(losses(smoothing))])).toBeLessThan(1e-5);
    expect(distance(each.data, losses(smoothing))).toBeLessThan(2e-6);
  });

  it("is log(classes) for equal logits and stays finite for huge ones", async () => {
    const run = compile(crossEntropy);
    expect(
      distance((await run(tensor([[2, 2, 2, 2, 2]]), tensor([3], { dtype: "int64" }))).data, [Math.log(5)]),
    ).toBeLessThan(1e-6);
    expect(toNested(await run(tensor([[1e4, -1e4]]), tensor([1], { dtype: "int32" })))).toBe(2e4);
  });

  it("takes labels of any shape", async () => {
    const x = tensor(Float32Array.from(logits.flat()), { shape: [2, 3, 4] });
    const y = tensor(Int32Array.from(labels), { shape: [2, 3] });
    const each = await compile(() => crossEntropy(x, y, { reduction: "none" }))();
    expect(each.shape).toEqual([2, 3]);
    expect(distance(each.data, losses(0))).toBeLessThan(2e-6);
  });

  it.each([0, 0.2])("has the gradient (softmax - target)/count at smoothing %d", async (smoothing) => {
    const loss = (x: Tensor) => crossEntropy(x, ids, { smoothing });
    const dx = await compile(grad(loss))(tensor(logits));
    const expected = logits.flatMap((row, i) =>
      softmaxRow(row).map((p, j) => (p - (1 - smoothing) * Number(j === labels[i]) - smoothing / 4) / 6),
    );
    expect(distance(dx.data, expected)).toBeLessThan(1e-7);
    expect(await gradientError(loss, tensor(logits))).toBeLessThan(1e-8);
  });

  it("scatters onto the softmax in its gradient, in loops of steps too, and multiplies last, where products take the factor in", async () => {
    const gradient = grad((x: Tensor, y: Tensor) => crossEntropy(x, y));
    const alone = compile(gradient).print(tensor(logits), ids);
    const steps = compileSteps((x: Tensor, y: Tensor) => [gradient(x, y), { loss: mean(x) }]);
    const batches = tensor(new Int32Array(12), { shape: [2, 6] });
    const inLoop = steps.print(tensor(logits), batches, tensor(0, { dtype: "int32" }), key(0));
    // Of the graph or of the body of its loop, what has as many elements as the logits.
    const passes = (graph: string) => [...graph.matchAll(/^ {2,6}\w+: f32\[6,4\] = (\w+)/gm)].map(([, name]) => name);
    expect(passes(alone)).toEqual(["logSoftmax", "exp", "scatterAddAlong", "mul"]);
    expect(passes(inLoop.slice(inLoop.indexOf("scan ")))).toEqual(["logSoftmax", "exp", "scatterAddAlong", "mul"]);
  });

  it("names what does not fit", () => {
    const x = tensor(logits);
    expect(() => crossEntropy(x, tensor([1, 2]))).toThrow(
      "crossEntropy: expected int32 or int64 labels, got float32; cast them",
    );
    expect(() => crossEntropy(x, tensor([1], { dtype: "int32" }))).toThrow(
      "crossEntropy: expected labels of the shape of logits without its last axis, got logits [6, 4] and labels [1]",
    );
    expect(() => crossEntropy(x, ids, { smoothing: 1.5 })).toThrow(
      "crossEntropy: smoothing must be from 0 to 1, got 1.5",
    );
    expect(() => crossEntropy(x, ids, { reduction: "max" as "mean" })).toThrow(
      'crossEntropy: reduction must be "mean", "sum" or "none", got "max"',
    );
  });
});

describe("klDivergence", () => {
  const other = matrix(6, 4, 9).map((row) => row.map((x) => 3 * x));
  const expected = (t: number): number[] =>
    logits.map((row, i) => {
      const [p, q] = [row, other[i] as number[]].map((list) => softmaxRow(list.map((x) => x / t))) as [
        number[],
        number[],
      ];
      return t ** 2 * p.reduce((sum, value, c) => sum + value * Math.log(value / (q[c] as number)), 0);
    });

  it.each([1, 4])(
    "agrees with plain JavaScript at temperature %d, and is 0 for equal predictions",
    async (temperature) => {
      const run = compile((p: Tensor, q: Tensor) => [
        klDivergence(p, q, { temperature }),
        klDivergence(p, q, { temperature, reduction: "none" }),
        klDivergence(p, p, { temperature }),
      ]);
      const [mean, each, none] = (await run(tensor(logits), tensor(other))) as [Tensor, Tensor, Tensor];
      expect(distance(mean.data, [total(expected(temperature)) / 6])).toBeLessThan(1e-5);
      expect(distance(each.data, expected(temperature))).toBeLessThan(1e-5);
      expect(Math.abs(Number(none.data[0]))).toBeLessThan(1e-6);
    },
  );

  it("has the gradient of central differences for the student, and none for the teacher", async () => {
    const student = await gradientError(
      (q: Tensor) => klDivergence(tensor(logits, { dtype: "float64" }), q),
      tensor(other, { dtype: "float64" }),
    );
    expect(student).toBeLessThan(1e-6);
    const teacher = await compile(grad((p: Tensor) => klDivergence(p, tensor(other))))(tensor(logits));
    expect(Array.from(teacher.data, Number).every((g) => g === 0)).toBe(true);
  });

  it("names shapes that differ, and temperatures that mean nothing", () => {
    expect(() => klDivergence(tensor(logits), tensor([1, 2, 3, 4]))).toThrow("got [6, 4] and [4]");
    expect(() => klDivergence(tensor(logits), tensor(other), { temperature: 0 })).toThrow("above 0, got 0");
  });
});

describe("meanSquaredError", () => {
  const [a, b] = [
    tensor([
      [1, 2],
      [3, 4],
    ]),
    tensor([
      [1, 0],
      [0, 4],
    ]),
  ];

  it("is a hand-computed mean, sum or list", async () => {
    const run = compile((x: Tensor, y: Tensor) => [
      meanSquaredError(x, y),
      meanSquaredError(x, y, { reduction: "sum" }),
      meanSquaredError(x, y, { reduction: "none" }),
    ]);
    expect((await run(a, b)).map(toNested)).toEqual([
      3.25,
      13,
      [
        [0, 4],
        [9, 0],
      ],
    ]);
  });

  it("has the gradient 2·(x - y)/count", async () => {
    expect(toNested(await compile(grad(meanSquaredError))(a, b))).toEqual([
      [0, 1],
      [1.5, 0],
    ]);
  });

  it("does not broadcast in silence", () => {
    expect(() => meanSquaredError(a, tensor([1, 2]))).toThrow(
      "meanSquaredError: expected two tensors of one shape, got [2, 2] and [2]",
    );
  });
});

describe("accuracy", () => {
  it("is the share of labels with the largest logit", async () => {
    const x = tensor([
      [3, 1, 2],
      [0, 0, 1],
      [1, 5, 2],
      [9, 1, 1],
    ]);
    const run = compile(accuracy);
    expect(toNested(await run(x, tensor([0, 2, 0, 0], { dtype: "int32" })))).toBe(0.75);
    expect(toNested(await run(x, tensor([1, 1, 0, 2], { dtype: "int64" })))).toBe(0);
  });
});
