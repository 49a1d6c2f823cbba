import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { coastlinesAvailable, fibonacciLattice, landOf, loadLand, spherePoints } from "../../src/data/index.ts";

const square = (west: number, south: number, east: number, north: number) =>
  [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ] as const;

describe("landOf", () => {
  it("goes by even and odd, across the date line too", () => {
    const land = landOf([
      square(0, 0, 40, 40),
      square(10, 10, 20, 20),
      [
        [170, -10],
        [-170, -10],
        [-170, 10],
        [170, 10],
        [170, -10],
      ],
    ]);
    expect(land.contains(5, 5)).toBe(true);
    expect(land.contains(15, 15)).toBe(false);
    expect([175, 180, -180, -175].map((x) => land.contains(x, 0))).toEqual([true, true, true, true]);
    expect([165, -165, 0].map((x) => land.contains(x, -5))).toEqual([false, false, false]);
    expect(() => land.contains(0, 91)).toThrow("from -90 to 90 degrees, got 91");
  });
  it("closes a ring around the south pole along it", () => {
    const cap = Array.from({ length: 37 }, (_, i) => [i < 18 ? 10 * i : 10 * i - 360, -70] as const);
    const land = landOf([cap]);
    expect([-179, -90, 0, 45, 179].map((x) => land.contains(x, -85))).toEqual([true, true, true, true, true]);
    expect(land.contains(0, -60)).toBe(false);
  });
});

describe("loadLand", () => {
  it.runIf(coastlinesAvailable().ok)("knows continents and oceans, and their share of the sphere", async () => {
    const land = await loadLand();
    const places = {
      Paris: [2.3, 48.9],
      Sahara: [10, 25],
      Vostok: [106.8, -78.5],
      pole: [0, -90],
      Chukotka: [-175, 67],
    };
    for (const [longitude, latitude] of Object.values(places))
      expect(land.contains(longitude as number, latitude as number)).toBe(true);
    for (const [longitude, latitude] of [
      [-30, 30],
      [180, 0],
      [0, 90],
      [-140, -40],
      [50.5, 42],
    ])
      expect(land.contains(longitude as number, latitude as number)).toBe(false);
    const points = fibonacciLattice(4000);
    // 29.2 % of the Earth is land; the Caspian Sea is left out, lakes are not.
    const share = points.filter(([x, y]) => land.contains(x, y)).length / points.length;
    expect(share).toBeGreaterThan(0.285);
    expect(share).toBeLessThan(0.3);
  });
  it.runIf(coastlinesAvailable().ok)("agrees with a test on the sphere", async () => {
    // d3-geo comes with the library that draws plots.
    const { geoContains } = (await import("d3-geo" as string)) as {
      geoContains(shape: unknown, point: readonly number[]): boolean;
    };
    const path = createRequire(import.meta.url).resolve("world-atlas/land-110m.json");
    const map = JSON.parse(readFileSync(path, "utf8"));
    const lines = (map.arcs as number[][][]).map((arc) => {
      let [x, y] = [0, 0];
      return arc.map(([dx, dy]) => {
        x += dx as number;
        y += dy as number;
        return [
          x * map.transform.scale[0] + map.transform.translate[0],
          y * map.transform.scale[1] + map.transform.translate[1],
        ];
      });
    });
    const ring = (indices: number[]) =>
      indices.flatMap((index, i) => {
        const arc = index < 0 ? [...(lines[~index] as number[][])].reverse() : (lines[index] as number[][]);
        return i === 0 ? arc : arc.slice(1);
      });
    const coordinates = map.objects.land.geometries[0].arcs.map((polygon: number[][]) => polygon.map(ring));
    const land = await loadLand();
    const points = spherePoints(400, 1);
    const agreeing = points.filter(
      ([x, y]) => land.contains(x, y) === geoContains({ type: "MultiPolygon", coordinates }, [x, y]),
    );
    // Edges are great circles there and straight lines here.
    expect(agreeing.length).toBeGreaterThanOrEqual(398);
  });
});

describe("points on the sphere", () => {
  it("are spread evenly", () => {
    for (const points of [fibonacciLattice(2000), spherePoints(20_000, 3)]) {
      const share = points.filter(([, latitude]) => Math.abs(latitude) < 30).length / points.length;
      expect(Math.abs(share - 0.5)).toBeLessThan(0.012);
      expect(Math.abs(points.filter(([longitude]) => longitude > 0).length / points.length - 0.5)).toBeLessThan(0.012);
    }
  });
});
