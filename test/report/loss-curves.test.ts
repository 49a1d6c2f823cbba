import { describe, expect, it } from "vitest";
import { curveChanges, type LossCurve, withChanges, withLosses } from "../../src/report/index.ts";

/** Curves after a training of many steps, told in strides. */
function trained(steps: readonly number[], name = "dense", curves: readonly LossCurve[] = []): readonly LossCurve[] {
  return steps.reduce((all, step) => withLosses(all, { step, losses: { [name]: 1 / step } }), curves);
}
const each = (count: number, stride = 1) => Array.from({ length: count }, (_, i) => (i + 1) * stride);

describe("curves of losses", () => {
  it("have a line for each model, in the order in which they came, and keep what they were given", () => {
    const before = withLosses([], { step: 1, losses: { a: 3, b: 4 } });
    const after = withLosses(before, { step: 5, losses: { b: 2 } });
    expect(before).toEqual([
      { name: "a", points: [[1, 3]] },
      { name: "b", points: [[1, 4]] },
    ]);
    expect(after).toEqual([
      { name: "a", points: [[1, 3]] },
      {
        name: "b",
        points: [
          [1, 4],
          [5, 2],
        ],
      },
    ]);
  });

  it("begin anew where a model is trained anew, and leave out what is no number", () => {
    const once = trained(each(10));
    const [again] = withLosses(once, { step: 1, losses: { dense: 0.7, broken: Number.NaN } });
    expect(again?.points).toEqual([[1, 0.7]]);
    expect(withLosses(once, { step: 11, losses: { dense: Number.POSITIVE_INFINITY } })).toEqual(once);
  });

  it.each([1, 7])("stay short and even, with the first and the latest point, in strides of %d", (stride) => {
    for (const count of [150, 201, 999, 5000]) {
      const points = trained(each(count, stride))[0]?.points ?? [];
      expect(points.length).toBeLessThanOrEqual(200);
      expect(points.length).toBeGreaterThanOrEqual(Math.min(count, 100));
      expect([points[0]?.[0], points.at(-1)?.[0]]).toEqual([stride, count * stride]);
      expect(points.every(([step, loss]) => loss === 1 / step)).toBe(true);
      const gaps = points.slice(1, -1).map(([step], i) => step - (points[i]?.[0] ?? 0));
      expect(Math.max(...gaps)).toBeLessThanOrEqual(2 * Math.min(...gaps));
    }
  });

  it("follow from what changed, in few points, and stay as they are where nothing did", () => {
    let [here, there] = [[] as readonly LossCurve[], [] as readonly LossCurve[]];
    let sent = 0;
    for (let i = 0; i < 2000; i++) {
      // Two models, of which one begins anew at times, and many that come later; looked at now and then.
      here = withLosses(here, { step: i + 1, losses: { a: Math.sin(i) } });
      here = withLosses(here, { step: (i % 700) + 1, losses: { b: Math.cos(i), [`c${Math.floor(i / 60)}`]: i } });
      if (i % 7 !== 0) continue;
      const changes = curveChanges(there, here);
      sent += changes.reduce((sum, { points }) => sum + points.length, 0);
      there = withChanges(there, JSON.parse(JSON.stringify(changes)));
      expect(there).toEqual(here);
    }
    expect(sent).toBeLessThan(3 * 2000 * 1.5);
    expect(curveChanges([], here)).toHaveLength(here.length);
    expect(curveChanges(here, JSON.parse(JSON.stringify(here)))).toEqual([]);
    expect(withLosses(here, { step: 2000, losses: { a: Math.sin(1999) } })).toEqual(here);
  });

  it("go on for the first 24 of many models that train together", () => {
    const losses = (loss: number) => Object.fromEntries(each(30).map((i) => [`model ${i}`, loss]));
    const curves = each(5).reduce(
      (all, step) => withLosses(all, { step, losses: losses(1 / step) }),
      withLosses([], { step: 1, losses: { alone: 1 } }),
    );
    expect(curves.map(({ name }) => name)).toEqual(each(24).map((i) => `model ${i}`));
    expect(curves.every(({ points }) => points.length === 5)).toBe(true);
  });

  it("are of the last 24 models", () => {
    const all = each(30).reduce((curves, i) => trained([1, 2], `model ${i}`, curves), [] as readonly LossCurve[]);
    expect(all.map(({ name }) => name)).toEqual(each(24).map((i) => `model ${i + 6}`));
  });
});
