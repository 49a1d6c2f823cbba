import { describe, expect, it } from "vitest";
import {
  expansion,
  HUBBLE_LENGTH,
  linearMatterPower,
  sphericalBessel,
  transferFunction,
} from "../../src/science/index.ts";

const cosmology = { hubble: 0.7, matter: 0.3009, baryons: 0.05, tilt: 0.96, sigma8: 0.818 };

describe("linearMatterPower", () => {
  it("is within 5 % of a Boltzmann code's, oscillations included", () => {
    const power = linearMatterPower(cosmology);
    // CLASS 2.6.3, linear matter at z = 0 of this cosmology: k in h/Mpc, P in (Mpc/h)³ (LSSTDESC/CCL benchmarks).
    const published: [number, number][] = [
      [1.029127336943e-4, 4.801350687909e2],
      [1.029127336943e-3, 4.290090473386e3],
      [5.157854830527e-3, 1.644856122107e4],
      [1.631056910494e-2, 2.613491714659e4],
      [4.037472396806e-2, 1.545176502313e4],
      [6.873295336991e-2, 1.008680918561e4],
      [1.002164320218e-1, 5.507367293209e3],
      [1.495305716702e-1, 3.155569136401e3],
      [2.010581641222e-1, 1.951384558713e3],
      [5.083486385961e-1, 3.026936037124e2],
      [1.054938642092, 5.925394401916e1],
      [5.163128187874, 1.205130586349],
    ];
    for (const [k, value] of published) expect(Math.abs(power(k) / value - 1)).toBeLessThan(0.05);
  });

  it("has the primordial exponent on the largest scales, and scales with sigma8 squared", () => {
    const power = linearMatterPower(cosmology);
    expect(Math.log(power(2e-6) / power(1e-6)) / Math.LN2).toBeCloseTo(0.96, 3);
    expect(transferFunction(cosmology)(1e-7)).toBeCloseTo(1, 4);
    const twice = linearMatterPower({ ...cosmology, sigma8: 2 * cosmology.sigma8 });
    expect(twice(0.1) / power(0.1)).toBeCloseTo(4, 12);
  });

  it("says what does not fit", () => {
    expect(() => linearMatterPower(cosmology)(0)).toThrow("linearMatterPower: k is above 0, got 0");
    expect(() => transferFunction({ ...cosmology, baryons: 0.4 })).toThrow("expected baryons ≤ matter ≤ 1");
  });
});

describe("expansion", () => {
  it("has the closed forms of a universe of matter alone", () => {
    const { distance, redshift, growth } = expansion({ matter: 1 });
    for (const z of [0, 0.1, 1, 3, 15]) {
      expect(distance(z)).toBeCloseTo(2 * HUBBLE_LENGTH * (1 - 1 / Math.sqrt(1 + z)), 2);
      expect(growth(z)).toBeCloseTo(1 / (1 + z), 6);
      expect(redshift(distance(z))).toBeCloseTo(z, 6);
    }
  });

  it("integrates distances with a cosmological constant", () => {
    const { distance } = expansion({ matter: 0.3 });
    let total = 0;
    for (let i = 0; i < 100_000; i++) total += 1e-5 / Math.sqrt(0.3 * (1 + (i + 0.5) * 1e-5) ** 3 + 0.7);
    expect(distance(1)).toBeCloseTo(HUBBLE_LENGTH * total, 2);
    expect(() => distance(21)).toThrow("redshift is from 0 to 20, got 21");
  });
});

describe("sphericalBessel", () => {
  it("has its closed forms and the sum of its squares", () => {
    for (const x of [1e-5, 0.3, Math.PI, 7, 40, 300, 900]) {
      const j = sphericalBessel(500, x);
      expect(j[0]).toBeCloseTo(Math.sin(x) / x, 13);
      if (x > 0.1) expect(j[2]).toBeCloseTo((3 / x ** 3 - 1 / x) * Math.sin(x) - (3 / x ** 2) * Math.cos(x), 11);
      const squares = j.reduce((total, value, l) => total + (2 * l + 1) * value * value, 0);
      if (x < 400) expect(squares).toBeCloseTo(1, 11);
    }
    expect(Array.from(sphericalBessel(3, 0))).toEqual([1, 0, 0, 0]);
    // j_l = x^l/(2l+1)!! (1 - x²/(2(2l+3)) …)
    expect((sphericalBessel(5, 0.01)[5] as number) / (1e-10 / 10395)).toBeCloseTo(1 - 1e-4 / 26, 8);
    expect(() => sphericalBessel(3, -1)).toThrow("x is at least 0, got -1");
  });
});
