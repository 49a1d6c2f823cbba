import { describe, expect, it } from "vitest";
import { type LossCurve, withLosses } from "../../src/report/index.ts";

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

  it("are of the last 24 models", () => {
    const all = each(30).reduce((curves, i) => trained([1, 2], `model ${i}`, curves), [] as readonly LossCurve[]);
    expect(all.map(({ name }) => name)).toEqual(each(24).map((i) => `model ${i + 6}`));
  });
});
