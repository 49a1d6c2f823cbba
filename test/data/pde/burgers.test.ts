import { describe, expect, it } from "vitest";
import { burgers1d } from "../../../src/data/index.ts";
import { hasPublished, readPublished } from "./published.ts";

const viscosity = 0.02;
/** `u = -2ν·φ'/φ` with φ a solution of the heat equation (Hopf 1950, Cole 1951). */
function exact(x: number, t: number): number {
  const k = 2 * Math.PI;
  const [a, b] = [0.7 * Math.exp(-viscosity * k ** 2 * t), 0.2 * Math.exp(-4 * viscosity * k ** 2 * t)];
  const phi = 1 + a * Math.cos(k * x) + b * Math.sin(2 * k * x);
  return (-2 * viscosity * k * (-a * Math.sin(k * x) + 2 * b * Math.cos(2 * k * x))) / phi;
}
const sampled = (size: number, t: number) => Float64Array.from({ length: size }, (_, i) => exact(i / size, t));
const errorOf = (size: number, steps: number): number => {
  const u = burgers1d({ size, viscosity }).advance(sampled(size, 0), { dt: 0.5 / steps, steps });
  return Math.max(...Array.from(sampled(size, 0.5), (value, i) => Math.abs(value - (u[i] as number))));
};

describe("burgers1d", () => {
  it("converges faster than any power of the grid", () => {
    const [rough, middle, fine] = [16, 32, 64].map((size) => errorOf(size, 400)) as [number, number, number];
    expect(rough / middle).toBeGreaterThan(40);
    expect(middle / fine).toBeGreaterThan(1000);
    expect(fine).toBeLessThan(1e-11);
  });
  it("is of order 4 in time", () => {
    const [coarse, fine] = [errorOf(128, 16), errorOf(128, 32)];
    expect(Math.log2(coarse / fine)).toBeGreaterThan(3.7);
    expect(Math.log2(coarse / fine)).toBeLessThan(4.5);
  });
  it("refuses states of another size, and says when it blows up", () => {
    const solver = burgers1d({ size: 16, viscosity: 1e-4 });
    expect(() => solver.advance(new Float64Array(8), { dt: 0.1, steps: 1 })).toThrow("expected 16 values, got 8");
    const wild = Float64Array.from({ length: 16 }, (_, i) => 100 * Math.sin((2 * Math.PI * i) / 16));
    expect(() => solver.advance(wild, { dt: 1, steps: 200 })).toThrow("blown up within 200 steps of 1");
  });
  it.runIf(hasPublished)("gives published solutions from their 16 points", () => {
    const [from, to] = [readPublished("burgers_train_16.x.npy"), readPublished("burgers_train_16.y.npy")];
    const solver = burgers1d({ size: 128, viscosity: 0.01 });
    const errors = Array.from({ length: 20 }, (_, sample) => {
      const start = interpolated((i) => from(sample, i), 128);
      const end = solver.advance(start, { dt: 1 / 400, steps: 400 });
      const [error, size] = [0, 1].map((kind) =>
        Array.from({ length: 16 }, (_, i) => to(sample, 16, i) - (kind === 0 ? (end[8 * i] as number) : 0))
          .map((v) => v ** 2)
          .reduce((a, b) => a + b),
      ) as [number, number];
      return Math.sqrt(error / size);
    }).sort((a, b) => a - b);
    // What lies between 16 points is not known, and with another viscosity or length they differ by a third and more.
    expect(errors[10]).toBeLessThan(0.03);
  });
});

/** The trigonometric polynomial through 16 values at finer points. */
function interpolated(value: (i: number) => number, size: number): Float64Array {
  return Float64Array.from({ length: size }, (_, at) => {
    let total = 0;
    for (let i = 0; i < 16; i++) {
      const distance = 2 * Math.PI * (at / size - i / 16);
      for (let k = -8; k <= 8; k++) total += ((Math.abs(k) === 8 ? 0.5 : 1) * value(i) * Math.cos(k * distance)) / 16;
    }
    return total;
  });
}
