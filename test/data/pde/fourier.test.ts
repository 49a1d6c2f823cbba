import { describe, expect, it } from "vitest";
import {
  type ComplexArray,
  complexArray,
  fourierPlan,
  shiftedField2d,
  squarePlan,
} from "../../../src/data/pde/fourier.ts";

const filled = (length: number): ComplexArray => ({
  re: Float64Array.from({ length }, (_, i) => Math.sin(i * i + 1)),
  im: Float64Array.from({ length }, (_, i) => Math.cos(3 * i * i)),
});
const largest = (a: Float64Array, b: Float64Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);

/** The sum as it is defined, for `[length, lanes]`. */
function definition(z: ComplexArray, length: number, sign: number): ComplexArray {
  const lanes = z.re.length / length;
  const out = complexArray(z.re.length);
  for (let f = 0; f < length; f++) {
    for (let t = 0; t < length; t++) {
      const angle = (sign * 2 * Math.PI * f * t) / length;
      for (let lane = 0; lane < lanes; lane++) {
        const [a, b] = [z.re[t * lanes + lane] as number, z.im[t * lanes + lane] as number];
        (out.re[f * lanes + lane] as number) += a * Math.cos(angle) - b * Math.sin(angle);
        (out.im[f * lanes + lane] as number) += a * Math.sin(angle) + b * Math.cos(angle);
      }
    }
  }
  return out;
}

describe("fourierPlan", () => {
  it.each([4, 8, 16, 32, 128])("is the sum that defines it, for %i points", (length) => {
    for (const inverse of [false, true]) {
      const z = filled(3 * length);
      const expected = definition(z, length, inverse ? 1 : -1);
      fourierPlan(length).transform(z, { inverse });
      expect(largest(z.re, expected.re)).toBeLessThan(1e-11);
      expect(largest(z.im, expected.im)).toBeLessThan(1e-11);
    }
  });
  it("takes powers of two only", () => {
    expect(() => fourierPlan(12)).toThrow("power of two of at least 4, got 12");
  });
});

describe("squarePlan", () => {
  it("finds a single wave where it belongs, and comes back", () => {
    const [size, kx, ky] = [16, 3, 14];
    const wave = (i: number) => (2 * Math.PI * (kx * (i % size) + ky * Math.floor(i / size))) / size;
    const values = complexArray(size * size);
    for (let i = 0; i < size * size; i++) {
      values.re[i] = Math.cos(wave(i));
      values.im[i] = Math.sin(wave(i));
    }
    const before = { re: Float64Array.from(values.re), im: Float64Array.from(values.im) };
    const spectrum = complexArray(size * size);
    const plan = squarePlan(size);
    plan.forward(values, spectrum);
    const expected = new Float64Array(size * size);
    expected[kx * size + ky] = 1;
    expect(largest(spectrum.re, expected)).toBeLessThan(1e-13);
    plan.inverse(spectrum, values);
    expect(largest(values.re, before.re)).toBeLessThan(1e-13);
    expect(largest(values.im, before.im)).toBeLessThan(1e-13);
  });
});

describe("shiftedField2d", () => {
  it("is the same function at other points", () => {
    const size = 16;
    const field = (shift: number) =>
      Float64Array.from({ length: size * size }, (_, i) => {
        const [y, x] = [(Math.floor(i / size) + shift) / size, ((i % size) + shift) / size];
        return 1 + Math.sin(2 * Math.PI * (3 * x + y)) + Math.cos(2 * Math.PI * 5 * y);
      });
    expect(largest(shiftedField2d(field(0), size, 0.5), field(0.5))).toBeLessThan(1e-13);
  });
});
