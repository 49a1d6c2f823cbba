import { describe, expect, it } from "vitest";
import { toNested } from "../../src/array/index.ts";
import { indexBatches } from "../../src/train/index.ts";

const options = { count: 10, batch: 3, seeds: [4, 5] };
const at = async (step: number, steps: number, seeds = options.seeds) =>
  toNested((await indexBatches({ ...options, seeds }).at(step, steps)).indices) as number[][][];

describe("indexBatches", () => {
  it("visits no example twice in an epoch, and all of them over some epochs", async () => {
    expect(indexBatches(options).stepsPerEpoch).toBe(3);
    const seen = new Set<number>();
    for (const epoch of [0, 1, 2, 3]) {
      for (const member of [0, 1]) {
        const visited = (await at(3 * epoch, 3)).flatMap((step) => step[member] as number[]);
        expect(new Set(visited).size).toBe(9);
        for (const i of visited) seen.add(i);
      }
    }
    expect([...seen].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("does not depend on how steps are grouped, nor on the order in which they are asked for", async () => {
    const source = indexBatches(options);
    const whole = toNested((await source.at(2, 8)).indices) as number[][][];
    for (const step of [9, 2, 5]) expect(toNested((await source.at(step, 1)).indices)).toEqual([whole[step - 2]]);
  });

  it("gives a seed the same examples whatever the other seeds are", async () => {
    const alone = await at(0, 4, [5]);
    const both = await at(0, 4);
    expect(alone.map((step) => step[0])).toEqual(both.map((step) => step[1]));
    expect(both.map((step) => step[0])).not.toEqual(both.map((step) => step[1]));
  });

  it("refuses a batch larger than the data", () => {
    expect(() => indexBatches({ ...options, batch: 11 })).toThrow(
      /batch must be a whole number from 1 to the 10 examples, got 11/,
    );
  });
});
