import { expect, it } from "vitest";
import { coherence, distributionalVectors, shareAbove } from "../../src/probe/index.ts";
import { tokenFile } from "../temporary.ts";

// Tokens 0 to 4 keep company, and so do 5 to 9, in turns of forty; 10 stands between them, 11 is never met.
let state = 1;
const random = (below: number): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const all = Int32Array.from({ length: 4000 }, (_, i) => (i % 40 === 0 ? 10 : (Math.floor(i / 40) % 2) * 5 + random(5)));
const text = await tokenFile(12, all);

it("finds which tokens belong together", () => {
  const vectors = distributionalVectors(text, { vocabulary: 12, window: 4 });
  expect(vectors.counts[11]).toBe(0);
  expect(coherence(vectors, [0, 1, 2, 3])).toBeGreaterThan(0.95);
  expect(coherence(vectors, [5, 7, 9])).toBeGreaterThan(0.95);
  expect(coherence(vectors, [0, 6])).toBeLessThan(0.2);
  expect(coherence(vectors, [0, 11])).toBe(0);
});

it("is the mean cosine of all pairs", () => {
  const { rows, contexts, ...rest } = distributionalVectors(text, { vocabulary: 12, contexts: 7, window: 2 });
  expect(contexts).toBe(7);
  const tokens = [0, 3, 6, 10, 8];
  const cosines = tokens.flatMap((a, i) =>
    tokens.slice(i + 1).map((b) => {
      let sum = 0;
      for (let c = 0; c < contexts; c++) sum += (rows[a * contexts + c] as number) * (rows[b * contexts + c] as number);
      return sum;
    }),
  );
  const mean = cosines.reduce((a, b) => a + b) / cosines.length;
  expect(coherence({ rows, contexts, ...rest }, tokens)).toBeCloseTo(mean, 6);
});

it("shareAbove counts what is above a quantile", () => {
  const others = Array.from({ length: 100 }, (_, i) => i);
  expect(shareAbove([94, 95, 96, 97], others)).toBe(0.5);
  expect(shareAbove(others, others)).toBeCloseTo(0.04, 9);
});
