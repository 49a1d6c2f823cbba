import { describe, expect, it } from "vitest";
import { evaluate, type Tensor, tensor } from "../../src/array/index.ts";
import { dct, idct } from "../../src/spectral/index.ts";

const values = (x: Tensor): number[] => Array.from(x.data as Float64Array, Number);
const numbers = (count: number) => Float64Array.from({ length: count }, (_, i) => Math.sin(i * i + 2));

describe("dct", () => {
  it.each([1, 2, 7, 8, 64])("is the orthonormal sum of cosines, for %i points, and inverts", async (n) => {
    const x = tensor(numbers(3 * n), { shape: [3, n] });
    const z = await evaluate(dct(x));
    const expected = Array.from({ length: 3 * n }, (_, i) => {
      const [row, k] = [Math.floor(i / n), i % n];
      let total = 0;
      for (let t = 0; t < n; t++)
        total += (numbers(3 * n)[row * n + t] as number) * Math.cos((Math.PI * k * (2 * t + 1)) / (2 * n));
      return total * Math.sqrt((k === 0 ? 1 : 2) / n);
    });
    for (const [i, value] of values(z).entries()) expect(value).toBeCloseTo(expected[i] as number, 11);
    const power = (list: readonly number[]) => list.reduce((total, v) => total + v * v, 0);
    expect(power(values(z))).toBeCloseTo(power(values(x)), 10);
    const back = values(await evaluate(idct(z)));
    for (const [i, value] of back.entries()) expect(value).toBeCloseTo(values(x)[i] as number, 12);
  });
  it("keeps the lowest frequencies along any axis", async () => {
    const x = tensor(numbers(4 * 6 * 5), { shape: [4, 6, 5] });
    for (const axis of [0, 1, 2, -1]) {
      const all = await evaluate(dct(x, { axis }));
      const few = await evaluate(dct(x, { axis, frequencies: 3 }));
      const at = axis < 0 ? axis + 3 : axis;
      expect(few.shape).toEqual(x.shape.map((n, i) => (i === at ? 3 : n)));
      const strides = (shape: readonly number[]) => shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
      values(few).forEach((value, i) => {
        const index = strides(few.shape).map((stride, j) => Math.floor(i / stride) % (few.shape[j] as number));
        const there = strides(x.shape).reduce((total, stride, j) => total + stride * (index[j] as number), 0);
        expect(value).toBeCloseTo(values(all)[there] as number, 12);
      });
      expect((await evaluate(idct(few, { axis, length: 7 }))).shape).toEqual(x.shape.map((n, i) => (i === at ? 7 : n)));
    }
  });
  it("names what is wrong", () => {
    const x = tensor(numbers(6), { shape: [6] });
    expect(() => dct(x, { frequencies: 7 })).toThrow("frequencies must be a whole number from 1 to 6, got 7");
    expect(() => idct(x, { length: 4 })).toThrow(
      "frequencies for a length of 4 must be a whole number from 1 to 4, got 6",
    );
  });
});
