import { describe, expect, it } from "vitest";
import { median, timeInTurn } from "../../src/report/timing.ts";

describe("timeInTurn", () => {
  it("calls all in turn, once more than it counts", async () => {
    const calls: string[] = [];
    const times = await timeInTurn(
      { a: () => calls.push("a"), b: async () => calls.push("b") },
      { calls: 2, rounds: 3 },
    );
    expect(calls.join("")).toBe("ab".repeat(7));
    expect(times.a).toHaveLength(3);
    expect(times.b.every((ms) => ms >= 0)).toBe(true);
  });

  it("stops between rounds", async () => {
    const stop = new AbortController();
    let calls = 0;
    const run = () => {
      if (++calls === 3) stop.abort(new Error("enough"));
    };
    await expect(timeInTurn({ run }, { calls: 2, rounds: 9, signal: stop.signal })).rejects.toThrow(/enough/);
    expect(calls).toBe(3);
  });

  it("takes the middle", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(() => median([])).toThrow(/at least one value/);
  });
});
