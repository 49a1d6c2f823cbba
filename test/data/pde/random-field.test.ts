import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { neumannField2d, periodicField1d, periodicField2d } from "../../../src/data/index.ts";

const spectrum = { alpha: 2.5, tau: 7, scale: 7 ** 1.5 };
const fields = 400;
/** Mean over fields of the square at a point. */
const power = (field: (index: number) => Float64Array, point: number): number =>
  Array.from({ length: fields }, (_, index) => (field(index)[point] as number) ** 2).reduce((a, b) => a + b, 0) /
  fields;
const waves = (size: number) => Array.from({ length: size - 1 }, (_, i) => i + 1 - size / 2);
const strength = (squared: number) => (squared === 0 ? 0 : 7 ** 3 * (squared + 49) ** -2.5);

describe("random fields", () => {
  it("have the variance of their spectrum", () => {
    const [size, unit] = [16, (2 * Math.PI) ** 2];
    const line = waves(size).reduce((total, k) => total + strength(unit * k ** 2), 0);
    const plane = waves(size)
      .flatMap((k) => waves(size).map((l) => strength(unit * (k ** 2 + l ** 2))))
      .reduce((a, b) => a + b, 0);
    // The mean of 400 squares of normal numbers has a standard deviation of 7 %.
    const close = (value: number, expected: number) => expect(Math.abs(value / expected - 1)).toBeLessThan(0.21);
    close(
      power((index) => periodicField1d({ ...spectrum, size, seed: 1, index }), 5),
      line,
    );
    close(
      power((index) => periodicField2d({ ...spectrum, size, seed: 1, index }), 37),
      plane,
    );
    const point = Array.from({ length: size ** 2 }, (_, i) => {
      const [k, l] = [i % size, Math.floor(i / size)];
      const wave = (n: number, x: number) => (n === 0 ? 1 : 2 * Math.cos((Math.PI * n * (x + 0.5)) / size) ** 2);
      return strength(Math.PI ** 2 * (k ** 2 + l ** 2)) * wave(k, 5) * wave(l, 2);
    }).reduce((a, b) => a + b, 0);
    close(
      power((index) => neumannField2d({ ...spectrum, size, seed: 1, index }), 37),
      point,
    );
  });
  it("are the same fields on a finer grid", () => {
    const coarse = periodicField2d({ alpha: 12, tau: 7, scale: 1e9, size: 32, seed: 3 });
    const fine = periodicField2d({ alpha: 12, tau: 7, scale: 1e9, size: 64, seed: 3 });
    const most = coarse.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    coarse.forEach((value, i) => {
      const [y, x] = [Math.floor(i / 32), i % 32];
      expect(Math.abs(value - (fine[2 * y * 64 + 2 * x] as number))).toBeLessThan(1e-7 * most);
    });
  });
  it("are the same to the bit wherever they are made, and differ by seed and index", () => {
    const digest = (options: { seed: number; index: number }) =>
      createHash("sha256")
        .update(new Uint8Array(periodicField2d({ ...spectrum, size: 32, ...options }).buffer))
        .digest("hex")
        .slice(0, 16);
    expect(digest({ seed: 0, index: 0 })).toBe("acc055edfe89f121");
    expect(digest({ seed: 1, index: 0 })).not.toBe(digest({ seed: 0, index: 1 }));
  });
  it("need a finite variance", () => {
    expect(() => periodicField2d({ alpha: 1, tau: 1, size: 8, seed: 0 })).toThrow("alpha must be above 1");
  });
});
