import { describe, expect, it } from "vitest";
import * as f from "../../src/array/index.ts";
import { totalOver } from "../../src/train/index.ts";

const values = Float32Array.from({ length: 10 }, (_, i) => i);
const batch = (start: number, count: number) => ({ x: f.tensor(values.subarray(start, start + count)) });
const measure = ({ w }: { w: f.Tensor }, { x }: { x: f.Tensor }) => ({
  sum: f.sum(f.mul(x, w)),
  parity: f.sum(f.oneHot(f.mod(f.cast(x, "int32"), 2), 2), { axis: 0 }),
});

describe("totalOver", () => {
  it("sums over all pieces, the smaller last one included", async () => {
    for (const piece of [3, 5, 64]) {
      const { sum, parity } = await totalOver(measure, { w: f.tensor(2) }, { count: 10, piece, batch });
      expect(f.item(sum)).toBe(90);
      expect(f.toNested(parity)).toEqual([5, 5]);
    }
  });

  it("stops between pieces", async () => {
    const stop = new AbortController();
    const calls: number[] = [];
    const run = totalOver(
      measure,
      { w: f.tensor(1) },
      {
        count: 10,
        piece: 2,
        signal: stop.signal,
        batch: (start, count) => {
          calls.push(start);
          if (start === 4) stop.abort(new Error("enough"));
          return batch(start, count);
        },
      },
    );
    await expect(run).rejects.toThrow(/enough/);
    expect(calls).toEqual([0, 2, 4]);
  });

  it("refuses counts that are none", async () => {
    await expect(totalOver(measure, { w: f.tensor(1) }, { count: 0, piece: 2, batch })).rejects.toThrow(
      /count must be a whole number of at least 1, got 0/,
    );
  });
});
