import { describe, expect, it } from "vitest";
import { formatDuration, formatNumber, intervalText, measuredText, publishedText } from "../../src/report/index.ts";
import type { ClaimResult } from "../../src/report/result.ts";

describe("formatNumber", () => {
  it.each([
    [0, "0"],
    [12345678, "12,345,678"],
    [-3, "-3"],
    [97.84321, "97.84"],
    [0.5, "0.5"],
    [0.000123456, "1.23e-4"],
    [1234567.8, "1.23e+6"],
    [Number.NaN, "NaN"],
  ])("%d is %s", (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });
});

describe("formatDuration", () => {
  it.each([
    [0.04, "0.0 s"],
    [9.94, "9.9 s"],
    [59.4, "59 s"],
    [59.6, "1 min 0 s"],
    [125, "2 min 5 s"],
    [3_725, "1 h 2 min"],
    [Number.POSITIVE_INFINITY, "?"],
  ])("%d s is %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe("claims as text", () => {
  const claim = (change: Partial<ClaimResult>, spread: Partial<ClaimResult["spread"]> = {}): ClaimResult => ({
    id: "a",
    text: "a",
    published: 90,
    unit: "%",
    direction: "atLeast",
    tolerance: 0,
    where: "",
    measured: 96.2345,
    spread: { std: 0.4321, low: 95.1611, high: 97.3079, seeds: 3, exact: false, ...spread },
    verdict: "holds",
    ...change,
  });

  it.each([
    [{}, "≥ 90 %"],
    [{ direction: "atMost", unit: "x", published: 1.5 }, "≤ 1.5x"],
    [{ direction: "equals", unit: "", published: 13525 }, "13,525"],
    [{ tolerance: 0.5 }, "≥ 90 % (± 0.5)"],
  ] as const)("published %o is %s", (change, text) => {
    expect(publishedText(claim(change))).toBe(text);
  });

  it.each([
    [claim({}), "96.23 ± 0.43 %", "95 %: 95.16 to 97.31"],
    [claim({ measured: 12345.6 }, { std: 432.1, low: 11272, high: 13419 }), "12,346 ± 432 %", "95 %: 11,272 to 13,419"],
    [claim({ unit: "x" }, { std: 0 }), "96.23 ± 0x", "95 %: 95.16 to 97.31"],
    [claim({}, { seeds: 1, low: null, high: null }), "96.23 %", "one seed, no interval"],
    [claim({ measured: 13525, unit: "" }, { exact: true }), "13,525", "exact"],
    [claim({ measured: Number.NaN }, { std: Number.NaN, low: null, high: null }), "NaN ± NaN %", "not a number"],
  ])("%# is %s", (result, measured, between) => {
    expect(measuredText(result)).toBe(measured);
    expect(intervalText(result)).toBe(between);
  });
});
