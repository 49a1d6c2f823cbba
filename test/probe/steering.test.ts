import { expect, it } from "vitest";
import { compile, evaluate, key, type Tensor, tensor } from "../../src/array/index.ts";
import { type DecoderParams, decoder, ffnPlaces, observe } from "../../src/models/index.ts";
import {
  agglomerativeClusters,
  clusterValueVectors,
  listProbability,
  listScores,
  promptsBefore,
  steer,
  valueVectorLogits,
} from "../../src/probe/index.ts";
import { tokenFile } from "../temporary.ts";

const model = decoder({
  ...{ vocabulary: 9, context: 5, width: 8 },
  blocks: [
    [{ ffn: { kind: "dense", hidden: 10, activation: "relu" } }],
    [{ ffn: { kind: "dense", hidden: 6, activation: "relu" } }],
  ],
});
const places = ffnPlaces(model.config);
const params = await evaluate(model.init(key(2)));
const all = Int32Array.from({ length: 41 }, (_, i) => (i * i) % 9);
const text = await tokenFile(9, all);
const logitsOf = async (place: (typeof places)[number]) =>
  (await evaluate(valueVectorLogits(model.config, params, place))).data as Float32Array;

it("listScores are mean logits of the list in deviations over the vocabulary", () => {
  const scores = listScores(Float32Array.of(1, 3, 5, 7, 0, 0, 0, 8), 4, [2, 3]);
  // Means 4 and 2, deviations √5 and √12.
  expect(scores[0]).toBeCloseTo(2 / Math.sqrt(5), 6);
  expect(scores[1]).toBeCloseTo(2 / Math.sqrt(12), 6);
});

it("steer sets units of several layers at every position", async () => {
  const units = [
    { path: "blocks.1.ffn", unit: 2 },
    { path: "blocks.0.ffn", unit: 9 },
    { path: "blocks.0.ffn", unit: 4 },
  ];
  const steered = steer(model, units, { at: "preactivation", value: 3 });
  const names = places.map(({ path }) => `${path}.hidden`);
  const tokens = tensor(Int32Array.of(1, 2, 3), { shape: [1, 3] });
  const [first, second] = await compile((p: DecoderParams, x: Tensor) => {
    const seen = observe(steered, p, x, names);
    return names.map((name) => seen[name] as Tensor);
  })(params, tokens);
  for (let position = 0; position < 3; position++) {
    expect([4, 9].map((unit) => first?.data[position * 10 + unit])).toEqual([3, 3]);
    expect(second?.data[position * 6 + 2]).toBe(3);
  }
});

it("listProbability is the mean of the listed probabilities over the text", async () => {
  const windows = tensor(all.slice(0, 40), { shape: [8, 5] });
  const logits = (await compile(model.apply)(params, windows)).data as Float32Array;
  let sum = 0;
  for (let at = 0; at < 40; at++) {
    const e = Array.from(logits.subarray(at * 9, at * 9 + 9), Math.exp);
    sum += ((e[4] as number) + (e[7] as number)) / e.reduce((a, b) => a + b, 0);
  }
  expect(await listProbability(model, params, text, [4, 7])).toBeCloseTo(sum / 40, 6);
});

it("promptsBefore end where a listed token follows", () => {
  const prompts = promptsBefore(text, [7], { count: 3, length: 4 });
  const places = Array.from(all.keys()).filter((at) => at >= 4 && all[at] === 7);
  expect(prompts.length).toBe(3);
  for (const prompt of prompts) expect(places.some((at) => all.slice(at - 4, at).join() === prompt.join())).toBe(true);
  expect(promptsBefore(text, [8], { count: 3, length: 4 })).toEqual([]);
});

it("clusterValueVectors clusters the logits, centred over vocabulary and vectors", async () => {
  const rows: number[][] = [];
  for (const place of places) {
    const logits = await logitsOf(place);
    for (let unit = 0; unit < logits.length / 9; unit++) rows.push(Array.from(logits.subarray(unit * 9, unit * 9 + 9)));
  }
  const average = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const byRow = rows.map((row) => row.map((x) => x - average(row)));
  const middle = Array.from({ length: 9 }, (_, w) => average(byRow.map((row) => row[w] as number)));
  const centred = byRow.map((row) => row.map((x, w) => x - (middle[w] as number)));
  const dot = (a: number[], b: number[]): number => a.reduce((sum, x, w) => sum + x * (b[w] as number), 0);
  const distances = Float32Array.from(
    centred.flatMap((a) => centred.map((b) => 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)))),
  );
  const expected = agglomerativeClusters(distances, 16, 5);
  const clusters = await clusterValueVectors(model, params, places, 5);
  expect(places.flatMap(({ path }) => Array.from(clusters.get(path) ?? []))).toEqual(Array.from(expected));
});
