import { describe, expect, it } from "vitest";
import { interval } from "../../src/report/index.ts";
import { median, speedMeasurement, timeInTurn } from "../../src/report/timing.ts";

describe("timeInTurn", () => {
  it("calls all in turn, each as often as a figure wants, once more than it counts", async () => {
    const calls: string[] = [];
    const times = await timeInTurn(
      { a: () => calls.push("a"), b: async () => calls.push("b") },
      { calls: 2, rounds: 3 },
    );
    expect(calls.join("")).toBe(`ab${"aabb".repeat(3)}`);
    expect(times.a).toHaveLength(3);
    expect(times.b.every((ms) => ms >= 0)).toBe(true);
  });

  it("calls one after the other where calls are apart", async () => {
    const calls: string[] = [];
    const run = (name: string) => () => calls.push(name);
    const times = await timeInTurn({ a: run("a"), b: run("b") }, { calls: 2, rounds: 3, apart: true });
    expect(calls.join("")).toBe("ab".repeat(7));
    expect(times.b).toHaveLength(3);
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

describe("speedMeasurement", () => {
  it("takes the ratio of each round, and the middle of them", () => {
    const { mean, std, values, exact } = speedMeasurement([4, 9, 8], [2, 3, 2]);
    expect([mean, values, exact]).toEqual([3, [2, 3, 4], false]);
    expect(std).toBeCloseTo(1.4826 * Math.sqrt(Math.PI / 2), 10);
  });

  it("does not mind rounds that were disturbed, unlike a mean", () => {
    const quick = Array<number>(11).fill(1);
    const quiet = quick.map((_, i) => 2.5 + 0.01 * (i % 3));
    const busy = quiet.map((ms, i) => (i % 4 === 1 ? 20 * ms : ms));
    const measurement = speedMeasurement(busy, quick);
    expect(measurement.mean).toBeCloseTo(2.51, 2);
    expect(interval(measurement)[0]).toBeGreaterThan(2.4);
    expect(interval(measurement)[1]).toBeLessThan(2.6);
  });

  it("covers the median of normal ratios about 95 times of 100", () => {
    let state = 1;
    const uniform = (): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    };
    const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    const trials = 2000;
    let covered = 0;
    for (let trial = 0; trial < trials; trial++) {
      const slow = Array.from({ length: 15 }, () => 2 + 0.1 * normal());
      const [low, high] = interval(speedMeasurement(slow, Array<number>(15).fill(1)));
      if (low <= 2 && high >= 2) covered++;
    }
    expect(covered / trials).toBeGreaterThan(0.9);
    expect(covered / trials).toBeLessThan(0.98);
  });

  it("refuses rounds that do not belong together", () => {
    expect(() => speedMeasurement([1, 2], [1])).toThrow("got 2 and 1");
    expect(() => speedMeasurement([], [])).toThrow("at least 1");
  });
});
