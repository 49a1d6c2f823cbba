import { describe, expect, it } from "vitest";
import {
  correlationPValue,
  partialCorrelation,
  pearson,
  spearman,
  studentTPValue,
  withinGroups,
} from "../../src/report/index.ts";
import { numbers } from "../nn/reference.ts";

describe("studentTPValue", () => {
  it("is 5 % at the 95 % points of tables", () => {
    for (const [degrees, t] of [
      [1, 12.7062],
      [2, 4.30265],
      [5, 2.57058],
      [13, 2.16037],
      [60, 2.0003],
      [1000, 1.96234],
    ] as const)
      expect(studentTPValue(t, degrees)).toBeCloseTo(0.05, 6);
  });

  it("has closed forms for 1, 2 and 4 degrees of freedom", () => {
    for (const t of [0, 1e-9, 0.3, 1, 2.5, 40, 1e5]) {
      expect(studentTPValue(t, 1)).toBeCloseTo(1 - (2 / Math.PI) * Math.atan(t), 13);
      expect(studentTPValue(t, 2)).toBeCloseTo(1 - t / Math.sqrt(2 + t * t), 13);
      const u = t / Math.sqrt(4 + t * t);
      expect(studentTPValue(t, 4)).toBeCloseTo(1 - (u * (3 - u * u)) / 2, 13);
    }
  });

  it("agrees with the integral of the density", () => {
    for (const [t, degrees] of [
      [0.7, 7],
      [3.4, 13],
      [8, 49],
    ] as const) {
      const density = (x: number) => (1 + (x * x) / degrees) ** (-(degrees + 1) / 2);
      // Simpson's rule over u with x = u/(1 - u) from x = t, and over all x above 0.
      const integral = (from: number) => {
        const [a, steps] = [from / (1 + from), 4000];
        const h = (1 - a) / steps;
        const at = (u: number) => (u >= 1 ? 0 : density(u / (1 - u)) / (1 - u) ** 2);
        return (
          (h / 3) *
          Array.from(
            { length: steps + 1 },
            (_, i) => at(a + i * h) * (i === 0 || i === steps ? 1 : i % 2 ? 4 : 2),
          ).reduce((x, y) => x + y, 0)
        );
      };
      expect(studentTPValue(t, degrees) / (integral(t) / integral(0))).toBeCloseTo(1, 8);
      expect(studentTPValue(-t, degrees)).toBe(studentTPValue(t, degrees));
    }
  });

  it("keeps the digits of small values, and has limits", () => {
    // Far out the p-value of two degrees of freedom is 1/t².
    expect(studentTPValue(1e8, 2) * 1e16).toBeCloseTo(1, 10);
    expect(studentTPValue(0, 9)).toBe(1);
    expect(studentTPValue(Number.POSITIVE_INFINITY, 9)).toBe(0);
    expect(studentTPValue(Number.NaN, 9)).toBeNaN();
    expect(() => studentTPValue(1, 0)).toThrow("degrees must be a whole number of at least 1, got 0");
  });
});

describe("correlationPValue", () => {
  it("gives the published figures of paper 14 from their correlations", () => {
    // 15 models with r = 0.69: t = 3.437.
    expect(correlationPValue(0.69, 15)).toBeCloseTo(0.0044, 4);
    // 52 models with r = 0.75 and one variable held fixed: t = 7.937; printed as below 1e-10, which the rounded r does not give.
    expect(correlationPValue(0.75, 52, 1)).toBeCloseTo(2.4e-10, 11);
    expect(correlationPValue(0.75, 52, 1)).toBeGreaterThan(1e-10);
  });

  it("refuses to tell one of a handful of models", () => {
    expect(() => correlationPValue(0.9, 4)).toThrow("expected at least 5 models, got 4");
    expect(() => correlationPValue(0.9, 5, 1)).toThrow("expected at least 6 models with 1 held fixed, got 5");
    expect(() => correlationPValue(1.5, 9)).toThrow("from -1 to 1, got 1.5");
  });
});

describe("correlations", () => {
  it("are 1 on a line, -1 on a falling one, and known by hand between", () => {
    expect(pearson([1, 2, 3], [10, 30, 50])).toBeCloseTo(1, 12);
    expect(pearson([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1, 12);
    // Deviations (-1, 0, 1) and (-1, 1, 0).
    expect(pearson([1, 2, 3], [0, 2, 1])).toBeCloseTo(0.5, 12);
    expect(pearson([1, 2, 3], [4, 4, 4])).toBeNaN();
  });

  it("of ranks are those of any rising function, and share ranks of equal values", () => {
    const x = numbers(20, 1);
    expect(spearman(x, x.map(Math.exp))).toBeCloseTo(1, 12);
    // Ranks 1.5, 1.5, 3, 4 and 1, 2, 3, 4.
    expect(spearman([7, 7, 8, 9], [1, 2, 3, 4])).toBeCloseTo(pearson([1.5, 1.5, 3, 4], [1, 2, 3, 4]), 12);
    // Without ties: 1 - 6·Σd²/(n·(n² - 1)) with d = 1, 1, 0.
    expect(spearman([1, 2, 3], [2, 1, 3])).toBeCloseTo(1 - (6 * 2) / 24, 12);
  });

  it("partial ones are those of the residuals", () => {
    const [x, y, z] = [numbers(30, 1), numbers(30, 2), numbers(30, 3)];
    const mixed = (a: readonly number[], k: number) => a.map((v, i) => v + k * (z[i] as number));
    const residuals = (a: readonly number[]) => {
      const mean = (v: readonly number[]) => v.reduce((p, q) => p + q, 0) / v.length;
      const [ma, mz] = [mean(a), mean(z)];
      const slope =
        a.reduce((t, v, i) => t + (v - ma) * ((z[i] as number) - mz), 0) / z.reduce((t, v) => t + (v - mz) ** 2, 0);
      return a.map((v, i) => v - ma - slope * ((z[i] as number) - mz));
    };
    const [a, b] = [mixed(x, 2), mixed(y, -1)];
    expect(Math.abs(partialCorrelation(a, b, z) - pearson(residuals(a), residuals(b)))).toBeLessThan(1e-12);
    // Alike only through the control.
    expect(Math.abs(pearson(a, b))).toBeGreaterThan(3 * Math.abs(partialCorrelation(a, b, z)));
  });

  it("within groups do not see differences between groups", () => {
    const groups = ["a", "a", "b", "b"];
    expect(withinGroups([1, 3, 10, 20], groups)).toEqual([-1, 1, -5, 5]);
    expect(() => withinGroups([1], groups)).toThrow("expected a group for each of 1 values, got 4");
  });

  it("need pairs", () => {
    expect(() => pearson([1, 2], [1])).toThrow(
      "pearson: expected two lists of the same length of at least 2, got 2 and 1",
    );
    expect(() => spearman([1], [1])).toThrow("spearman: expected two lists");
  });
});
