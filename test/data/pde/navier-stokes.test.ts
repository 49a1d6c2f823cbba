import { describe, expect, it } from "vitest";
import { navierStokes2d, periodicField2d } from "../../../src/data/index.ts";

const grid = (size: number, fn: (x: number, y: number) => number): Float64Array =>
  Float64Array.from({ length: size * size }, (_, i) => fn((i % size) / size, Math.floor(i / size) / size));
const largest = (a: Float64Array, b: Float64Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);
const k = 2 * Math.PI;

describe("navierStokes2d", () => {
  it("lets Taylor and Green's vortices decay at the exact rate", () => {
    const start = grid(32, (x, y) => Math.cos(k * x) * Math.cos(k * y) + 0.5 * Math.sin(k * (x + y)));
    const end = navierStokes2d({ size: 32, viscosity: 0.01, drag: 0.1 }).advance(start, { dt: 0.05, steps: 20 });
    const factor = Math.exp(-0.01 * 2 * k ** 2 - 0.1);
    expect(
      largest(
        end,
        start.map((w) => factor * w),
      ),
    ).toBeLessThan(1e-13);
  });
  it("keeps a flow that a forcing holds, advection included", () => {
    // ψ = sin x + sin 2y + cos(x + y), ω = -Δψ; forcing = u·∇ω - ν·Δω, term by term. Lengths are in units of 1/2π.
    const viscosity = 0.003;
    const parts = (x: number, y: number) => {
      const s = k * (x + y);
      return {
        w: k ** 2 * (Math.sin(k * x) + 4 * Math.sin(2 * k * y) + 2 * Math.cos(s)),
        wx: k ** 3 * (Math.cos(k * x) - 2 * Math.sin(s)),
        wy: k ** 3 * (8 * Math.cos(2 * k * y) - 2 * Math.sin(s)),
        laplacian: -(k ** 4) * (Math.sin(k * x) + 16 * Math.sin(2 * k * y) + 4 * Math.cos(s)),
        u: k * (2 * Math.cos(2 * k * y) - Math.sin(s)),
        v: -k * (Math.cos(k * x) - Math.sin(s)),
      };
    };
    // Amplitude 0.01, so that the flow is slow enough not to be unstable within the time.
    const a = 0.01;
    const start = grid(32, (x, y) => a * parts(x, y).w);
    const forcing = grid(32, (x, y) => {
      const { u, v, wx, wy, laplacian } = parts(x, y);
      return a ** 2 * (u * wx + v * wy) - viscosity * a * laplacian;
    });
    const solver = navierStokes2d({ size: 32, viscosity, forcing });
    expect(
      largest(
        solver.velocity(start)[0],
        grid(32, (x, y) => a * parts(x, y).u),
      ),
    ).toBeLessThan(1e-13);
    expect(
      largest(
        solver.velocity(start)[1],
        grid(32, (x, y) => a * parts(x, y).v),
      ),
    ).toBeLessThan(1e-13);
    const end = solver.advance(start, { dt: 0.02, steps: 50 });
    expect(largest(end, start)).toBeLessThan(1e-9);
    const unforced = navierStokes2d({ size: 32, viscosity }).advance(start, { dt: 0.02, steps: 50 });
    expect(largest(unforced, start)).toBeGreaterThan(0.1);
  });
  it("keeps energy and enstrophy without friction, to order 4 and better in the step", () => {
    const start = periodicField2d({ alpha: 2.5, tau: 7, scale: 7 ** 1.5, size: 64, seed: 1 });
    const solver = navierStokes2d({ size: 64, viscosity: 0 });
    const begun = solver.advance(start, { dt: 0.01, steps: 0 });
    const totals = (w: Float64Array) => {
      const [u, v] = solver.velocity(w);
      const sum = (fn: (i: number) => number) => Array.from(w, (_, i) => fn(i)).reduce((a, b) => a + b, 0);
      return [sum((i) => (w[i] as number) ** 2), sum((i) => (u[i] as number) ** 2 + (v[i] as number) ** 2)] as const;
    };
    const loss = (steps: number, kind: 0 | 1) =>
      Math.abs(totals(solver.advance(begun, { dt: 2 / steps, steps }))[kind] / totals(begun)[kind] - 1);
    for (const kind of [0, 1] as const) {
      const [coarse, fine] = [loss(16, kind), loss(32, kind)];
      expect(fine).toBeLessThan(1e-4);
      expect(Math.log2(coarse / fine)).toBeGreaterThan(3.7);
    }
  });
  it("is of order 4 in time and converges with the grid faster than any power", () => {
    const flow = (size: number, steps: number) => {
      const field = (fine: number) => periodicField2d({ alpha: 8, tau: 14, scale: 3 * 14 ** 7, size: fine, seed: 2 });
      return navierStokes2d({ size, viscosity: 0.002 }).advance(field(size), { dt: 2 / steps, steps });
    };
    const reference = flow(64, 256);
    const [coarse, fine] = [16, 32].map((steps) => largest(flow(64, steps), reference)) as [number, number];
    expect(Math.log2(coarse / fine)).toBeGreaterThan(3.6);
    const coarsened = (size: number) => grid(size, (x, y) => reference[64 * 64 * y + 64 * x] as number);
    const [rough, finer] = [16, 32].map((size) => largest(flow(size, 256), coarsened(size))) as [number, number];
    expect(rough / finer).toBeGreaterThan(100);
  });
  it("says when it blows up", () => {
    const start = grid(16, (x, y) => 1e4 * (Math.sin(k * x) + Math.cos(2 * k * y) + Math.sin(k * (x + 3 * y))));
    expect(() => navierStokes2d({ size: 16, viscosity: 0 }).advance(start, { dt: 1, steps: 100 })).toThrow("blown up");
    expect(() => navierStokes2d({ size: 16, viscosity: -1 })).toThrow("viscosity must be at least 0");
  });
});
