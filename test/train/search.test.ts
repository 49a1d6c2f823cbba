import { expect, it } from "vitest";
import { searchRates } from "../../src/train/index.ts";

it("searchRates picks the best rate of each model, the first of equal ones", async () => {
  const scores: Record<number, { a: number; b: number; c: number }> = {
    0.1: { a: 1, b: 5, c: 2 },
    0.2: { a: 3, b: 4, c: 2 },
    0.3: { a: 2, b: 3, c: Number.NaN },
  };
  const chosen = await searchRates(
    [0.1, 0.2, 0.3],
    async (rate) => scores[rate] as { a: number; b: number; c: number },
  );
  expect(chosen).toEqual({ a: 0.2, b: 0.1, c: 0.1 });
});
