import { describe, expect, it } from "vitest";
import { toNested } from "../../src/array/index.ts";
import { BEGIN, END, PADDING } from "../../src/data/index.ts";
import { pairBatch, pairBatches } from "../../src/train/index.ts";

/** Pair i says i + 10 from one to three times, for one time. */
const pairs = Array.from({ length: 7 }, (_, i) => ({
  source: new Int32Array((i % 3) + 1).fill(i + 10),
  target: Int32Array.of(i + 10),
}));
const length = { source: 4, target: 2 };

describe("pairBatches", () => {
  const data = pairBatches(pairs, { batch: 3, length, seed: 5 });

  it("sees no pair twice in an epoch, each with its own target, in another order in the next", async () => {
    expect(data.stepsPerEpoch).toBe(2);
    const epochs: number[][] = [];
    for (const step of [0, 2]) {
      const { source, target } = await data.at(step, 2);
      expect([source.shape, target.shape]).toEqual([
        [2, 3, 4],
        [2, 3, 3],
      ]);
      const sources = (toNested(source) as number[][][]).flat();
      const targets = (toNested(target) as number[][][]).flat();
      sources.forEach((row, i) => {
        const value = row[0] as number;
        const times = ((value - 10) % 3) + 1;
        expect(row).toEqual([...new Array(times).fill(value), END, ...new Array(3 - times).fill(PADDING)]);
        expect(targets[i]).toEqual([BEGIN, value, END]);
      });
      epochs.push(sources.map((row) => row[0] as number));
    }
    for (const epoch of epochs) expect(new Set(epoch).size).toBe(6);
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  it("is a pure function of the step, however many are asked for at once", async () => {
    const { source } = await data.at(0, 5);
    for (const step of [4, 0, 3, 1, 2]) {
      expect([...(await data.at(step, 1)).source.data]).toEqual([...source.data.slice(step * 12, (step + 1) * 12)]);
    }
  });

  it("says if there are too few pairs", () => {
    expect(() => pairBatches(pairs, { batch: 8, length })).toThrow(
      "pairBatches: batch must be a whole number from 1 to the 7 pairs, got 8",
    );
  });
});

describe("pairBatch", () => {
  it("keeps the order", () => {
    expect(toNested(pairBatch(pairs.slice(0, 2), length).source)).toEqual([
      [10, END, PADDING, PADDING],
      [11, 11, END, PADDING],
    ]);
  });
});
