import { expect, it } from "vitest";
import { signTest } from "../../src/report/sign-test.ts";

it("is the probability of so uneven a split", () => {
  expect(signTest(1, 9)).toBeCloseTo((2 * (1 + 10)) / 1024, 12);
  expect(signTest(9, 1)).toBe(signTest(1, 9));
  expect(signTest(0, 6)).toBeCloseTo(2 / 64, 12);
  expect(signTest(5, 5)).toBe(1);
  expect(signTest(0, 0)).toBe(1);
  // Large counts: the normal approximation with continuity correction gives 2·Φ(-3.131) = 0.00174.
  expect(signTest(450, 550)).toBeCloseTo(0.00174, 4);
});
