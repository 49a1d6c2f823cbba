import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { type Claim, exactly, interval, type Measurement, paper, spread, verdictOf } from "../../src/report/index.ts";

const claim = (direction: Claim["direction"], figure: number, tolerance?: number): Claim => ({
  what: "a number",
  figure,
  unit: "",
  direction,
  ...(tolerance === undefined ? {} : { tolerance }),
  where: "table 1",
});

const seeds = (...values: number[]): Measurement => spread(values, (value) => value);

describe("spread", () => {
  it("gives mean and sample standard deviation", () => {
    const { mean, std, values, exact } = spread([{ loss: 2 }, { loss: 4 }, { loss: 9 }], (run) => run.loss, "hard");
    expect(mean).toBe(5);
    expect(std).toBeCloseTo(Math.sqrt(13), 12);
    expect(values).toEqual([2, 4, 9]);
    expect(exact).toBe(false);
  });

  it("refuses no runs", () => {
    expect(() => spread([], () => 1)).toThrow("spread: expected at least one run");
  });
});

describe("interval", () => {
  // Student's t, two-sided 95 %: 12.706 for 1 degree of freedom, 4.303 for 2, 2.042 for 30.
  it.each([
    [[0, 2], 12.706 * 1],
    [[0, 1, 2], 4.303 / Math.sqrt(3)],
  ])("of %j spans the t interval of the mean", (values, half) => {
    const [low, high] = interval(seeds(...values));
    expect((high - low) / 2).toBeCloseTo(half, 6);
    expect((high + low) / 2).toBeCloseTo(1, 12);
  });

  it("is close to the table where it is interpolated", () => {
    const values = Array.from({ length: 31 }, (_, i) => i);
    const { std } = seeds(...values);
    const [low, high] = interval(seeds(...values));
    expect(((high - low) / 2) * (Math.sqrt(31) / std)).toBeCloseTo(2.042, 2);
  });

  it("is a point for a count and unbounded for one seed", () => {
    expect(interval(exactly(7))).toEqual([7, 7]);
    expect(interval(seeds(7))).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
  });
});

describe("verdictOf", () => {
  it.each([
    ["atLeast", 90, undefined, exactly(90), "holds"],
    ["atLeast", 90, undefined, exactly(89.9), "fails"],
    ["atLeast", 90, 0.5, exactly(89.9), "holds"],
    ["atMost", 3, undefined, exactly(3.1), "fails"],
    ["atMost", 3, undefined, exactly(-5), "holds"],
    ["equals", 13525, undefined, exactly(13525), "holds"],
    ["equals", 13525, undefined, exactly(13526), "fails"],
    ["equals", 47.6, 0.1, exactly(47.65), "holds"],
    ["atLeast", 90, undefined, seeds(95, 95.1, 95.2), "holds"],
    ["atLeast", 90, undefined, seeds(80, 80.1, 80.2), "fails"],
    ["atLeast", 90, undefined, seeds(89, 90.5, 92), "inconclusive"],
    ["atMost", 90, undefined, seeds(89, 90.5, 92), "inconclusive"],
    ["equals", 90, 5, seeds(90, 90.1, 90.2), "holds"],
    ["equals", 90, 5, seeds(98, 98.1, 98.2), "fails"],
    ["equals", 90, 5, seeds(94, 95, 96), "inconclusive"],
    ["atLeast", 90, undefined, seeds(99), "inconclusive"],
    ["atLeast", 90, undefined, exactly(Number.NaN), "inconclusive"],
    ["atLeast", 90, undefined, seeds(99, 99, Number.NaN), "inconclusive"],
    ["atLeast", 90, undefined, seeds(99, 99, Number.POSITIVE_INFINITY), "inconclusive"],
  ] as const)("%s %d (± %s) against %o: %s", (direction, figure, tolerance, measurement, verdict) => {
    expect(verdictOf(claim(direction, figure, tolerance), measurement)).toBe(verdict);
  });

  it("never calls a mean on the wrong side holding, nor one on the right side failing", () => {
    const numbers = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(numbers, { minLength: 1, maxLength: 20 }), numbers, (values, figure) => {
        const measurement = seeds(...values);
        const least = verdictOf(claim("atLeast", figure), measurement);
        const most = verdictOf(claim("atMost", figure), measurement);
        if (measurement.mean < figure) expect(least).not.toBe("holds");
        if (measurement.mean > figure) expect(least).not.toBe("fails");
        // The two sides mirror each other, but for an interval that is exactly the figure, where both hold.
        const opposite = { holds: "fails", fails: "holds", inconclusive: "inconclusive" } as const;
        const [low, high] = interval(measurement);
        if (low !== figure && high !== figure) expect(most).toBe(opposite[least]);
      }),
    );
  });
});

describe("paper", () => {
  const facts = {
    number: 6,
    slug: "p",
    title: "P",
    year: 2024,
    source: "here",
    abstract: "…",
    seeds: { smoke: 1, small: 3, full: 5 },
    claims: { size: claim("equals", 1), quality: claim("atLeast", 2) },
  };

  it("keeps what it is given, and the names of its claims", () => {
    const study = paper({ ...facts, run: async () => ({ size: exactly(1), quality: exactly(2) }) });
    expect(study.claims).toBe(facts.claims);
    expectTypeOf<keyof typeof study.claims>().toEqualTypeOf<"size" | "quality">();
    expectTypeOf(study.run).returns.resolves.toHaveProperty("size").toEqualTypeOf<Measurement>();
  });

  it("does not compile with a claim forgotten, misspelt or unmeasured", () => {
    // @ts-expect-error quality is missing
    paper({ ...facts, run: async () => ({ size: exactly(1) }) });
    // @ts-expect-error quality is misspelt
    paper({ ...facts, run: async () => ({ size: exactly(1), qualty: exactly(1) }) });
    // @ts-expect-error a number is no measurement
    paper({ ...facts, run: async () => ({ size: exactly(1), quality: 2 }) });
    // @ts-expect-error a direction that there is not
    const wrong: Claim = { ...claim("equals", 1), direction: "near" };
    expect(wrong.direction).toBe("near");
  });
});
