import { describe, expect, it } from "vitest";
import { sphereMap } from "../../src/report/index.ts";
import { MAP } from "../../src/report/sphere-map.ts";

const [rows, columns, width] = [60, 120, 240];
const colatitudes = Array.from({ length: rows }, (_, i) => (Math.PI * (i + 0.5)) / rows);
const map = (fn: (theta: number, lambda: number) => number) =>
  sphereMap(
    Array.from({ length: rows * columns }, (_, i) =>
      fn(colatitudes[Math.floor(i / columns)] as number, (2 * Math.PI * (i % columns)) / columns),
    ),
    { colatitudes, longitudes: columns, low: -1, high: 1, width },
  );
/** The value of a pixel that is a colour. */
const valueAt = (pixels: Uint8Array, column: number, row: number): number => {
  const pixel = pixels[row * width + column] as number;
  expect(pixel).toBeGreaterThanOrEqual(MAP.first);
  return (2 * (pixel - MAP.first)) / (255 - MAP.first) - 1;
};

describe("sphereMap", () => {
  it("has north above, east to the right and longitude 0 in the middle", () => {
    const height = map((theta) => Math.cos(theta));
    // The parallel of 30 degrees, where 2t + sin 2t is π/2, lies at y = 0.4040.
    expect(valueAt(height, 130, 60 - Math.round(0.404 * 60) - 2)).toBeCloseTo(0.53, 1);
    expect(valueAt(height, 130, 60 + 40)).toBeLessThan(-0.7);
    const east = map((theta, lambda) => Math.sin(theta) * Math.sin(lambda));
    expect(valueAt(east, 120 + 57, 58)).toBeCloseTo(Math.sin((57.5 / 120) * Math.PI), 1);
    expect(valueAt(east, 120 - 57, 58)).toBeLessThan(-0.9);
    const away = map((theta, lambda) => Math.sin(theta) * Math.cos(lambda));
    expect(valueAt(away, 122, 58)).toBeGreaterThan(0.97);
    expect(valueAt(away, 2, 58)).toBeLessThan(-0.97);
  });
  it("keeps areas: the mean over its colours is the mean over the sphere", () => {
    // The mean of cos² θ is 1/3.
    const pixels = map((theta) => Math.cos(theta) ** 2);
    const inside = pixels.filter((p) => p >= MAP.first).map((p) => p - MAP.first);
    const mean = inside.reduce((total, p) => total + (2 * p) / (255 - MAP.first) - 1, 0) / inside.length;
    expect(mean).toBeCloseTo(1 / 3, 1.5);
    // An ellipse covers π/4 of its frame.
    expect(pixels.filter((p) => p !== MAP.outside).length / pixels.length).toBeCloseTo(Math.PI / 4, 2);
    expect(pixels[0]).toBe(MAP.outside);
    const lines = pixels.filter((p) => p === MAP.line).length / pixels.length;
    expect(lines).toBeGreaterThan(0.02);
    expect(lines).toBeLessThan(0.15);
  });
  it("clips what is out of range and names what does not fit", () => {
    expect(Math.max(...map(() => 7))).toBe(255);
    expect(map(() => -7).includes(MAP.first)).toBe(true);
    const grid = { colatitudes, longitudes: columns, low: 0, high: 1 };
    expect(() => sphereMap([1, 2], { ...grid, width })).toThrow("expected 60 x 120 values, got 2");
    expect(() => sphereMap(new Float64Array(rows * columns), { ...grid, width: 3 })).toThrow(
      "even number of at least 2, got 3",
    );
  });
});
