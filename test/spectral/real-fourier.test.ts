import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluate, rfft, type Tensor, tensor } from "../../src/array/index.ts";
import { inverseRealFourier, realFourier } from "../../src/spectral/index.ts";

const values = (x: Tensor): number[] => Array.from(x.data as Float64Array, Number);
const numbers = (count: number) => Float64Array.from({ length: count }, (_, i) => Math.sin(i * i + 2));
const product = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * (b[i] as number), 0);

describe("realFourier", () => {
  it.each([1, 2, 3, 7, 8, 100, 127])("holds the numbers of rfft, weighed, for %i points", async (n) => {
    const x = tensor(numbers(n));
    const { re, im } = await evaluate(rfft(x));
    const found = values(await evaluate(realFourier(x)));
    expect(found).toHaveLength(n);
    found.forEach((value, k) => {
      const f = Math.ceil(k / 2);
      const weight = Math.sqrt((f === 0 || 2 * f === n ? 1 : 2) / n);
      const part = k === 0 || k % 2 === 1 ? re : im;
      expect(value).toBeCloseTo(weight * (values(part)[f] as number), 11);
    });
  });

  it("keeps inner products, and inverts", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), async (n) => {
        const data = numbers(2 * n);
        const x = tensor(data, { shape: [2, n] });
        const z = await evaluate(realFourier(x));
        const rows = (of: readonly number[]) => [of.slice(0, n), of.slice(n)] as const;
        expect(product(...rows(values(z)))).toBeCloseTo(product(...rows(values(x))), 10);
        const back = values(await evaluate(inverseRealFourier(z)));
        for (const [i, value] of back.entries()) expect(value).toBeCloseTo(data[i] as number, 12);
      }),
      { numRuns: 10 },
    );
  });

  it("computes the lowest frequencies alone, along any axis, and takes those that are missing for zeros", async () => {
    const x = tensor(numbers(6 * 5), { shape: [6, 5] });
    const [all, few] = [
      await evaluate(realFourier(x, { axis: 0 })),
      await evaluate(realFourier(x, { axis: 0, coefficients: 3 })),
    ];
    expect(few.shape).toEqual([3, 5]);
    for (const [i, value] of values(few).entries()) expect(value).toBeCloseTo(values(all)[i] as number, 12);
    // A signal of frequency 1 needs no more.
    const wave = tensor(Float64Array.from({ length: 12 }, (_, t) => 2 + Math.cos((2 * Math.PI * t) / 12 + 1)));
    const back = await evaluate(inverseRealFourier(realFourier(wave, { coefficients: 3 }), { length: 12 }));
    for (const [i, value] of values(back).entries()) expect(value).toBeCloseTo(values(wave)[i] as number, 12);
  });

  it("names what is wrong", () => {
    const x = tensor(numbers(6));
    expect(() => realFourier(x, { coefficients: 7 })).toThrow(
      "realFourier: coefficients must be a whole number from 1 to 6, got 7",
    );
    expect(() => inverseRealFourier(x, { length: 4 })).toThrow(
      "coefficients for a length of 4 must be a whole number from 1 to 4, got 6",
    );
  });
});
