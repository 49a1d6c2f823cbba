import { describe, expect, it } from "vitest";
import { add, compile, evaluate, key, mul, type Tensor, tensor } from "../../src/array/index.ts";
import {
  type DecoderConfig,
  type DecoderParams,
  decoder,
  ffnParams,
  ffnPlaces,
  intervene,
  observe,
} from "../../src/models/index.ts";
import {
  logitLens,
  outputEmbedding,
  predictionTraces,
  saturationLayer,
  setUnits,
  shareOfLargest,
  subUpdateContribution,
  subUpdateError,
  valueVectors,
  vocabularyProjection,
} from "../../src/probe/index.ts";
import { tokenFile } from "../temporary.ts";

const attention = { mixer: { kind: "attention", heads: 2 } } as const;
const config: DecoderConfig = {
  vocabulary: 11,
  context: 6,
  width: 8,
  blocks: [
    [attention, { ffn: { kind: "dense", hidden: 12, activation: "relu" } }],
    [attention, { ffn: { kind: "gated", hidden: 16 }, scale: 0.5 }],
  ],
};
const model = decoder(config);
const places = ffnPlaces(model.config);
const params = await evaluate(model.init(key(4)));
const tokens = tensor(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8), { shape: [2, 4] });
const dataOf = (x: Tensor): number[] => Array.from(x.data as Float32Array);
const expectClose = (actual: readonly number[], expected: readonly number[], digits = 5): void => {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of actual.entries()) expect(value).toBeCloseTo(expected[i] as number, digits);
};

describe("valueVectors", () => {
  it("add up, with the coefficients and the bias, to what the layer adds to the stream", async () => {
    expect(await subUpdateError(model, params, tokens)).toBeLessThan(1e-6);
  });

  it("carry the scale of the sublayer", async () => {
    const gated = places[1] as (typeof places)[number];
    const { down } = ffnParams(params, gated) as { down: { weight: Tensor } };
    const values = await evaluate(valueVectors(params, gated));
    expectClose(
      dataOf(values),
      dataOf(down.weight).map((w) => w / 2),
    );
  });

  it("refuses layers whose units have no rows", () => {
    const other = decoder({ ...config, blocks: [[{ ffn: { kind: "oneLayer" } }]] });
    const [place] = ffnPlaces(other.config);
    if (!place) throw new Error("no layer");
    expect(() => valueVectors(other.init(key(0)), place)).toThrow(
      "is of kind oneLayer, whose hidden units have no rows",
    );
  });
});

describe("vocabularyProjection", () => {
  it("is what an update does to the log-odds of any two tokens in a model without a last norm", async () => {
    const post = decoder({ ...config, placement: "post", tied: false });
    const weights = await evaluate(post.init(key(5)));
    const [place] = ffnPlaces(post.config);
    if (!place) throw new Error("no layer");
    const values = await evaluate(valueVectors(weights, place));
    const unit = 7;
    const v = tensor(values.data.slice(unit * 8, unit * 8 + 8) as Float32Array, { shape: [8] });
    const logitsOf = async (each: typeof post) => dataOf(await compile(each.apply)(weights, tokens));
    const before = await logitsOf(post);
    const after = await logitsOf(intervene(post, { final: (x) => add(x, mul(v, 1.5)) }));
    const said = dataOf(await evaluate(vocabularyProjection(post.config, weights, values))).slice(
      unit * 11,
      unit * 11 + 11,
    );
    for (const at of [0, 33])
      for (const [a, b] of [
        [0, 10],
        [4, 2],
      ] as const) {
        const odds = (logits: number[]) => (logits[at + a] as number) - (logits[at + b] as number);
        expect(odds(after) - odds(before)).toBeCloseTo(1.5 * ((said[a] as number) - (said[b] as number)), 5);
      }
  });

  it("applies the gain of the last norm to centred vectors, unless told not to", async () => {
    const scale = Float32Array.from({ length: 8 }, (_, i) => 1 + i / 4);
    const own = { ...params, norm: { ...(params.norm as object), scale: tensor(scale) } } as DecoderParams;
    const vector = Float32Array.from({ length: 8 }, (_, i) => Math.sin(i + 1));
    const E = dataOf(await evaluate(outputEmbedding(own)));
    const product = (read: number[]): number[] =>
      Array.from({ length: 11 }, (_, w) => read.reduce((sum, x, d) => sum + x * (E[w * 8 + d] as number), 0));
    const x = tensor(vector, { shape: [1, 8] });
    const middle = vector.reduce((a, b) => a + b) / 8;
    const read = Array.from(vector, (v, d) => (v - middle) * (scale[d] as number));
    expectClose(dataOf(await evaluate(vocabularyProjection({ norm: "layer" }, own, x))), product(read));
    const rms = Array.from(vector, (v, d) => v * (scale[d] as number));
    expectClose(dataOf(await evaluate(vocabularyProjection({ norm: "rms" }, own, x))), product(rms));
    expectClose(
      dataOf(await evaluate(vocabularyProjection({}, own, x, { norm: "none" }))),
      product(Array.from(vector)),
    );
  });
});

describe("setUnits", () => {
  it("switches units, which is undone by using the model itself, and a unit's own value changes nothing", async () => {
    const name = "blocks.0.ffn.preactivation";
    const logitsOf = async (each: typeof model) => dataOf(await compile(each.apply)(params, tokens));
    const before = await logitsOf(model);
    const steered = intervene(model, { [name]: setUnits([3, 5], 3) });
    const hidden = await compile((p: DecoderParams, x: Tensor) => observe(steered, p, x, ["blocks.0.ffn.hidden"]))(
      params,
      tokens,
    );
    dataOf(hidden["blocks.0.ffn.hidden"]).forEach((value, i) => {
      if ([3, 5].includes(i % 12)) expect(value).toBe(3);
    });
    expect(await logitsOf(steered)).not.toEqual(before);
    expect(await logitsOf(model)).toEqual(before);
    const off = intervene(model, { "blocks.0.ffn.hidden": setUnits([], 9) });
    expect(await logitsOf(off)).toEqual(before);
    expect(() => intervene(model, { [name]: setUnits([12], 0) }).apply(params, tokens)).toThrow("no unit 12 among 12");
  });
});

it("saturationLayer is the first layer from which the likeliest token is the final one", () => {
  const slow = (tops: number[]): number => tops.findIndex((_, l) => tops.slice(l).every((t) => t === tops.at(-1)));
  for (let i = 0; i < 256; i++) {
    const tops = [i & 3, (i >> 2) & 3, (i >> 4) & 3, (i >> 6) & 3];
    expect(saturationLayer(tops)).toBe(slow(tops));
  }
});

it("contributions are sizes of coefficients times lengths of value vectors", async () => {
  const units = tensor(Float32Array.of(2, -3, 0, 1), { shape: [1, 4] });
  const values = tensor(Float32Array.of(3, 4, 0, 1, 5, 5, 0, 2), { shape: [4, 2] });
  const contributions = await evaluate(subUpdateContribution(units, values));
  expectClose(dataOf(contributions), [10, 3, 0, 2]);
  expectClose(dataOf(await evaluate(shareOfLargest(contributions, 2))), [13 / 15]);
  expectClose(dataOf(await evaluate(shareOfLargest(contributions, 10))), [1]);
});

describe("predictionTraces", async () => {
  const all = Int32Array.from({ length: 61 }, (_, i) => (i * 7 + (i % 5)) % 11);
  const text = await tokenFile(11, all);

  it("end at the model's own prediction and say how sure it is", async () => {
    const traces = await predictionTraces(model, params, text, { every: 2 });
    expect(traces.length).toBe(30);
    const windows = tensor(all.slice(0, 60), { shape: [10, 6] });
    const logits = dataOf(await compile(model.apply)(params, windows));
    for (const [i, { tops, confidence, clusters, topShare }] of traces.entries()) {
      const row = logits.slice((2 * i + 1) * 11, (2 * i + 2) * 11);
      const highest = Math.max(...row);
      expect(tops[1]).toBe(row.indexOf(highest));
      expect(confidence[1]).toBeCloseTo(1 / row.reduce((sum, x) => sum + Math.exp(x - highest), 0), 5);
      expect(clusters.map((list) => list.length)).toEqual([10, 10]);
      for (const share of topShare) expect(share).toBeGreaterThan(0.5);
    }
  });

  it("hold clusters of units where there are some", async () => {
    const clusters = new Map(
      places.map(({ path, ffn }) => [path, new Int32Array((ffn as { hidden: number }).hidden).fill(4)]),
    );
    const [trace] = await predictionTraces(model, params, text, { tokens: 6, clusters });
    expect(Array.from(trace?.clusters[0] ?? [])).toEqual(Array(10).fill(4));
  });

  it("read the stream through the last norm, so the lens is exact after the last block", async () => {
    const { lens, logits } = await compile((p: DecoderParams, x: Tensor) => {
      const seen = observe(model, p, x, ["blocks.1.stream", "logits"]);
      return { lens: logitLens(model, p, seen["blocks.1.stream"]), logits: seen.logits };
    })(params, tokens);
    expect(dataOf(lens)).toEqual(dataOf(logits));
  });
});
