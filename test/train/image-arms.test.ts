import { afterAll, expect, it } from "vitest";
import { mul, releaseSessions, type Tree } from "../../src/array/index.ts";
import { type Layer, linear } from "../../src/nn/index.ts";
import {
  classifierFigures,
  compareClassifiers,
  curveOf,
  endOfCurve,
  imagesInGraph,
  testAccuracies,
} from "../../src/train/index.ts";
import { memoryContext } from "../report/context.ts";

afterAll(releaseSessions);

/** Images of two pixels, of which the brighter one is the label. */
const images = (count: number, first: number) => {
  const pixels = Uint8Array.from({ length: 2 * count }, (_, i) => ((i + 2 * first) * 97) % 251);
  const labels = Uint8Array.from({ length: count }, (_, i) =>
    Number((pixels[2 * i + 1] as number) > (pixels[2 * i] as number)),
  );
  return { images: pixels, labels, count, height: 1, width: 2, channels: 1 };
};
const graph = (count: number, first: number) => imagesInGraph(images(count, first), { mean: 0.5, std: 0.3 });

it("compareClassifiers trains each arm with each seed and scores it on test images", async () => {
  const { context, kept } = memoryContext({ seeds: [0, 1] });
  const reads: Layer<Tree> = linear({ inputs: 2, outputs: 2 });
  const blind: Layer<Tree> = { ...reads, apply: (params, x, mode) => reads.apply(params, mul(x, 0), mode) };
  const budget = { steps: 60, batch: 16, rates: [1e-3, 0.1], validation: 40, test: 1000 };
  const test = images(90, 500);
  const compared = await compareClassifiers(context, {
    arms: { reads, blind },
    images: { training: graph(300, 0), validation: graph(50, 400), test: graph(90, 500) },
    budget,
  });
  expect(kept.size).toBe(6);
  expect(compared.reads).toMatchObject({ rate: 0.1, parameters: 6, flops: 8 });
  const [seeing, guessing] = [testAccuracies(compared, "reads"), testAccuracies(compared, "blind")];
  for (const accuracy of seeing) expect(accuracy).toBeGreaterThan(95);
  // Without pixels only the more frequent label, or the other one, can be said of all.
  const ones = (100 * test.labels.reduce((a, b) => a + b, 0)) / test.count;
  for (const accuracy of guessing) expect([ones, 100 - ones].some((v) => Math.abs(v - accuracy) < 1e-9)).toBe(true);
  const [table, curves] = classifierFigures(compared, budget, "pairs");
  expect(table).toMatchObject({ kind: "table", title: "All classifiers, pairs" });
  expect(curves).toMatchObject({ kind: "lines", series: [{ name: "reads" }, { name: "blind" }] });
});

it("curves are means of pieces, and their end the last tenth", () => {
  const losses = Array.from({ length: 50 }, (_, i) => i);
  expect(curveOf(losses)).toHaveLength(20);
  expect(curveOf(losses).slice(0, 2)).toEqual([0.5, 3]);
  expect(curveOf([3, 1])).toEqual([3, 1]);
  expect(endOfCurve(losses)).toBe(47);
  expect(curveOf([])).toEqual([]);
});
