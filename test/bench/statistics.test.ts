import { describe, expect, test } from "vitest";
import { largestDifference, pairedRatio, summarize } from "../../bench/statistics.ts";

describe("summarize", () => {
  test("gives the median and the extremes", () => {
    expect(summarize([5, 1, 3])).toEqual({ median: 3, low: 1, high: 5, count: 3 });
    expect(summarize([4, 1, 2, 3])).toEqual({ median: 2.5, low: 1, high: 4, count: 4 });
  });

  test("needs a value", () => {
    expect(() => summarize([])).toThrow("at least one value");
  });
});

describe("pairedRatio", () => {
  test("a disturbance that is in both sides leaves the ratio", () => {
    expect(pairedRatio([2, 20, 2], [1, 10, 1])).toEqual({ median: 2, low: 2, high: 2, count: 3 });
  });

  test("uses the rounds that both have", () => {
    expect(pairedRatio([6, 8, 9], [2, 2])).toEqual({ median: 3.5, low: 3, high: 4, count: 2 });
  });
});

describe("largestDifference", () => {
  test("is relative to the larger value and symmetric", () => {
    expect(largestDifference([1, 2], [1, 4])).toBe(0.5);
    expect(largestDifference([1, 4], [1, 2])).toBe(0.5);
    expect(largestDifference([0, -3], [0, -3])).toBe(0);
  });

  test("numbers that are not finite never agree", () => {
    expect(largestDifference([Number.NaN], [Number.NaN])).toBe(Number.POSITIVE_INFINITY);
    expect(largestDifference([1], [Number.POSITIVE_INFINITY])).toBe(Number.POSITIVE_INFINITY);
  });

  test("lists of different lengths are refused", () => {
    expect(() => largestDifference([1], [1, 2])).toThrow("lists of 1 and 2 numbers");
  });
});
