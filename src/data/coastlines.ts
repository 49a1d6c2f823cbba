/** The land of the Earth, from Natural Earth's coastlines. */
import { z } from "zod";
import { type Availability, checkDataFiles, loadDataFile } from "./cache.ts";
import { checked } from "./checked.ts";
import type { DownloadOptions } from "./download.ts";
import { hashOf, normalPair } from "./hash.ts";
import type { DataFile, DataSource } from "./sources.ts";

const files = {
  "110m": {
    name: "land-110m.json",
    bytes: 55_207,
    sha256: "ead5f68119c49a9250902e7da303bcb209341bbb8fefe7369a439b48b704658a",
  },
  "50m": {
    name: "land-50m.json",
    bytes: 545_534,
    sha256: "619477ff690c086885e45cb91707d783805561bd75ae8e437b7d4694b0204e0f",
  },
} as const satisfies Record<string, DataFile>;

/** Natural Earth as TopoJSON, in the public domain; packed by Bostock. */
export const coastlineSource: DataSource & { readonly files: readonly DataFile[] } = {
  name: "world-atlas",
  home: "https://github.com/topojson/world-atlas",
  mirrors: ["https://cdn.jsdelivr.net/npm/world-atlas@2.0.2/", "https://unpkg.com/world-atlas@2.0.2/"],
  npm: { name: "world-atlas", folder: "." },
  files: Object.values(files),
};

/** Scale of the map that the coastlines are drawn for: 1:110 million or 1:50 million. */
export type CoastlineScale = keyof typeof files;

/** Whether the coastlines are on this machine. */
export const coastlinesAvailable = (scale: CoastlineScale = "110m"): Availability =>
  checkDataFiles(coastlineSource, [files[scale]]);

const arcs = z.array(z.array(z.tuple([z.number(), z.number()]).rest(z.number())));
const topology = z.object({
  transform: z.object({ scale: z.tuple([z.number(), z.number()]), translate: z.tuple([z.number(), z.number()]) }),
  arcs,
  objects: z.object({
    land: z.object({
      geometries: z.array(z.object({ type: z.literal("MultiPolygon"), arcs: z.array(z.array(z.array(z.number()))) })),
    }),
  }),
});

/** Where there is land. */
export interface Land {
  /** True on land; degrees, the latitude from -90 to 90. Edges of coastlines are straight in longitude and latitude. */
  contains(longitude: number, latitude: number): boolean;
}

/** Loads the land. Throws one sentence if its file is nowhere or is not the published one. */
export async function loadLand(scale: CoastlineScale = "110m", options: DownloadOptions = {}): Promise<Land> {
  const file = files[scale];
  const text = new TextDecoder().decode(await loadDataFile(coastlineSource, file, options));
  const map = checked(topology, JSON.parse(text), file.name);
  const lines = map.arcs.map((arc) => decodeArc(arc as readonly (readonly number[])[], map.transform));
  return landOf(
    map.objects.land.geometries.flatMap((geometry) =>
      geometry.arcs.flatMap((polygon) => polygon.map((ring) => joinArcs(ring, lines))),
    ),
  );
}

type Point = readonly [longitude: number, latitude: number];

/** Points of an arc, which are whole numbers, each but the first as a difference from the one before. */
function decodeArc(
  arc: readonly (readonly number[])[],
  { scale, translate }: { readonly scale: Point; readonly translate: Point },
): Point[] {
  let [x, y] = [0, 0];
  return arc.map(([dx, dy]) => {
    x += dx as number;
    y += dy as number;
    return [x * scale[0] + translate[0], y * scale[1] + translate[1]];
  });
}

/** A ring from its arcs; `~i` is arc i backwards. Arcs that meet share a point. */
const joinArcs = (indices: readonly number[], lines: readonly (readonly Point[])[]): Point[] =>
  indices.flatMap((index, i) => {
    const arc = index < 0 ? [...(lines[~index] as readonly Point[])].reverse() : (lines[index] as readonly Point[]);
    return i === 0 ? arc : arc.slice(1);
  });

/**
 * The land within rings, by the rule of even and odd. A ring may cross the date line, where its longitudes jump by 360
 * degrees; one that goes around the pole is closed along the south pole if it lies in the south, else along the north pole.
 */
export function landOf(rings: readonly (readonly Point[])[]): Land {
  const flat = rings.map(unwind).map((points) => {
    const xs = Float64Array.from(points, ([x]) => x);
    const ys = Float64Array.from(points, ([, y]) => y);
    return { xs, ys, west: Math.min(...xs), east: Math.max(...xs), south: Math.min(...ys), north: Math.max(...ys) };
  });
  return {
    contains(longitude, latitude) {
      if (!(latitude >= -90 && latitude <= 90))
        throw new RangeError(`land: expected a latitude from -90 to 90 degrees, got ${latitude}`);
      let inside = false;
      for (const { xs, ys, west, east, south, north } of flat) {
        if (latitude < south || latitude > north) continue;
        // The longitudes of an unwound ring may lie whole turns away.
        const first = longitude - 360 * Math.floor((longitude - west) / 360);
        for (let x = first; x <= east; x += 360) if (crossings(xs, ys, x, latitude)) inside = !inside;
      }
      return inside;
    },
  };
}

/** Longitudes without jumps; a ring around a pole is led along that pole back to its beginning. */
function unwind(ring: readonly Point[]): Point[] {
  let turn = 0;
  const points = ring.map(([x, y], i): Point => {
    const before = ring[i - 1];
    if (before && x - before[0] > 180) turn -= 360;
    if (before && x - before[0] < -180) turn += 360;
    return [x + turn, y];
  });
  const [first, last] = [points[0] as Point, points.at(-1) as Point];
  if (Math.abs(last[0] - first[0]) < 180) return points;
  const pole = ring.reduce((total, [, y]) => total + y, 0) < 0 ? -90 : 90;
  return [...points, [last[0], pole], [first[0], pole], first];
}

/** Whether a line from a point to the east crosses a ring an odd number of times. */
function crossings(xs: Float64Array, ys: Float64Array, x: number, y: number): boolean {
  let odd = false;
  for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
    const [yi, yj] = [ys[i] as number, ys[j] as number];
    if (yi > y === yj > y) continue;
    const [xi, xj] = [xs[i] as number, xs[j] as number];
    if (x < xi + ((y - yi) / (yj - yi)) * (xj - xi)) odd = !odd;
  }
  return odd;
}

/**
 * Points spread evenly over the sphere in degrees, `[longitude, latitude]` each: the spiral whose latitudes cut it into equal
 * areas and whose longitudes step by the golden section. Source: Swinbank and Purser 2006, "Fibonacci grids".
 */
export function fibonacciLattice(count: number): readonly Point[] {
  const golden = (1 + Math.sqrt(5)) / 2;
  return Array.from({ length: count }, (_, i) => {
    const latitude = (Math.asin((2 * i + 1) / count - 1) * 180) / Math.PI;
    return [360 * ((i / golden) % 1) - 180, latitude];
  });
}

/** Points drawn evenly from the sphere in degrees, a function of the seed. */
export function spherePoints(count: number, seed: number): readonly Point[] {
  return Array.from({ length: count }, (_, i) => {
    const [x, y] = normalPair(hashOf(seed, i, 0));
    const [zed] = normalPair(hashOf(seed, i, 1));
    return [(Math.atan2(y, x) * 180) / Math.PI, (Math.atan2(zed, Math.hypot(x, y)) * 180) / Math.PI];
  });
}
