import { expect, it } from "vitest";
import { fitPowerLaw } from "../../src/report/index.ts";

it("finds the power law that points follow, and the middle of those that scatter around one", () => {
  const exact = [1, 2, 5, 30].map((x) => ({ x, y: 3 * x ** -0.7 }));
  expect(fitPowerLaw(exact).exponent).toBeCloseTo(-0.7, 12);
  expect(fitPowerLaw(exact).constant).toBeCloseTo(3, 12);
  const scattered = [1, 4, 16].map((x, i) => ({ x, y: x ** 2 * ([2, 1, 2][i] as number) }));
  expect(fitPowerLaw(scattered).exponent).toBeCloseTo(2, 12);
  expect(fitPowerLaw(scattered).constant).toBeCloseTo(4 ** (1 / 3), 12);
});

it("refuses what has no logarithm and what determines no line", () => {
  expect(() =>
    fitPowerLaw([
      { x: 1, y: 0 },
      { x: 2, y: 1 },
    ]),
  ).toThrow("x 1 with y 0");
  expect(() =>
    fitPowerLaw([
      { x: 2, y: 1 },
      { x: 2, y: 3 },
    ]),
  ).toThrow("at least two different x, got 2 points");
});
