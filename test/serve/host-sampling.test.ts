import { expect, it } from "vitest";
import { randomSource, sampleOnHost } from "../../src/serve/index.ts";

const logits = Float32Array.of(2, 1, 0, -1, 0.5);
const shares = (options: object): number[] => {
  const random = randomSource(7);
  const counts = [0, 0, 0, 0, 0];
  for (let i = 0; i < 20_000; i++) (counts[sampleOnHost(logits, random, options)] as number) += 1 / 20_000;
  return counts;
};
const weights = (temperature: number): number[] => [...logits].map((logit) => Math.exp(logit / temperature));
const near = (a: number[], b: number[]): void => {
  const total = b.reduce((x, y) => x + y, 0);
  for (const [i, share] of a.entries()) expect(Math.abs(share - (b[i] as number) / total)).toBeLessThan(0.015);
};

it("draws by the same rules as in the graph", () => {
  const [a = 0, b = 0, , , e = 0] = weights(1);
  near(shares({}), weights(1));
  near(shares({ temperature: 0.5 }), weights(0.5));
  near(shares({ topK: 2 }), [a, b, 0, 0, 0]);
  near(shares({ topP: 0.7 }), [a, b, 0, 0, 0]);
  near(shares({ topP: 0.8 }), [a, b, 0, 0, e]);
  expect(shares({ topP: 1e-9 })[0]).toBeCloseTo(1, 6);
  expect(shares({ temperature: 0 })[0]).toBeCloseTo(1, 6);
});

it("has numbers that are even, and the same for a seed", () => {
  const random = randomSource(3);
  const bins = Array<number>(10).fill(0);
  for (let i = 0; i < 50_000; i++) (bins[Math.floor(10 * random())] as number) += 1 / 50_000;
  for (const share of bins) expect(Math.abs(share - 0.1)).toBeLessThan(0.006);
  const [a, b] = [randomSource(5), randomSource(5)];
  for (let i = 0; i < 10; i++) expect(a()).toBe(b());
});
