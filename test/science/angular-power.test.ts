import { describe, expect, it } from "vitest";
import {
  flatSky,
  fullSky,
  limber,
  linearMatterPower,
  lineOfSightKernel,
  type Projection,
  powerLaws,
  sumOfPowerLaws,
} from "../../src/science/index.ts";

const power = linearMatterPower({ hubble: 0.7, matter: 0.3, baryons: 0.05, tilt: 0.96, sigma8: 0.8 });
const bump = (center: number, width: number): Projection => ({
  weight: (x) => Math.exp(-(((x - center) / width) ** 2) / 2) / (Math.sqrt(2 * Math.PI) * width),
  range: [center - 6 * width, center + 6 * width],
});

/** Gamma of a real argument above 0, by its product. */
function gamma(x: number): number {
  let [value, y] = [1, x];
  while (y < 20) value /= y++;
  return (
    value * Math.exp((y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * y) - 1 / (360 * y ** 3))
  );
}

describe("powerLaws", () => {
  it("reproduces the points, and what lies between", () => {
    const laws = powerLaws(power, { from: 1e-6, to: 1e3, count: 512, bias: -1.5 });
    for (const m of [0, 100, 333, 511]) {
      const k = 1e-6 * Math.exp((m * Math.log(1e9)) / 512);
      // Roundings are of the size of the largest of what is transformed, the spectrum over k^bias.
      const error = (sumOfPowerLaws(laws, k) - power(k)) * k ** 1.5;
      expect(Math.abs(error) / (power(0.06) * 0.06 ** 1.5)).toBeLessThan(1e-12);
    }
    for (const k of [0.01, 0.0777, 0.2]) expect(Math.abs(sumOfPowerLaws(laws, k) / power(k) - 1)).toBeLessThan(1e-5);
  });

  it("says what does not fit", () => {
    const options = { from: 1, to: 10, count: 8, bias: -1 };
    expect(() => powerLaws(() => -1, options)).toThrow("the spectrum is above 0 everywhere, got -1");
    expect(() => powerLaws(power, { ...options, to: 0.5 })).toThrow("expected 0 < from < to, got 1 and 0.5");
    expect(() => powerLaws(power, { ...options, count: 7 })).toThrow("count is an even whole number");
  });
});

describe("lineOfSightKernel", () => {
  it("is the integral over the modes along the line of sight, for real and complex exponents", () => {
    for (const [re, im] of [
      [-3.2, 0],
      [-3.5, 4],
      [-4, 11],
    ] as const) {
      for (const t of [0.4, 1.99, 2.01, 5]) {
        let [a, b] = [0, 0];
        const step = 1e-3;
        for (let i = 0; i < 400_000; i++) {
          const q = (i + 0.5) * step;
          const log = Math.log1p(q * q) / 2;
          const size = (step / Math.PI) * Math.exp(re * log) * Math.cos(q * t);
          a += size * Math.cos(im * log);
          b += size * Math.sin(im * log);
        }
        const kernel = lineOfSightKernel({ re, im }, t);
        expect(Math.abs(kernel.re - a)).toBeLessThan(3e-8);
        expect(Math.abs(kernel.im - b)).toBeLessThan(3e-8);
      }
    }
  });

  it("is continuous where the series ends, for high frequencies too", () => {
    for (const im of [20, 60, 120]) {
      const [below, above] = [2 - 1e-9, 2].map((t) => lineOfSightKernel({ re: -1.5, im }, t));
      expect(Math.abs((below as { re: number }).re - (above as { re: number }).re)).toBeLessThan(1e-9);
      expect(Math.abs((below as { im: number }).im - (above as { im: number }).im)).toBeLessThan(1e-9);
    }
  });

  it("at no separation gives the ratios of full to flat sky that are known for power laws", () => {
    const ratio = (n: number, l: number) => {
      // 2/π ∫ k^(2+n) j_l² dk, and the flat form at a = l + 1/2.
      const full =
        (2 ** (n + 1) * gamma(l + (n + 3) / 2) * gamma(-1 - n)) / (gamma(l + (1 - n) / 2) * gamma(-n / 2) ** 2);
      return full / ((l + 0.5) ** (n + 1) * lineOfSightKernel({ re: n, im: 0 }, 1e-8).re);
    };
    for (const l of [2, 10, 100]) expect(ratio(-2, l)).toBeCloseTo(1, 7);
    expect(ratio(-2.5, 2)).toBeCloseTo(1.012571, 6);
    expect(ratio(-2.5, 10)).toBeCloseTo(1.000709, 6);
    expect(ratio(-2.5, 100)).toBeCloseTo(1.0000077, 7);
  });
});

describe("angular power", () => {
  it("of P = 1/k² is that of the known kernel, on the full and on the flat sky", () => {
    const pair = [bump(1000, 60), bump(1100, 80)] as const;
    const degrees = [2, 10, 60];
    // C_l(x, x') = (x_</x_>)^l/((2l + 1) x_>)
    const direct = degrees.map((l) => {
      const count = 600;
      let total = 0;
      for (let i = 0; i < count; i++) {
        const x = 640 + ((i + 0.5) * 720) / count;
        for (let j = 0; j < count; j++) {
          const y = 620 + ((j + 0.5) * 960) / count;
          const kernel = Math.min(x / y, y / x) ** l / ((2 * l + 1) * Math.max(x, y));
          total += ((720 * 960) / count ** 2) * pair[0].weight(x) * pair[1].weight(y) * kernel;
        }
      }
      return total;
    });
    const inverse = (k: number) => 1 / (k * k);
    const full = fullSky(inverse, pair, { degrees, most: 0.2 });
    const laws = powerLaws(inverse, { from: 1e-3, to: 1, count: 8, bias: -2 });
    const flat = flatSky(laws, pair, { degrees });
    direct.forEach((value, i) => {
      expect(Math.abs((full[i] as number) / value - 1)).toBeLessThan(1e-4);
      expect(Math.abs((flat[i] as number) / value - 1)).toBeLessThan(1e-4);
    });
  });

  it("agrees in all three ways where all are right, and is settled", () => {
    const pair = [bump(1500, 150), bump(1500, 150)] as const;
    const degrees = [60, 100];
    const most = 0.3;
    const full = fullSky(power, pair, { degrees, most });
    const finer = fullSky(power, pair, { degrees, most: 0.4, oversampling: 3 });
    const laws = powerLaws(power, { from: 1e-6, to: 1e3, count: 512, bias: -1.5 });
    const other = powerLaws(power, { from: 1e-5, to: 1e4, count: 640, bias: -1.8 });
    const flat = flatSky(laws, pair, { degrees });
    const moved = flatSky(other, pair, { degrees, points: 160 });
    const near = limber(power, pair, { degrees });
    degrees.forEach((_, i) => {
      const ratio = (value: number | undefined) => Math.abs((value as number) / (full[i] as number) - 1);
      expect(ratio(finer[i])).toBeLessThan(1e-4);
      expect(ratio(flat[i])).toBeLessThan(1e-3);
      expect(ratio(moved[i])).toBeLessThan(1e-3);
      expect(ratio(near[i])).toBeLessThan(0.03);
    });
  });

  it("of projections that do not overlap is nothing to Limber, and says what does not fit", () => {
    const apart = [bump(1000, 10), bump(1300, 10)] as const;
    expect(limber(power, apart, { degrees: [2] })).toEqual([0]);
    expect(() => limber(power, apart, { degrees: [0] })).toThrow("degrees are whole numbers from 1, got 0");
  });
});
