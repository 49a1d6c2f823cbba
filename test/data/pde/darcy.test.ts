import { describe, expect, it } from "vitest";
import { darcyFlow2d } from "../../../src/data/index.ts";
import { hasPublished, readPublished } from "./published.ts";

const grid = (size: number, fn: (x: number, y: number) => number): Float64Array =>
  Float64Array.from({ length: size * size }, (_, i) =>
    fn(((i % size) + 0.5) / size, (Math.floor(i / size) + 0.5) / size),
  );
const largest = (a: Float64Array, b: Float64Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);

describe("darcyFlow2d", () => {
  it("is of order 2 for a smooth medium", () => {
    const p = Math.PI;
    const a = (x: number, y: number) => 2 + Math.sin(2 * x + y);
    const u = (x: number, y: number) => Math.sin(p * x) * Math.sin(2 * p * y);
    // -∇·(a∇u) = -∇a·∇u - a·Δu
    const f = (x: number, y: number) => {
      const slope = Math.cos(2 * x + y);
      const ux = p * Math.cos(p * x) * Math.sin(2 * p * y);
      const uy = 2 * p * Math.sin(p * x) * Math.cos(2 * p * y);
      return -2 * slope * ux - slope * uy + 5 * p ** 2 * a(x, y) * u(x, y);
    };
    const errors = [8, 16, 32].map((size) =>
      largest(darcyFlow2d(grid(size, a), { size, forcing: grid(size, f) }), grid(size, u)),
    ) as [number, number, number];
    for (const [coarse, fine] of [errors.slice(0, 2), errors.slice(1)] as [number, number][]) {
      expect(Math.log2(coarse / fine)).toBeGreaterThan(1.8);
      expect(Math.log2(coarse / fine)).toBeLessThan(2.3);
    }
  });
  it("carries the flow across a jump: the slope falls as the permeability rises", () => {
    const size = 32;
    const u = darcyFlow2d(
      grid(size, (x) => (x < 0.5 ? 1 : 10)),
      { size },
    );
    const at = (column: number) => u[(size / 2) * size + column] as number;
    // Of the flow through the middle of the square, what leaves the left cell enters the right one.
    const [left, right] = [at(size / 2 - 1) - at(size / 2 - 2), at(size / 2 + 1) - at(size / 2)];
    const flux = left * 1 - right * 10;
    expect(Math.abs(flux)).toBeLessThan(3 / size ** 2 + 0.2 * Math.abs(left));
    expect(
      largest(
        u,
        u.map((_, i) => u[(size - 1 - Math.floor(i / size)) * size + (i % size)] as number),
      ),
    ).toBeLessThan(1e-12);
  });
  it("names what is wrong", () => {
    expect(() => darcyFlow2d(new Float64Array(16), { size: 4 })).toThrow(
      "permeability must be above 0, got 0 at cell 0",
    );
    expect(() => darcyFlow2d(new Float64Array(15), { size: 4 })).toThrow("must have 4 x 4 values, got 15");
  });
  it.runIf(hasPublished)("resembles published solutions from their 16 x 16 points, up to the unit of pressure", () => {
    const [from, to] = [readPublished("darcy_train_16.x.npy"), readPublished("darcy_train_16.y.npy")];
    const distance = (sample: number, contrast: number): number => {
      const size = 64;
      const coarse = (i: number) => [Math.floor(Math.floor(i / size) / 4), Math.floor((i % size) / 4)] as const;
      const medium = Float64Array.from({ length: size ** 2 }, (_, i) => (from(sample, ...coarse(i)) ? contrast : 1));
      const u = darcyFlow2d(medium, { size });
      const pairs = Array.from({ length: 256 }, (_, i) => {
        const [y, x] = [Math.floor(i / 16), i % 16];
        return [u[4 * y * size + 4 * x] as number, to(sample, y, x)] as const;
      });
      const dot = (a: 0 | 1, b: 0 | 1) => pairs.reduce((total, pair) => total + pair[a] * pair[b], 0);
      return Math.sqrt(1 - dot(0, 1) ** 2 / (dot(0, 0) * dot(1, 1)));
    };
    const median = (contrast: number) =>
      Array.from({ length: 9 }, (_, sample) => distance(sample, contrast)).sort((a, b) => a - b)[4] as number;
    // The borders between media are known to a sixteenth only; a wrong contrast lies farther off.
    expect(median(10)).toBeLessThan(0.17);
    expect(median(3)).toBeGreaterThan(1.5 * median(10));
  });
});
