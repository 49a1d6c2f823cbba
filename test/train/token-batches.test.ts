import { describe, expect, it } from "vitest";
import { evaluationWindows, tokenBatches } from "../../src/train/index.ts";
import { tokenFile } from "../temporary.ts";

const file = await tokenFile(
  1000,
  Array.from({ length: 107 }, (_, i) => i),
);

/** Windows of some steps as lists of tokens. */
const windows = async (options: object, step: number, steps: number): Promise<number[][]> => {
  const { tokens } = await tokenBatches(file, { batch: 3, context: 5, ...options }).at(step, steps);
  const [, batch, length] = tokens.shape as [number, number, number];
  return Array.from({ length: steps * batch }, (_, i) => [
    ...(tokens.data as Int32Array).slice(i * length, (i + 1) * length),
  ]);
};

describe("tokenBatches", () => {
  it("gives windows of tokens in a row, none twice in an epoch", async () => {
    const { stepsPerEpoch, examples } = tokenBatches(file, { batch: 3, context: 5 });
    expect(stepsPerEpoch).toBe(6);
    expect(examples).toBe(15);
    const epoch = await windows({}, 0, stepsPerEpoch);
    for (const window of epoch) expect(window).toEqual(window.map((_, i) => (window[0] as number) + i));
    const predicted = epoch.flatMap((window) => window.slice(1));
    expect(new Set(predicted).size).toBe(predicted.length);
    expect(Math.max(...predicted)).toBeLessThan(107);
  });

  it("is a function of seed and step only", async () => {
    const whole = await windows({ seed: 4 }, 0, 20);
    expect(await windows({ seed: 4 }, 7, 2)).toEqual(whole.slice(21, 27));
    expect(await windows({ seed: 5 }, 0, 20)).not.toEqual(whole);
  });

  it("starts elsewhere in other epochs", async () => {
    const starts = await Promise.all(
      [0, 6, 12, 18, 24].map(async (step) => ((await windows({}, step, 1))[0]?.[0] ?? 0) % 5),
    );
    expect(new Set(starts).size).toBeGreaterThan(1);
  });

  it("says in one sentence that the text is too short", () => {
    expect(() => tokenBatches(file, { batch: 1, context: 107 })).toThrow("shorter than one window of 107");
    expect(() => tokenBatches(file, { batch: 30, context: 5 })).toThrow("fewer than the 30 of a batch");
    expect(() => tokenBatches(file, { batch: 0, context: 5 })).toThrow("batch must be");
  });
});

describe("evaluationWindows", () => {
  it("covers the text once, each predicted token in one window", () => {
    const all = evaluationWindows(file, 5);
    expect(all.count).toBe(21);
    const { data, shape } = all.take(Array.from({ length: 21 }, (_, i) => i));
    expect(shape).toEqual([21, 6]);
    const predicted = [...(data as Int32Array)].filter((_, i) => i % 6 !== 0);
    expect(predicted).toEqual(Array.from({ length: 105 }, (_, i) => i + 1));
  });

  it("refuses a text shorter than a window", () => {
    expect(() => evaluationWindows(file, 107)).toThrow("give more text or a shorter context");
  });
});
