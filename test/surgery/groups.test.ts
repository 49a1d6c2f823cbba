import { describe, expect, it } from "vitest";
import {
  balancedKMeans,
  coactivationGroups,
  inertiaOf,
  meansOf,
  membersOf,
  randomGroups,
  togetherWithin,
} from "../../src/surgery/groups.ts";

/** Points around four corners of a square, in an order that mixes them. */
const corners = [
  [0, 0],
  [10, 0],
  [0, 10],
  [10, 10],
];
const points = Float32Array.from(
  Array.from({ length: 40 }, (_, i) =>
    (corners[(i * 7) % 4] as number[]).map((c, k) => c + Math.sin(31 * i + k)),
  ).flat(),
);
const sizes = (groups: Int32Array): number[] => membersOf(groups).map((members) => members.length);

describe("randomGroups", () => {
  it("are equal, and the same for a seed", () => {
    expect(sizes(randomGroups(24, 4, 1))).toEqual([6, 6, 6, 6]);
    expect(randomGroups(24, 4, 1)).toEqual(randomGroups(24, 4, 1));
    expect(randomGroups(24, 4, 2)).not.toEqual(randomGroups(24, 4, 1));
    expect(() => randomGroups(24, 5, 1)).toThrow("24 units cannot be cut into 5 equal groups");
  });
});

describe("balancedKMeans", () => {
  it("finds groups that are there", () => {
    const { groups } = balancedKMeans(points, 2, 4);
    expect(sizes(groups)).toEqual([10, 10, 10, 10]);
    for (const members of membersOf(groups)) expect(new Set(members.map((unit) => (unit * 7) % 4)).size).toBe(1);
  });

  it("is equal where nature is not, and never worse than chance", () => {
    const draw = Float32Array.from({ length: 300 }, (_, i) => Math.sin(i * i) * (i % 3 === 0 ? 5 : 1));
    for (const seed of [0, 1, 2]) {
      const { groups, inertia } = balancedKMeans(draw, 3, 10, { seed });
      expect(sizes(groups)).toEqual(Array(10).fill(10));
      expect(inertia).toBeCloseTo(inertiaOf(draw, 3, groups, meansOf(draw, 3, groups, 10)), 3);
      const chance = randomGroups(100, 10, seed);
      expect(inertia).toBeLessThan(inertiaOf(draw, 3, chance, meansOf(draw, 3, chance, 10)));
    }
  });
});

describe("coactivationGroups", () => {
  const planted = Array.from({ length: 24 }, (_, unit) => (unit * 5) % 4);
  const together = Float32Array.from({ length: 24 * 24 }, (_, pair) => {
    const [a, b] = [Math.floor(pair / 24), pair % 24];
    return (planted[a] === planted[b] ? 10 : 1) + (a === b ? a : 0);
  });

  it("finds units that are active together", () => {
    const groups = coactivationGroups(together, 4);
    expect(sizes(groups)).toEqual([6, 6, 6, 6]);
    for (const members of membersOf(groups)) expect(new Set(members.map((unit) => planted[unit])).size).toBe(1);
    // 24 · 5 pairs of 10 within, of those and 24 · 18 pairs of 1.
    expect(togetherWithin(together, groups)).toBeCloseTo(1200 / (1200 + 432), 6);
  });

  it("brings more together than chance where nothing was planted", () => {
    const noise = Float32Array.from({ length: 24 * 24 }, (_, pair) => {
      const [a, b] = [Math.floor(pair / 24), pair % 24];
      return Math.abs(Math.sin((a + 1) * (b + 1) * 17));
    });
    expect(togetherWithin(noise, coactivationGroups(noise, 4))).toBeGreaterThan(
      togetherWithin(noise, randomGroups(24, 4, 0)),
    );
  });
});
