import { afterAll, describe, expect, it } from "vitest";
import {
  add,
  arange,
  compile,
  evaluate,
  flatten,
  grad,
  key,
  mul,
  normal,
  releaseSessions,
  sum,
  type Tensor,
  tensor,
} from "../../src/array/index.ts";
import {
  boundChannels,
  codebookPerplexity,
  codebookUsage,
  codesToIndices,
  emaVectorQuantizer,
  finiteScalarQuantize,
  finiteScalarQuantizer,
  indicesToCodes,
  nearestCodes,
  vectorQuantizer,
} from "../../src/nn/index.ts";

afterAll(releaseSessions);

const numbers = (x: Tensor): number[] => Array.from(x.data as Float32Array, Number);

describe("finite scalar quantization", () => {
  it("gives the numbers of the authors' notebook", async () => {
    const z = tensor([0.25, 0.6, -7]);
    const levels = [3, 5, 4];
    const [bound, codes, index] = await evaluate([
      boundChannels(z, levels),
      finiteScalarQuantize(z, levels),
      codesToIndices(finiteScalarQuantize(z, levels), levels),
    ] as const);
    [0.24467, 1.07303, -1.9985].forEach((v, i) => {
      expect(numbers(bound)[i]).toBeCloseTo(v, 4);
    });
    expect(numbers(codes)).toEqual([0, 0.5, -1]);
    expect(numbers(index)).toEqual([10]);
  });

  it("numbers the codes of a grid with the first channel fastest", async () => {
    const codes = await evaluate(indicesToCodes(arange(12), [3, 4]));
    const expected = [-1, -0.5, 0, 0.5].flatMap((b) => [-1, 0, 1].flatMap((a) => [a, b]));
    expect(numbers(codes)).toEqual(expected);
  });

  it("returns every index of a grid of 64,000 codes", async () => {
    const levels = [8, 8, 8, 5, 5, 5];
    const back = await evaluate(codesToIndices(indicesToCodes(arange(64000), levels), levels));
    expect(numbers(back).every((v, i) => v === i)).toBe(true);
  });

  it("maps zero near zero and keeps to its levels for any input", async () => {
    for (const n of [3, 4, 5, 6, 7, 8]) {
      const wide = tensor(Array.from({ length: 401 }, (_, i) => [(i - 200) / 10]));
      const [bound, indices] = await evaluate([
        boundChannels(tensor([[0]]), [n]),
        codesToIndices(finiteScalarQuantize(wide, [n]), [n]),
      ] as const);
      expect(Math.abs(numbers(bound)[0] as number)).toBeLessThan(5e-4);
      expect([...new Set(numbers(indices))]).toEqual(Array.from({ length: n }, (_, i) => i));
    }
  });

  it("uses its levels as often as the dossier's integral of the normal density says", async () => {
    const z = await evaluate(normal(key(3), [200_000, 1]));
    const indices = await evaluate(codesToIndices(finiteScalarQuantize(z, [5]), [5]));
    const counts = new Float64Array(5);
    for (const i of numbers(indices)) counts[i] = (counts[i] as number) + 1;
    [0.166, 0.233, 0.201, 0.236, 0.165].forEach((share, i) => {
      expect(Math.abs((counts[i] as number) / 200_000 - share)).toBeLessThan(0.005);
    });
  });

  it("passes the gradient through the rounding: the slope of the bound", async () => {
    const levels = [4, 5, 8];
    const z = tensor([0.3, -0.8, 1.7], { dtype: "float64" });
    const slope = await compile((x: Tensor) => grad((v: Tensor) => sum(finiteScalarQuantize(v, levels)))(x))(z);
    const step = 1e-6;
    for (let i = 0; i < 3; i++) {
      const moved = (sign: number) =>
        tensor(
          numbers(z).map((v, k) => (k === i ? v + sign * step : v)),
          { dtype: "float64" },
        );
      const [up, down] = await evaluate([
        sum(boundChannels(moved(1), levels)),
        sum(boundChannels(moved(-1), levels)),
      ] as const);
      const width = Math.floor((levels[i] as number) / 2);
      expect(numbers(slope)[i]).toBeCloseTo(
        ((numbers(up)[0] as number) - (numbers(down)[0] as number)) / (2 * step) / width,
        6,
      );
    }
  });

  it("has no parameters and refuses what it cannot do", () => {
    expect(flatten(finiteScalarQuantizer([8, 5, 5, 5]).init(key(0))).leaves).toEqual([]);
    expect(() => finiteScalarQuantizer([8, 1])).toThrow(
      "finiteScalarQuantize: levels: expected whole numbers of at least 2, got [8, 1]",
    );
    expect(() => finiteScalarQuantizer([2, 5])).toThrow("levels of 2 are badly biased");
    expect(() => finiteScalarQuantize(tensor([1, 2]), [3, 3, 3])).toThrow(
      "expected x with a last axis of 3, got shape [2]",
    );
  });
});

describe("vector quantization", () => {
  const codebook = tensor([
    [0, 0],
    [1, 0],
    [0, 1],
    [5, 5],
  ]);

  it("chooses the nearest code", async () => {
    const z = tensor([
      [0.9, 0.2],
      [4, 3.5],
      [-1, -1],
      [0.1, 0.8],
    ]);
    expect(numbers(await evaluate(nearestCodes(z, codebook)))).toEqual([1, 3, 0, 2]);
  });

  it("gives the decoder the code and the encoder its gradient, and pulls codes to their inputs", async () => {
    const quantizer = vectorQuantizer({ size: 4, channels: 2 });
    const z = tensor([[0.9, 0.2]]);
    const both = (input: Tensor, params: { codebook: Tensor }) => {
      const { codes, loss } = quantizer.apply(params, {}, input);
      return {
        through: grad((v: Tensor) => sum(mul(quantizer.apply(params, {}, v).codes, tensor([[2, 3]]))))(input),
        codes,
        loss: loss as Tensor,
      };
    };
    const { through, codes, loss } = await compile(both)(z, { codebook });
    expect(numbers(through)).toEqual([2, 3]);
    numbers(codes).forEach((v, i) => {
      expect(v).toBeCloseTo([1, 0][i] as number, 6);
    });
    // Squared distance (0.01 + 0.04)/2, once for the codes and a quarter for the inputs.
    expect(numbers(loss)[0]).toBeCloseTo(0.025 * 1.25, 6);
    const pull = await compile((c: Tensor) =>
      grad((v: Tensor) => quantizer.apply({ codebook: v }, {}, z).loss as Tensor)(c),
    )(codebook);
    // d/de of |z - e|²/2 at the chosen code only.
    numbers(pull).forEach((v, i) => {
      expect(v).toBeCloseTo([0, 0, 0.1, -0.2, 0, 0, 0, 0][i] as number, 6);
    });
  });

  it("moves average codes towards their inputs and replaces codes that nobody uses", async () => {
    const quantizer = emaVectorQuantizer({ size: 2, channels: 1, decay: 0.5, deadShare: 0.2 });
    const state = { count: tensor([1, 0.4]), total: tensor([[0], [4]]), codebook: tensor([[0], [10]]) };
    const z = tensor([[1], [1], [1]]);
    const step = compile(
      (s: typeof state, x: Tensor) => quantizer.apply({}, s, x, { training: true, key: key(1) }).state as typeof state,
    );
    const after = await step(state, z);
    // Code 0: count (1 + 3)/2, total (0 + 3)/2. Code 1 falls to 0.2, below a fifth of the even share of 3/2: it becomes
    // an input, and counts as if it were used evenly.
    expect(numbers(after.count)).toEqual([2, 1.5]);
    expect(numbers(after.codebook)).toEqual([0.75, 1]);
    const still = quantizer.apply({}, state, z).state;
    expect(still).toBe(state);
    expect(() => quantizer.apply({}, state, z, { training: true })).toThrow("needs mode.key");
  });

  it("counts use and perplexity", () => {
    expect(codebookUsage([5, 0, 1, 0])).toBe(0.5);
    expect(codebookPerplexity([1, 1, 1, 1])).toBeCloseTo(4, 12);
    expect(codebookPerplexity([7, 0])).toBe(1);
  });
});

it("straight-through values equal the rounded ones", async () => {
  const z = await evaluate(normal(key(8), [100, 3]));
  const { codes, indices } = finiteScalarQuantizer([7, 5, 5]).apply({}, {}, z);
  const [a, b] = await evaluate([codes, indicesToCodes(indices, [7, 5, 5])] as const);
  const [p, q] = [numbers(a), numbers(b)];
  expect(p.every((v, i) => Math.abs(v - (q[i] as number)) < 1e-6)).toBe(true);
  expect(numbers(await evaluate(add(a, 0))).some((v) => Object.is(v, -0))).toBe(false);
});
