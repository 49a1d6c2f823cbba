import { describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  flopCount,
  grad,
  key,
  square,
  sum,
  type Tensor,
  tensor,
  zeros,
} from "../../../src/array/index.ts";
import {
  blockDenseLinear,
  blockShuffleLinear,
  guidance,
  linear,
  lowRankLinear,
  mergeFactors,
  type StructuredLinear,
  selfGuided,
} from "../../../src/nn/index.ts";
import { distance, matrix } from "../reference.ts";

const at = (progress: number, seed = 0) => ({ training: true, key: key(seed), progress: tensor(progress) });
const forms: [string, StructuredLinear][] = [
  ["low rank", lowRankLinear({ inputs: 12, outputs: 24, rank: 4 })],
  ["block-shuffle", blockShuffleLinear({ inputs: 24, outputs: 12, blocks: 3 })],
  ["block-dense", blockDenseLinear({ inputs: 12, outputs: 24, blocks: 3, rank: 6 })],
];

describe("guidance", () => {
  it("is a half cosine that reaches exactly 0 and stays there", async () => {
    const value = compile((progress: Tensor) => guidance(progress, 0.5));
    for (const progress of [0, 0.1, 0.2, 0.4]) {
      const expected = 0.5 * (1 + Math.cos((Math.PI * progress) / 0.5));
      expect(Number((await value(tensor(progress))).data[0])).toBeCloseTo(expected, 6);
    }
    for (const progress of [0.5, 0.7, 1]) expect(Number((await value(tensor(progress))).data[0])).toBe(0);
  });
});

describe.each(forms)("selfGuided of %s", (_, layer) => {
  const guided = selfGuided(layer, { skip: false });
  const { inputs, outputs } = layer;
  const x = tensor(matrix(3, inputs, 2));

  it("computes at first what the structured layer does, whatever the weight of the guide", async () => {
    const params = await evaluate(guided.init(key(1)));
    const expected = await evaluate(layer.apply(params.factors, x));
    const run = compile(guided.apply);
    for (const progress of [0, 0.13, 0.25, 0.4, 1])
      expect(distance((await run(params, x, at(progress))).data, expected.data)).toBeLessThan(1e-5);
    expect(distance((await run(params, x)).data, expected.data)).toBeLessThan(1e-6);
  });

  it("is the guide alone at the start, the structured layer at the end, and their mixture between", async () => {
    const params = await evaluate({
      ...guided.init(key(1)),
      guide: linear({ inputs, outputs, bias: false }).init(key(2)),
    });
    const { bias } = layer.factors(params.factors);
    const [dense, structured] = await Promise.all([
      evaluate(linear({ inputs, outputs }).apply({ ...params.guide, bias }, x)),
      evaluate(layer.apply(params.factors, x)),
    ]);
    for (const progress of [0, 0.1, 0.3, 0.5, 0.8]) {
      const alpha = progress >= 0.5 ? 0 : 0.5 * (1 + Math.cos(2 * Math.PI * progress));
      const expected = [...dense.data].map((g, i) => alpha * Number(g) + (1 - alpha) * Number(structured.data[i]));
      expect(distance((await evaluate(guided.apply(params, x, at(progress)))).data, expected)).toBeLessThan(1e-5);
    }
    expect(distance((await evaluate(guided.apply(params, x))).data, structured.data)).toBeLessThan(1e-6);
  });

  it("merges to the product of its factors", async () => {
    const params = await evaluate({
      ...guided.init(key(1)),
      guide: linear({ inputs, outputs, bias: false }).init(key(2)),
    });
    const [merged, expected] = await evaluate([mergeFactors(guided, params), mergeFactors(layer, params.factors)]);
    expect(merged?.weight.data).toEqual(expected?.weight.data);
    expect(merged?.bias.data).toEqual(params.factors.bias.data);
  });
});

describe("skipping the guide", () => {
  const layer = lowRankLinear({ inputs: 4, outputs: 4, rank: 2, bias: false });
  const guided = selfGuided(layer);

  it("leaves it out of half of all steps while it fades, unscaled, and trains it in the others only", async () => {
    const params = {
      factors: { inner: zeros([4, 2]), weight: zeros([2, 4]) },
      guide: { weight: tensor(matrix(4, 4, 3).map((row) => row.map(() => 1))) },
    };
    const x = tensor([[1, 1, 1, 1]]);
    const run = compile((progress: Tensor, seed: Tensor) => {
      const mode = { training: true, key: seed, progress };
      const loss = (weights: typeof params) => sum(square(guided.apply(weights, x, mode)));
      return { y: guided.apply(params, x, mode), gradient: grad(loss)(params).guide.weight };
    });
    let skipped = 0;
    const draws = 2000;
    for (let i = 0; i < draws; i++) {
      const progress = (i + 0.5) / draws / 2;
      const alpha = 0.5 * (1 + Math.cos(2 * Math.PI * progress));
      const { y, gradient } = await run(tensor(progress), key(i));
      const value = Number(y.data[0]);
      const steep = Number(gradient.data[0]);
      // Four ones meet four ones; the factors give 0.
      if (value === 0) {
        skipped++;
        expect(steep).toBe(0);
      } else {
        expect(value).toBeCloseTo(4 * alpha, 4);
        expect(steep).toBeCloseTo(2 * 4 * alpha * alpha, 4);
      }
    }
    expect(Math.abs(skipped / draws - 0.5)).toBeLessThan(0.03);
  });

  it("draws for each layer and each step anew", async () => {
    const params = await evaluate({
      ...guided.init(key(0)),
      guide: { weight: tensor(matrix(4, 4, 3)) },
    });
    const x = tensor(matrix(1, 4, 1));
    const structured = await evaluate(layer.apply(params.factors, x));
    const run = compile(guided.apply);
    const taken: boolean[] = [];
    for (let seed = 0; seed < 40; seed++) {
      const y = await run(params, x, at(0.25, seed));
      taken.push(distance(y.data, structured.data) > 1e-6);
    }
    const count = taken.filter(Boolean).length;
    expect(count).toBeGreaterThan(8);
    expect(count).toBeLessThan(32);
  });

  it("counts the guide's products as those of a branch", () => {
    const params = guided.init(key(0));
    const x = zeros([5, 4]);
    const dense = 2 * 5 * 4 * 4;
    const structured = 2 * 5 * 2 * (4 + 4);
    expect(flopCount(guided.apply, params, x)).toBe(structured);
    expect(flopCount(guided.apply, params, x, at(0))).toBe(structured + dense);
  });

  it("names what is missing in training, and a wrong share", () => {
    const params = guided.init(key(0));
    expect(() => guided.apply(params, zeros([1, 4]), { training: true, key: key(0) })).toThrow(
      "selfGuided: training needs a mode with progress, how far training has come from 0 to 1",
    );
    expect(() => guided.apply(params, zeros([1, 4]), { training: true, progress: tensor(0) })).toThrow(
      "selfGuided: training needs a mode with a key",
    );
    expect(() => selfGuided(layer, { until: 0 })).toThrow(
      "selfGuided: until must be above 0 and at most 1, a share of training, got 0",
    );
  });
});
