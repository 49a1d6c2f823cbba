import { describe, expect, it } from "vitest";
import { compile, stack, type Tensor, tensor, toNested } from "../../src/array/index.ts";
import {
  constant,
  cosine,
  geometric,
  linearSchedule,
  phases,
  type Schedule,
  stepwise,
  warmup,
} from "../../src/train/index.ts";
import { distance } from "../nn/reference.ts";

const at = async (schedule: Schedule, steps: readonly number[]): Promise<number[]> => {
  const run = compile((ts: readonly Tensor[]) => stack(ts.map(schedule)));
  return toNested(await run(steps.map((t) => tensor(t, { dtype: "int32" })))) as number[];
};

describe("schedules", () => {
  it.each([
    ["constant", constant(0.3), [0, 7, 1e6], [0.3, 0.3, 0.3]],
    ["linearSchedule", linearSchedule({ from: 1, to: 0.2, steps: 4 }), [0, 1, 2, 4, 9], [1, 0.8, 0.6, 0.2, 0.2]],
    ["linearSchedule to 0", linearSchedule({ from: 1, steps: 2 }), [0, 1, 2, 3], [1, 0.5, 0, 0]],
    ["cosine", cosine({ from: 1, to: 0.5, steps: 4 }), [0, 1, 2, 4, 100], [1, 0.75 + Math.SQRT1_2 / 4, 0.75, 0.5, 0.5]],
    ["stepwise", stepwise({ from: 8, factor: 0.5, every: 3 }), [0, 2, 3, 5, 6, 9], [8, 8, 4, 4, 2, 1]],
    ["warmup", warmup(4, constant(2)), [0, 1, 3, 4, 50], [0.5, 1, 2, 2, 2]],
    [
      "warmup, then its own count",
      warmup(2, linearSchedule({ from: 1, steps: 2 })),
      [0, 1, 2, 3, 4],
      [0.5, 1, 1, 0.5, 0],
    ],
    ["geometric", geometric({ from: 1, to: 16, steps: 4 }), [0, 1, 2, 4, 9], [1, 2, 4, 16, 16]],
    [
      "phases",
      phases([2, constant(5)], [4, linearSchedule({ from: 1, steps: 4 })], [1, constant(7)]),
      [0, 1, 2, 3, 5, 6, 90],
      [5, 5, 1, 0.75, 0.25, 7, 7],
    ],
  ])("%s gives hand-computed rates", async (_, schedule, steps, expected) => {
    expect(distance(await at(schedule, steps), expected)).toBeLessThan(1e-6);
  });

  it("names wrong options", () => {
    expect(() => cosine({ from: 1, steps: 0 })).toThrow("cosine: expected a whole number of at least 1 steps, got 0");
    expect(() => warmup(1.5, constant(1))).toThrow("warmup: expected a whole number of at least 1 steps, got 1.5");
    expect(() => geometric({ from: 0, to: 1, steps: 2 })).toThrow(
      "geometric: expected from and to above 0, got 0 and 1",
    );
    expect(() => phases()).toThrow("phases: expected at least one phase");
  });
});
