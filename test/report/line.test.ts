import { describe, expect, it } from "vitest";
import { fitLine } from "../../src/report/index.ts";

describe("fitLine", () => {
  it("finds the line through points on it, and the closest to others", () => {
    expect(fitLine([1, 2, 4].map((x) => ({ x, y: 3 * x - 1 })))).toEqual({
      slope: expect.closeTo(3, 12),
      intercept: expect.closeTo(-1, 12),
      rSquared: expect.closeTo(1, 12),
    });
    // By hand: means 1 and 2, slope (1 + 1)/2, residuals 1/3, -2/3, 1/3 of a total of 2 + 2/3.
    const { slope, intercept, rSquared } = fitLine([
      { x: 0, y: 1 },
      { x: 1, y: 1 },
      { x: 2, y: 3 },
    ]);
    expect(slope).toBeCloseTo(1, 12);
    expect(intercept).toBeCloseTo(2 / 3, 12);
    expect(rSquared).toBeCloseTo(0.75, 12);
  });

  it("says what is missing", () => {
    expect(() => fitLine([{ x: 1, y: 2 }])).toThrow("fitLine: expected at least two different x, got 1 points");
    expect(() =>
      fitLine([
        { x: 1, y: 2 },
        { x: 2, y: Number.NaN },
      ]),
    ).toThrow("expected numbers, got x 2 with y NaN");
  });
});
