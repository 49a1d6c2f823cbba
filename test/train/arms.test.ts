import { describe, expect, it } from "vitest";
import { compareArms, DivergedError } from "../../src/train/index.ts";
import { memoryContext } from "../report/context.ts";

describe("compareArms", () => {
  const arms = { low: 0.2, high: 0.3 };
  const rates = [0.1, 0.2, 0.3];
  /** Best where the rate is the arm's own. */
  const score = async (arm: number, rate: number, seed: number) => -Math.abs(arm - rate) + seed;
  const measure = async (arm: number, rate: number, seed: number) => ({ arm, rate, seed });

  it("gives every arm the rate that is best for it and one outcome for each seed", async () => {
    const { context: study, notes, progress } = memoryContext({ seeds: [5, 7] });
    const { low, high } = await compareArms(study, { arms, rates, score, measure });
    expect(low).toEqual({ rate: 0.2, outcomes: [5, 7].map((seed) => ({ arm: 0.2, rate: 0.2, seed })) });
    expect(high?.rate).toBe(0.3);
    expect(notes).toEqual([expect.stringMatching(/lowest or highest .* of: high\.$/)]);
    expect(progress.map(({ done }) => done)).toEqual(Array.from({ length: 10 }, (_, i) => i));
    expect(progress.every(({ total }) => total === 10)).toBe(true);
  });

  it("searches with the first seed only, and not again what is remembered", async () => {
    const { context: study, kept, progress } = memoryContext({ seeds: [5, 7] });
    const searched: number[] = [];
    const search = async (arm: number, rate: number, seed: number) => {
      searched.push(seed);
      return score(arm, rate, seed);
    };
    const first = await compareArms(study, { arms, rates, score: search, measure });
    expect(searched).toEqual([5, 5, 5, 5, 5, 5]);
    const fail = async (): Promise<never> => {
      throw new Error("computed again");
    };
    progress.length = 0;
    expect(await compareArms(study, { arms, rates, score: fail, measure: fail })).toEqual(first);
    expect(kept.size).toBe(6);
    // What is remembered counts as done.
    expect(progress.map(({ done }) => done)).toEqual([3, 4, 8, 9]);
  });

  it("tells how far each training is, and its loss by the name of the arm", async () => {
    const { context: study, progress } = memoryContext({ seeds: [5] });
    const at = { steps: 4, stepsPerSecond: 1, secondsLeft: 0 };
    await compareArms(study, {
      arms: { low: 0.2 },
      rates: [0.1, 0.2],
      score: async (arm, rate, seed, onProgress) => {
        onProgress({ ...at, step: 2, loss: 3 });
        onProgress({ ...at, step: 4, loss: 2 });
        return score(arm, rate, seed);
      },
      measure: async (arm, rate, seed, onProgress) => {
        onProgress({ ...at, step: 3, loss: 1 });
        // Trained a second time: what is done of the piece is not undone.
        onProgress({ ...at, step: 1, loss: 5 });
        return measure(arm, rate, seed);
      },
    });
    expect(progress.map(({ done, training }) => [done, training?.step, training?.losses.low])).toEqual([
      [0, undefined, undefined],
      [0.5, 2, 3],
      [1, 4, 2],
      [1, undefined, undefined],
      [1.5, 2, 3],
      [2, 4, 2],
      [2, undefined, undefined],
      [2.75, 3, 1],
      [2.75, 1, 5],
    ]);
    expect(new Set(progress.map(({ stage, unit, total }) => `${stage} ${unit} ${total}`))).toEqual(
      new Set(["low models 3"]),
    );
  });

  it("does not search where there is one rate only", async () => {
    const { context: study, progress } = memoryContext({ seeds: [5, 7] });
    const search = async (): Promise<never> => {
      throw new Error("searched");
    };
    const { low } = await compareArms(study, { arms: { low: 0.2 }, rates: [0.4], score: search, measure });
    expect(low?.rate).toBe(0.4);
    expect(progress.map(({ done, total }) => `${done}/${total}`)).toEqual(["0/2", "1/2"]);
  });

  it("passes by rates at which training diverges, and by no other error", async () => {
    const failing = (error: Error) => async (arm: number, rate: number, seed: number) => {
      if (rate === 0.1) throw error;
      return score(arm, rate, seed);
    };
    const options = { arms: { low: 0.1 }, rates, measure };
    const diverging = failing(new DivergedError("the loss is NaN", 3, ""));
    const { low } = await compareArms(memoryContext({ seeds: [0] }).context, { ...options, score: diverging });
    expect(low?.rate).toBe(0.2);
    const broken = failing(new Error("no such file"));
    await expect(compareArms(memoryContext({ seeds: [0] }).context, { ...options, score: broken })).rejects.toThrow(
      "no such file",
    );
  });
});
