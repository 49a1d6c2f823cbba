import { describe, expect, it } from "vitest";
import { Pace } from "../../src/train/pace.ts";

/** The lengths of all runs of a training whose steps take so many seconds and bytes. */
function lengths(options: ConstructorParameters<typeof Pace>[0], secondsPerStep: number, bytesPerStep = 0): number[] {
  const pace = new Pace(options);
  const found: number[] = [];
  for (let step = 0; step < options.steps; ) {
    const count = pace.next(step);
    step += count;
    // Compilation makes the first run of a length slow.
    const compiling = found.includes(count) ? 0 : 5;
    pace.record(count, count * secondsPerStep + compiling, count * bytesPerStep, step);
    found.push(count);
  }
  return found;
}

describe("Pace", () => {
  it("takes two steps to see how long they last, then runs of about 0.3 s that divide what is left", () => {
    expect(lengths({ stepsPerRun: undefined, stops: [], steps: 602 }, 0.002)).toEqual([1, 1, 150, 150, 150, 150]);
    expect(lengths({ stepsPerRun: undefined, stops: [], steps: 42 }, 0.002)).toEqual([1, 1, 40]);
    expect(lengths({ stepsPerRun: undefined, stops: [], steps: 100_002 }, 1e-5).slice(2)).toEqual(Array(16).fill(6250));
  });

  it("stays with single steps if they are slow, and keeps batches within 64 MB", () => {
    expect(lengths({ stepsPerRun: undefined, stops: [], steps: 5 }, 0.2)).toEqual([1, 1, 1, 1, 1]);
    expect(lengths({ stepsPerRun: undefined, stops: [], steps: 34 }, 1e-5, 2 ** 22)).toEqual([1, 1, 16, 16]);
  });

  it("lets slow steps share runs of at most four and 1.25 s, if many are left", () => {
    const lengthOf = (seconds: number, steps: number) =>
      Math.max(...lengths({ stepsPerRun: undefined, stops: [], steps }, seconds));
    expect(lengthOf(0.3, 402)).toBe(4);
    expect(lengthOf(0.5, 402)).toBe(2);
    expect(lengthOf(0.7, 402)).toBe(1);
    expect(lengthOf(0.3, 60)).toBe(1);
    expect(Math.max(...lengths({ stepsPerRun: undefined, stops: [], steps: 402 }, 0.3, 2 ** 25))).toBe(2);
  });

  it("goes back to single steps where sharing a run makes them much slower", () => {
    const pace = new Pace({ stepsPerRun: undefined, stops: [], steps: 1002 });
    const found: number[] = [];
    const secondsPerStep = (count: number) => (count === 1 ? 0.01 : 0.045);
    for (let step = 0; step < 200; ) {
      const count = pace.next(step);
      step += count;
      pace.record(count, count * secondsPerStep(count), 0, step);
      found.push(count);
    }
    // The first run of a length is compiled, so the second one tells.
    expect(found.slice(0, 6)).toEqual([1, 1, 25, 25, 1, 1]);
    expect(Math.max(...found.slice(4))).toBe(1);
  });

  it("never crosses a stop, and prefers lengths that divide the distance of stops", () => {
    const found = lengths({ stepsPerRun: undefined, stops: [120, 80], steps: 240 }, 0.006);
    expect(found.slice(0, 3)).toEqual([1, 1, 40]);
    const ends = found.map((_, i) => found.slice(0, i + 1).reduce((a, b) => a + b));
    for (const stop of [80, 120, 160, 240]) expect(ends).toContain(stop);
    expect(Math.max(...found)).toBe(40);
  });

  it("does as it is told", () => {
    expect(lengths({ stepsPerRun: 4, stops: [10], steps: 23 }, 1)).toEqual([4, 4, 2, 4, 4, 2, 3]);
  });

  it("knows the rate of recent runs, without compilation once others are known", () => {
    const pace = new Pace({ stepsPerRun: 10, stops: [], steps: 100 });
    pace.record(10, 6, 0, 10);
    expect(pace.secondsPerStep).toBeCloseTo(0.6, 10);
    pace.record(10, 1, 0, 20);
    expect(pace.secondsPerStep).toBeCloseTo(0.1, 10);
    pace.record(10, 3, 0, 30);
    expect(pace.secondsPerStep).toBeCloseTo(0.2, 10);
  });
});
