import { describe, expect, it } from "vitest";
import { pairedDifference, pairedMeasurement } from "../../src/report/index.ts";
import { numbers } from "../nn/reference.ts";

describe("pairedDifference", () => {
  it("has the differences, their mean and the share of seeds with its sign", () => {
    const { values, mean, agreeing } = pairedDifference([3, 5, 1], [1, 2, 2]);
    expect(values).toEqual([2, 3, -1]);
    expect(mean).toBeCloseTo(4 / 3, 12);
    expect(agreeing).toBeCloseTo(2 / 3, 12);
    expect(pairedDifference([1, 2], [2, 1])).toMatchObject({ mean: 0, agreeing: 0 });
  });

  it("has the percentiles of all 27 resamples of three seeds", () => {
    const d = [0, 1, 10];
    const means = d.flatMap((x) => d.flatMap((y) => d.map((z) => (x + y + z) / 3))).sort((x, y) => x - y);
    // The 2.5 % point of 27 sorted values is the second one (index 26·0.025 = 0.65).
    expect(pairedDifference(d, [0, 0, 0])).toMatchObject({ low: means[1], high: means[25] });
  });

  it("has the normal interval with many seeds, whatever a seed does to both arms", () => {
    const count = 400;
    const shared = numbers(count, 1).map((v) => 1000 * v);
    const noise = numbers(count, 2);
    const { mean, low, high } = pairedDifference(
      shared.map((v, i) => v + 0.3 + (noise[i] as number)),
      shared,
    );
    // Uniform noise in ±1 has variance 1/3.
    const half = 1.96 * Math.sqrt(1 / 3 / count);
    expect((high - low) / (2 * half)).toBeCloseTo(1, 1);
    expect(low).toBeLessThan(mean);
    expect(high).toBeGreaterThan(mean);
    expect(Math.abs(mean - 0.3)).toBeLessThan(3 * half);
  });

  it("gives the same interval again, and none for a single seed", () => {
    const [a, b] = [numbers(20, 1), numbers(20, 2)];
    expect(pairedDifference(a, b)).toEqual(pairedDifference(a, b));
    const reversed = pairedDifference(b, a);
    expect(reversed.mean).toBeCloseTo(-pairedDifference(a, b).mean, 12);
    expect(pairedDifference([1], [2])).toMatchObject({ mean: -1, low: -Infinity, high: Infinity });
  });

  it("refuses lists that are not paired", () => {
    expect(() => pairedDifference([1], [1, 2])).toThrow("at least 1, got 1 and 2");
    expect(() => pairedDifference([], [])).toThrow("at least 1, got 0 and 0");
  });
});

describe("pairedMeasurement", () => {
  it("is the measurement of the differences, with the interval and the seeds that agree in words", () => {
    const { values, mean, std, note } = pairedMeasurement([1, 2, 4], [2, 4, 3]);
    expect(values).toEqual([-1, -2, 1]);
    expect(mean).toBeCloseTo(-2 / 3, 12);
    expect(std).toBeCloseTo(Math.sqrt(7 / 3), 12);
    expect(note).toBe("bootstrap: -1.667 to 0.3333; below 0 with 2 of 3 seeds");
    expect(pairedMeasurement([1], [2]).note).toBeUndefined();
  });
});
