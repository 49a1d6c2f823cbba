import { expect, it } from "vitest";
import { average, measured, verdictOf, withoutSpread, withStd } from "../../src/report/index.ts";

it("summaries of values", () => {
  expect(measured([1, 2, 6])).toEqual({ mean: 3, std: Math.sqrt(7), values: [1, 2, 6], exact: false });
  expect(average([1, 2, 6])).toBe(3);
  expect(withStd(5, [1, 2, 6])).toEqual({ x: 5, y: 3, low: 3 - Math.sqrt(7), high: 3 + Math.sqrt(7) });
  const claim = { what: "", figure: 3, unit: "", direction: "atLeast", where: "" } as const;
  expect(verdictOf(claim, withoutSpread([0], 4, "one model"))).toBe("inconclusive");
  expect(verdictOf(claim, withoutSpread([0, 1], 4, "one model"))).toBe("holds");
  expect(() => average([])).toThrow(/at least one/);
});
