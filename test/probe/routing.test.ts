import { describe, expect, it } from "vitest";
import * as f from "../../src/array/index.ts";
import { ensemble, fastFeedForward, initMembers } from "../../src/nn/index.ts";
import { routedHits, usageEntropy } from "../../src/probe/index.ts";

const numbers = (x: f.Tensor): number[] => Array.from(x.data as Float32Array, Number);

describe("routedHits", () => {
  const layer = fastFeedForward({ width: 5, outputs: 3, depth: 2, leafWidth: 2 });

  it("counts what training's mixture and inference's leaf get right, and the rows of each leaf", async () => {
    const params = await f.evaluate(layer.init(f.key(1)));
    const x = await f.evaluate(f.normal(f.key(2), [200, 5]));
    const labels = f.tensor(Int32Array.from({ length: 200 }, (_, i) => i % 3));
    const predictions = await f.evaluate({
      soft: f.argMax(layer.apply(params, x, { training: true }), { axis: 1 }),
      hard: f.argMax(layer.apply(params, x), { axis: 1 }),
    });
    const correct = (of: f.Tensor) => numbers(of).filter((c, i) => c === i % 3).length;
    const { soft, hard, used } = await f.evaluate(routedHits(layer, params, x, labels));
    expect(f.item(soft)).toBe(correct(predictions.soft));
    expect(f.item(hard)).toBe(correct(predictions.hard));
    expect(numbers(used).reduce((a, b) => a + b)).toBe(200);
    expect(numbers(used).filter((n) => n > 0).length).toBeGreaterThan(1);
  });

  it("counts for each member of an ensemble, which may share their rows", async () => {
    const params = await initMembers(layer, [3, 4]);
    const x = await f.evaluate(f.normal(f.key(2), [1, 50, 5]));
    const labels = f.zeros([50], "int32");
    const both = await f.evaluate(routedHits(layer, params, x, labels));
    expect([both.soft.shape, both.used.shape]).toEqual([[2], [2, 4]]);
    for (const i of [0, 1]) {
      const member = ensemble(layer, 2).member(params, i);
      const alone = await f.evaluate(routedHits(layer, member, f.at(x, 0), labels));
      expect([numbers(both.soft)[i], numbers(both.hard)[i]]).toEqual([f.item(alone.soft), f.item(alone.hard)]);
    }
  });
});

it("usageEntropy tells how evenly experts are used", () => {
  expect(usageEntropy([5, 5, 5, 5])).toBeCloseTo(1, 12);
  expect(usageEntropy([9, 0])).toBe(0);
  expect(usageEntropy([3, 1])).toBeCloseTo(0.811278, 6);
  expect(usageEntropy([7])).toBe(1);
  expect(() => usageEntropy([0, 0])).toThrow(/at least one row/);
});
