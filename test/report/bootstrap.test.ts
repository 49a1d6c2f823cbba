import { describe, expect, it } from "vitest";
import { average, bootstrapInterval } from "../../src/report/index.ts";
import { numbers } from "../nn/reference.ts";

describe("bootstrapInterval", () => {
  it("forms all resamples of a few items", () => {
    const means: number[] = [];
    const [low, high] = bootstrapInterval([0, 1, 10], (sample) => {
      means.push(average(sample));
      return average(sample);
    });
    expect(means).toHaveLength(27);
    means.sort((a, b) => a - b);
    expect([low, high]).toEqual([means[1], means[25]]);
  });

  it("holds the share of the resamples that is asked for", () => {
    const items = numbers(100, 4);
    const std = Math.sqrt(items.reduce((total, v) => total + v * v, 0) / 100 / 100);
    const [low, high] = bootstrapInterval(items, average, { resamples: 4000 });
    expect((high - low) / (2 * 1.96 * std)).toBeCloseTo(1, 1);
    const [inner, outer] = bootstrapInterval(items, average, { level: 0.5 });
    expect((outer - inner) / (2 * 0.674 * std)).toBeCloseTo(1, 0);
    expect(bootstrapInterval(items, average)).toEqual(bootstrapInterval(items, average));
  });

  it("leaves out resamples without a value", () => {
    const [low, high] = bootstrapInterval([1, 2], ([a, b]) => (a === b ? Number.NaN : 3));
    expect([low, high]).toEqual([3, 3]);
  });

  it("knows nothing of the spread of one item, and needs one", () => {
    expect(bootstrapInterval([5], average)).toEqual([-Infinity, Infinity]);
    expect(() => bootstrapInterval([], average)).toThrow("expected at least one item");
    expect(() => bootstrapInterval([1, 2], average, { level: 1 })).toThrow("level must be between 0 and 1, got 1");
  });
});
