import { expect, it } from "vitest";
import { evaluate, key } from "../../src/array/index.ts";
import type { TokenFile } from "../../src/data/index.ts";
import { type DecoderConfig, decoder } from "../../src/models/index.ts";
import { parameterCount } from "../../src/nn/index.ts";
import { decodeCosts, measureModels } from "../../src/serve/index.ts";
import { languageModelFlops, scoreLanguageModel } from "../../src/train/index.ts";

const [vocabulary, context, width, hidden] = [13, 16, 24, 48];
const configOf = (more: Partial<DecoderConfig>, ffn: object): DecoderConfig => ({
  vocabulary,
  context,
  width,
  blocks: Array(2).fill([{ mixer: { kind: "attention", heads: 4, kvHeads: 2, bias: false } }, { ffn }]),
  ...more,
});
const dense = decoder(configOf({}, { kind: "dense", hidden, bias: false }));
const experts = decoder(
  configOf({}, { kind: "moefied", hidden, experts: 8, active: 2, router: "similarity", bias: false }),
);
const file = {
  length: 100,
  read: (start: number, count: number) => Int32Array.from({ length: count }, (_, i) => (start + i) % vocabulary),
} as unknown as TokenFile;

it("counts the bytes of a token: all matrices, one row of a lookup, and experts that are chosen", () => {
  const attention = 2 * width * width + 2 * width * (width / 2);
  const norms = 5 * 2 * width;
  // The table is read once for the logits, and a row of it for the token.
  const shared = vocabulary * width + width + 2 * attention + norms;
  const costs = decodeCosts(dense);
  expect(costs.weightBytesPerToken).toBe(4 * (shared + 2 * 2 * width * hidden));
  // Keys and values of half the width in two blocks.
  expect(costs.cacheBytesPerPosition).toBe(4 * 2 * 2 * (width / 2));
  const router = 2 * 8 * width;
  expect(decodeCosts(experts).weightBytesPerToken).toBe(4 * (shared + router + (2 * 2 * width * hidden * 2) / 8));
  const learned = decoder(configOf({ positions: "learned", tied: false }, { kind: "dense", hidden, bias: false }));
  expect(decodeCosts(learned).weightBytesPerToken).toBe(4 * (shared + width + 2 * 2 * width * hidden));
});

it("measures several models on one text, and times them in turn", async () => {
  const params = await evaluate(dense.init(key(0)));
  const stages: string[] = [];
  const figures = await measureModels(
    {
      before: { model: dense, params, text: file },
      after: { model: experts, params: await evaluate(experts.init(key(0))), text: file },
    },
    { context, stride: 8, rounds: 2, onProgress: ({ stage }) => stages.push(stage) },
  );
  expect(figures.before).toMatchObject(await scoreLanguageModel(dense, params, file, { context, stride: 8 }));
  expect(figures.before.parameters).toBe(parameterCount(params));
  expect(figures.before.flopsPerToken).toBe(languageModelFlops(dense, context).inference);
  expect(figures.after.weightBytesPerToken).toBeLessThan(figures.before.weightBytesPerToken);
  for (const { decodeMs, windowsMs, decodedPerSecond, scoredPerSecond } of Object.values(figures)) {
    expect([decodeMs.length, windowsMs.length]).toEqual([2, 2]);
    expect(Math.min(...decodeMs, ...windowsMs, decodedPerSecond, scoredPerSecond)).toBeGreaterThan(0);
  }
  expect(new Set(stages)).toEqual(new Set(["scores before", "scores after", "times"]));
});
