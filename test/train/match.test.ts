import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flopCount, key, zeros } from "../../src/array/index.ts";
import { type DecoderConfig, decoder } from "../../src/models/index.ts";
import { hourglassFfn, parameterCount } from "../../src/nn/index.ts";
import { matchBudget } from "../../src/train/index.ts";

describe("matchBudget", () => {
  it("finds what a search of all values finds", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 10, max: 90_000 }),
        (step, slope, target) => {
          const count = (width: number) => width * width + slope * width;
          const all = Array.from({ length: 400 }, (_, i) => (i + 1) * step);
          const nearest = all.reduce((a, b) => (Math.abs(count(b) - target) < Math.abs(count(a) - target) ? b : a));
          const { value, miss, ...found } = matchBudget({ target, count, step, within: Number.POSITIVE_INFINITY });
          expect(value).toBe(nearest);
          expect(found.count).toBe(count(nearest));
          expect(miss).toBeCloseTo((count(nearest) - target) / target, 12);
        },
      ),
    );
  });

  it("takes the smaller of two that are as near, whatever the rounding of their shares", () => {
    expect(matchBudget({ target: 7, count: (width) => 2 * width, within: 1 }).value).toBe(3);
  });

  it("calls the count a few dozen times at most", () => {
    let calls = 0;
    const count = (width: number) => {
      calls++;
      return width;
    };
    expect(matchBudget({ target: 123_456_789, count }).value).toBe(123_456_789);
    expect(calls).toBeLessThan(70);
  });

  it("finds the width of a decoder by its parameters, as a multiple of its heads", () => {
    const heads = 4;
    const blocks = [[{ mixer: { kind: "attention", heads } }, { ffn: { kind: "hourglass", hidden: 32, depth: 2 } }]];
    const body = (width: number) => {
      const config = { vocabulary: 5, context: 8, width, blocks } as DecoderConfig;
      return parameterCount(decoder(config).init(key(0))) - 5 * width;
    };
    const { value, count, miss } = matchBudget({ target: 100_000, count: body, step: 2 * heads });
    expect(value % (2 * heads)).toBe(0);
    // Attention 4d² + 4d, its norm 2d, two networks of 3·32·d weights and a norm d each, the last norm 2d.
    const by = (d: number) => 4 * d * d + 4 * d + 2 * d + 2 * (96 * d + d) + 2 * d;
    expect(count).toBe(by(value));
    expect(Math.abs(miss)).toBeLessThan(0.05);
  });

  it("finds the hidden units of a block by its operations", () => {
    const width = 48;
    const flops = (hidden: number) => {
      const layer = hourglassFfn({ width, hidden, depth: 3 });
      return flopCount((x) => layer.apply(layer.init(key(0)), x), zeros([1, width]));
    };
    // 2·3·depth·width operations for each hidden unit.
    expect(matchBudget({ target: 2 * 3 * 3 * width * 29, count: flops, name: "hidden" })).toEqual({
      value: 29,
      count: 2 * 3 * 3 * width * 29,
      miss: 0,
    });
  });

  it("says in one sentence which values come nearest to an impossible budget", () => {
    const count = (width: number) => 1000 + width * width;
    expect(() => matchBudget({ target: 900, count })).toThrow(
      "matchBudget: no width meets the budget of 900: the smallest, 1, already costs 1001",
    );
    expect(() => matchBudget({ target: 5000, count: (w) => w * w, step: 48, name: "hidden" })).toThrow(
      "matchBudget: no hidden meets the budget of 5000 within 5 %: hidden 48 costs 2304 and hidden 96 costs 9216",
    );
    expect(() => matchBudget({ target: 900, count: () => 7 })).toThrow(/no width meets the budget of 900: at \d+ the/);
    expect(() => matchBudget({ target: 0, count })).toThrow("matchBudget: target must be a positive number, got 0");
    expect(() => matchBudget({ target: 9, count, step: 4, from: 6 })).toThrow("from must be a multiple of the step 4");
    expect(() => matchBudget({ target: 9, count, step: 0.5 })).toThrow("step must be a whole number of at least 1");
  });
});
