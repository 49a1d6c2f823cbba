/** What the client's pages are computed from. */
import { describe, expect, it } from "vitest";
import { studies } from "../../src/papers/index.ts";
import { drawingOf, drawn } from "../../studio/src/diagrams/index.ts";
import { type Shape, WIDTH } from "../../studio/src/diagrams/scene.ts";
import { listAddress } from "../../studio/src/lib/address.ts";
import { axisScale, dashOf, lossFigure } from "../../studio/src/lib/chart.ts";
import { type ClaimJson, claimLine } from "../../studio/src/lib/claims.ts";
import { rateText, WorkPace } from "../../studio/src/lib/pace.ts";
import { readSettings } from "../../studio/src/lib/settings.ts";

const claim: ClaimJson = {
  id: "a",
  text: "a",
  unit: "%",
  where: "abstract",
  verdict: "holds",
  direction: "atLeast",
  published: 90,
  tolerance: 1,
  measured: 95,
  spread: { std: 1, low: 93, high: 97, seeds: 3, exact: false },
};

describe("a claim on a line", () => {
  it("has the published figure left of a larger measurement, and its side open to the right", () => {
    const line = claimLine(claim);
    expect(line?.published).toBeLessThan(line?.interval?.[0] ?? 0);
    expect(line?.side[1]).toBe(1);
    expect(line?.side[0]).toBeLessThan(line?.published ?? 0);
    expect(line?.measured).toBeCloseTo(((line?.interval?.[0] ?? 0) + (line?.interval?.[1] ?? 0)) / 2);
  });

  it("is bounded on both sides where figures must be equal, and open to the left for upper bounds", () => {
    expect(claimLine({ ...claim, direction: "atMost" })?.side[0]).toBe(0);
    const [from, to] = claimLine({ ...claim, direction: "equals" })?.side ?? [0, 0];
    expect(to - from).toBeGreaterThan(0);
    expect(to).toBeLessThan(1);
  });

  it("shows one value in the middle, and none where there is none", () => {
    const spread = { std: 0, low: 5, high: 5, seeds: 1, exact: true };
    const same = claimLine({ ...claim, published: 5, tolerance: 0, measured: 5, spread });
    expect(same?.published).toBeCloseTo(0.5);
    expect(same?.measured).toBe(same?.published);
    expect(same?.interval).toBeNull();
    expect(claimLine({ ...claim, measured: null })?.measured).toBeNull();
    expect(claimLine({ ...claim, published: null })).toBeNull();
  });

  it("is logarithmic where values differ by far", () => {
    const spread = { std: 1, low: 900, high: 1100, seeds: 3, exact: false };
    expect(claimLine({ ...claim, published: 1, tolerance: 0, measured: 1000, spread })?.isLog).toBe(true);
    expect(claimLine(claim)?.isLog).toBe(false);
  });
});

describe("drawings", () => {
  const places = (shape: Shape): readonly (readonly [number, number])[] => {
    switch (shape.type) {
      case "box":
      case "bars":
        return [
          [shape.x, shape.y],
          [shape.x + shape.w, shape.y + shape.h],
        ];
      case "funnel":
        return [
          [shape.x, shape.y - Math.max(shape.from, shape.to) / 2],
          [shape.x + shape.w, shape.y + Math.max(shape.from, shape.to) / 2],
        ];
      case "arrow":
      case "curve":
        return shape.points;
      case "cells":
        return [
          [shape.x, shape.y],
          [shape.x + shape.size * (shape.rows[0]?.length ?? 0), shape.y + shape.size * shape.rows.length],
        ];
      case "dot":
        return [
          [shape.x - shape.r, shape.y - shape.r],
          [shape.x + shape.r, shape.y + shape.r],
        ];
      default:
        return [[shape.x, shape.y]];
    }
  };

  it.each(drawn)("%s stays inside its frame and says what it shows", (slug) => {
    const drawing = drawingOf(slug);
    const { height, shapes } = drawing?.draw() ?? { height: 0, shapes: [] };
    expect(drawing?.caption.length).toBeGreaterThan(40);
    expect(shapes.length).toBeGreaterThan(5);
    const outside = shapes.filter((shape) => places(shape).some(([x, y]) => x < 0 || x > WIDTH || y < 0 || y > height));
    expect(outside).toEqual([]);
  });

  it("are there for every paper that runs, each its own", () => {
    expect(Object.keys(studies).filter((slug) => !drawn.includes(slug))).toEqual([]);
    // Papers may share what they have in common, not the whole picture.
    const shapes = drawn.map(
      (slug) =>
        new Set(
          drawingOf(slug)
            ?.draw()
            .shapes.map((shape) => JSON.stringify(shape)),
        ),
    );
    const alike = drawn.flatMap((slug, i) =>
      drawn.slice(0, i).flatMap((other, j) => {
        const [a, b] = [shapes[i], shapes[j]] as [Set<string>, Set<string>];
        const shared = [...a].filter((shape) => b.has(shape)).length / Math.min(a.size, b.size);
        return shared > 0.5 ? [`${slug} and ${other}: ${Math.round(100 * shared)} % of the shapes`] : [];
      }),
    );
    expect(alike).toEqual([]);
  });

  it("are there only for papers that have one", () => expect(drawingOf("constructor")).toBeUndefined());
});

describe("parts of pages", () => {
  it("leave out of an address what is as by default", () => {
    const plain = { q: "", topic: [], runs: false, from: null, to: null, sort: "trending", page: 1 } as const;
    expect(listAddress({ ...plain, topic: [] })).toBe("/");
    expect(listAddress({ ...plain, q: "a b", sort: "relevance", topic: ["moe", "ffn"], runs: true, page: 2 })).toBe(
      "/?q=a+b&topic=moe&topic=ffn&runs=true&page=2",
    );
  });

  it("tell the rate and the time left from what was done of late", () => {
    const pace = new WorkPace();
    expect(pace.rate).toBe(0);
    for (let i = 0; i <= 10; i++) pace.record(2 * i, i);
    expect(pace.rate).toBeCloseTo(2);
    expect(pace.left(40)).toBeCloseTo(10);
    pace.record(0, 11);
    expect(pace.rate).toBe(0);
    expect(rateText(0.05, "steps")).toBe("3.0 steps/min");
  });

  it("have round ticks inside of their axes", () => {
    const { ticks, at } = axisScale([0.13, 9.7]);
    expect(ticks.map(({ label }) => label)).toEqual(["0", "2", "4", "6", "8", "10"]);
    expect(ticks.every((tick) => tick.at >= 0 && tick.at <= 1)).toBe(true);
    expect(at(9.7)).toBeGreaterThan(at(0.13));
    // A loss that hardly moves: numbers that differ have names that differ.
    const labels = axisScale([5.8778, 5.8791]).ticks.map(({ label }) => label);
    expect(labels).toContain("5.8785");
    expect(new Set(labels).size).toBe(labels.length);
  });

  it("draw losses over steps, each in a line of its own look", () => {
    const curve = (name: string, ...losses: number[]) => ({
      name,
      points: losses.map((loss, i) => [i + 1, loss] as const),
    });
    const figure = lossFigure([curve("dense", 4, 2), curve("sparse", 3)]);
    expect(figure.series[0]).toEqual({
      name: "dense",
      points: [
        { x: 1, y: 4 },
        { x: 2, y: 2 },
      ],
    });
    expect([figure.y.log, lossFigure([curve("far", 4, 0.01)]).y.log]).toEqual([false, true]);
    // A logarithm has no place for it.
    expect(lossFigure([curve("below zero", 4, -1)]).y.log).toBe(false);
    const looks = Array.from({ length: 24 }, (_, i) => `${dashOf(i)} ${i % 8}`);
    expect(new Set(looks).size).toBe(24);
  });

  it("send options that were changed, in their types", () => {
    const data = new FormData();
    data.set("experts", "32");
    data.set("split", "random");
    data.set("rate", "");
    const option = { default: null };
    expect(
      readSettings(data, [
        { ...option, name: "experts", type: "integer", default: 64 },
        { ...option, name: "split", type: "string", default: "random" },
        { ...option, name: "rate", type: "number" },
        { ...option, name: "deep", type: "boolean", default: true },
      ]),
    ).toEqual({ experts: 32, deep: false });
  });
});
