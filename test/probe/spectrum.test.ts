import { describe, expect, it } from "vitest";
import {
  componentsFor,
  participationRatio,
  participationRatioOf,
  shannonEffectiveRank,
  spectralConcentration,
  spectralScores,
  spectralUtilizationIndex,
} from "../../src/probe/index.ts";
import { fitPowerLaw } from "../../src/report/index.ts";

const list = (count: number, fn: (i: number) => number): number[] => Array.from({ length: count }, (_, i) => fn(i));

describe("scores of a spectrum", () => {
  it("are the width, and no concentration, of a flat spectrum", () => {
    const scores = spectralScores(list(64, () => 3e-4));
    expect(scores.hardRank).toBeCloseTo(64, 10);
    expect(scores.softRank).toBeCloseTo(64, 10);
    expect(scores.concentration).toBeCloseTo(0, 12);
    expect(scores.utilizationIndex).toBeCloseTo(1, 12);
  });

  it("are the rank of a flat spectrum of low rank", () => {
    const spectrum = [0, 2, 0, 2, 2, 0, 0, 2, 0, 2];
    expect(participationRatio(spectrum)).toBeCloseTo(5, 12);
    expect(shannonEffectiveRank(spectrum)).toBeCloseTo(5, 12);
    expect(spectralConcentration([0, 0, 7, 0])).toBeCloseTo(1 - 1 / 4, 12);
    expect(spectralScores(spectrum).utilizationIndex).toBeCloseTo(0.5, 12);
  });

  it("follow the closed forms of a geometric spectrum", () => {
    for (const q of [0.5, 0.9]) {
      const spectrum = list(2000, (i) => q ** i);
      expect(participationRatio(spectrum)).toBeCloseTo((1 + q) / (1 - q), 10);
      expect(shannonEffectiveRank(spectrum)).toBeCloseTo(Math.exp(-Math.log(1 - q) - (q * Math.log(q)) / (1 - q)), 9);
    }
    expect(participationRatio(list(60, (i) => 0.5 ** i))).toBeCloseTo(3, 10);
    expect(shannonEffectiveRank(list(60, (i) => 0.5 ** i))).toBeCloseTo(4, 10);
  });

  it("follow the sums of a power law", () => {
    const spectrum = list(1000, (i) => 1 / (i + 1));
    const harmonic = spectrum.reduce((a, b) => a + b, 0);
    const squares = spectrum.reduce((a, b) => a + b * b, 0);
    expect(participationRatio(spectrum)).toBeCloseTo(harmonic ** 2 / squares, 10);
    expect(participationRatio(spectrum)).toBeCloseTo(34.08425, 5);
  });

  it("are ordered, and do not mind order, scale, or what rounding made negative", () => {
    const spectrum = list(30, (i) => Math.exp(Math.sin(17 * i) * 3));
    const scores = spectralScores(spectrum);
    expect(scores.hardRank).toBeLessThan(scores.softRank);
    expect(scores.softRank).toBeLessThan(30);
    for (const same of [spectrum.toReversed(), spectrum.map((v) => v * 1e200), spectrum.map((v) => v * 1e-200)])
      for (const [name, value] of Object.entries(spectralScores(same)))
        expect(value).toBeCloseTo(scores[name as keyof typeof scores], 9);
    expect(participationRatio([1, 1, -1e-12])).toBeCloseTo(2, 12);
  });

  it("concentration is the Gini coefficient", () => {
    const spectrum = [5, 1, 0.5, 3];
    const total = spectrum.reduce((a, b) => a + b, 0);
    const gaps = spectrum.flatMap((a) => spectrum.map((b) => Math.abs(a - b))).reduce((a, b) => a + b, 0);
    expect(spectralConcentration(spectrum)).toBeCloseTo(gaps / (2 * 4 * total), 12);
  });

  it("utilization index is the harmonic mean", () => {
    expect(spectralUtilizationIndex(0.2, 0.6)).toBeCloseTo(0.3, 12);
    expect(() => spectralUtilizationIndex(0, 0.6)).toThrow("hardUtilization must be above 0 and at most 1, got 0");
  });

  it("components for a share of the variance are the fewest that hold it", () => {
    expect(componentsFor([1, 4, 5], 0.5)).toBe(1);
    expect(componentsFor([1, 4, 5], 0.51)).toBe(2);
    expect(componentsFor([1, 4, 5], 0.91)).toBe(3);
    expect(componentsFor([1, 0, 0], 1)).toBe(3);
    expect(() => componentsFor([1], 0)).toThrow("share must be above 0 and at most 1, got 0");
  });

  it("grow with the width as planted, and the fit finds the exponent", () => {
    const points = [64, 128, 512, 2048].map((width) => {
      // One large share and equal small ones with 1/Σp² = width^0.7.
      const r = width ** 0.7;
      const rest = width - 1;
      const large = (1 + Math.sqrt(rest * ((rest + 1) / r - 1))) / (rest + 1);
      return { x: width, y: participationRatio([large, ...list(rest, () => (1 - large) / rest)]) };
    });
    const { exponent, constant, rSquared } = fitPowerLaw(points);
    expect(Math.abs(exponent - 0.7)).toBeLessThan(1e-6);
    expect(constant).toBeCloseTo(1, 6);
    expect(rSquared).toBeCloseTo(1, 9);
  });

  it("refuses what is no spectrum of anything", () => {
    expect(() => participationRatio([0, 0])).toThrow(
      "participationRatio: all eigenvalues are 0, so the activations do not vary and have no dimension",
    );
    expect(() => shannonEffectiveRank([1, Number.NaN])).toThrow("none below 0, got NaN");
    expect(() => spectralConcentration([1, -0.5])).toThrow("none below 0, got -0.5");
    expect(() => participationRatio([Number.POSITIVE_INFINITY])).toThrow("got Infinity");
  });
});

describe("participationRatioOf", () => {
  it("agrees with eigenvalues that are known", () => {
    // Eigenvalues 3 and 1.
    expect(participationRatioOf([2, 1, 1, 2], 2)).toBeCloseTo(16 / 10, 12);
    expect(participationRatioOf([2e200, 1e200, 1e200, 2e200], 2)).toBeCloseTo(16 / 10, 12);
  });

  it("refuses what is no covariance", () => {
    expect(() => participationRatioOf([1, 2], 2)).toThrow("expected 2 × 2 numbers, got 2");
    expect(() => participationRatioOf([0, 0, 0, 0], 2)).toThrow("activations that vary, got trace 0");
  });
});
