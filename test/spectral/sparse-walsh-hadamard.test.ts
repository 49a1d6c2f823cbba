import { describe, expect, it } from "vitest";
import {
  densityEvolutionThreshold,
  dot,
  fwht,
  hadamardBins,
  multiplyTransposed,
  randomGroups,
  type SparseHadamardOptions,
  sparseWalshHadamard,
} from "../../src/spectral/index.ts";
import { numbers } from "../array/check.ts";

/** `count` coefficients at random indices, of sizes from 0.5 to 2 and both signs, and the signal that has them. */
function sparse(bits: number, count: number, seed: number) {
  const next = numbers(seed);
  const uniform = () => (next() + 1) / 2;
  const spectrum = new Float64Array(2 ** bits);
  for (let placed = 0; placed < count; ) {
    const index = Math.floor(uniform() * 2 ** bits);
    if (spectrum[index] !== 0) continue;
    spectrum[index] = Math.sign(next()) * (0.5 + 1.5 * uniform());
    placed++;
  }
  const signal = fwht(spectrum.slice()).map((value) => value / Math.sqrt(2 ** bits));
  return { spectrum, signal };
}

/** A normal number of mean 0 and variance 1. */
function normals(seed: number): () => number {
  const next = numbers(seed);
  return () => Math.sqrt(-2 * Math.log((1 - next()) / 2)) * Math.cos(Math.PI * next());
}

const recovers = (bits: number, count: number, seed: number, options: Omit<SparseHadamardOptions, "bits">) => {
  const { spectrum, signal } = sparse(bits, count, seed);
  const found = sparseWalshHadamard(signal, { bits, ...options });
  const full = fwht(signal.slice()).map((value) => value / Math.sqrt(2 ** bits));
  const isExact =
    found.indices.length === count &&
    found.indices.every((index, i) => Math.abs((full[index] as number) - (found.values[i] as number)) < 1e-9) &&
    found.indices.every((index) => spectrum[index] !== 0);
  return { isExact, found };
};

describe("sparseWalshHadamard", () => {
  it.each([
    [12, 4, 24],
    [15, 5, 48],
    [18, 6, 100],
  ])(
    "finds the coefficients that the full transform has: 2^%i elements, 2^%i bins, %i coefficients",
    (bits, binBits, count) => {
      let exact = 0;
      for (let seed = 0; seed < 10; seed++) {
        const { isExact, found } = recovers(bits, count, seed, { binBits });
        if (isExact) exact++;
        // What it does not find it admits.
        expect(found.undecoded === 0).toBe(isExact);
        expect(found.residual > 0.1).toBe(!isExact);
      }
      expect(exact).toBeGreaterThanOrEqual(9);
    },
  );

  it.each([
    [12, 624, 358],
    [15, 1536, 949],
    [18, 3648, 2350],
  ])("asks for 3·2^(n/3)·(n + 1) samples without noise, n = %i: %i, of which %i differ", (bits, requests, distinct) => {
    const { signal } = sparse(bits, 5, 1);
    const asked: number[] = [];
    const wrapped = (index: number) => {
      asked.push(index);
      return signal[index] as number;
    };
    const found = sparseWalshHadamard(wrapped, { bits, binBits: bits / 3 });
    expect([asked.length, found.requests, new Set(asked).size]).toEqual([requests, requests, distinct]);
    expect(found.indices.length).toBe(5);
  });

  it("sums the spectrum into bins as the aliasing identity says, for any matrix and shifts", () => {
    const bits = 9;
    const next = numbers(8);
    const signal = Float64Array.from({ length: 2 ** bits }, next);
    const spectrum = fwht(signal.slice()).map((value) => value / Math.sqrt(2 ** bits));
    const offsets = Uint32Array.from([0, 1, 77, 300, 511]);
    for (const columns of randomGroups(3, { bits, binBits: 4, seed: 5 })) {
      const sums = hadamardBins(signal, { bits, columns, offsets });
      const expected = new Float64Array(sums.length);
      spectrum.forEach((value, k) => {
        offsets.forEach((offset, p) => {
          const place = multiplyTransposed(columns, k) * offsets.length + p;
          expected[place] = (expected[place] as number) + (dot(offset, k) === 1 ? -value : value);
        });
      });
      expect(sums.every((value, i) => Math.abs(value - (expected[i] as number)) < 1e-9)).toBe(true);
    }
  });

  it("finds spectra whose indices share bits with random groups, which groups of bits cannot", () => {
    const bits = 15;
    const spectrum = new Float64Array(2 ** bits);
    // All indices agree in the lower ten bits.
    for (let i = 0; i < 24; i++) spectrum[(i << 10) + 5] = 1 + i / 10;
    const signal = fwht(spectrum.slice()).map((value) => value / Math.sqrt(2 ** bits));
    const byBits = sparseWalshHadamard(signal, { bits, binBits: 5 });
    const byChance = sparseWalshHadamard(signal, {
      bits,
      binBits: 5,
      groups: randomGroups(3, { bits, binBits: 5, seed: 1 }),
    });
    expect(byChance.undecoded).toBe(0);
    expect(Array.from(byChance.indices)).toEqual(Array.from({ length: 24 }, (_, i) => (i << 10) + 5));
    expect(byBits.indices.length).toBeLessThanOrEqual(24);
  });

  it("finds coefficients of size 1 in noise, told or estimated, with shifts enough", () => {
    const [bits, binBits, count] = [15, 5, 32];
    const noise = Math.sqrt(count / 2 ** bits / 10 ** (10 / 10));
    let exact = 0;
    for (let seed = 0; seed < 10; seed++) {
      const { spectrum } = sparse(bits, count, seed);
      const signs = spectrum.map(Math.sign);
      const normal = normals(seed + 50);
      const signal = fwht(signs.slice()).map((value) => value / Math.sqrt(2 ** bits) + noise * normal());
      const found = sparseWalshHadamard(signal, {
        bits,
        binBits,
        chains: 6,
        noise: seed % 2 === 0 ? noise : "estimate",
        seed,
      });
      expect(found.noise / noise).toBeGreaterThan(0.7);
      expect(found.noise / noise).toBeLessThan(1.4);
      const isExact =
        found.indices.length === count &&
        found.indices.every((k, i) => Math.abs((signs[k] as number) - (found.values[i] as number)) < 0.5);
      if (isExact) exact++;
    }
    expect(exact).toBeGreaterThanOrEqual(9);
  });

  it("reports what it could not decode when there is too much, instead of a wrong answer", () => {
    const { isExact, found } = recovers(15, 120, 3, { binBits: 5 });
    expect(isExact).toBe(false);
    expect(found.undecoded).toBeGreaterThan(10);
    expect(found.residual).toBeGreaterThan(10);
  });

  it("finds nothing in nothing, and one in one", () => {
    const nothing = sparseWalshHadamard(() => 0, { bits: 12, binBits: 4 });
    expect(nothing).toMatchObject({ undecoded: 0, residual: 0 });
    expect(nothing.indices.length).toBe(0);
    const constant = sparseWalshHadamard(() => 1, { bits: 12, binBits: 4 });
    expect([...constant.indices, ...constant.values]).toEqual([0, 64]);
  });

  it("says what does not fit", () => {
    expect(() => sparseWalshHadamard(new Float64Array(100), { bits: 7, binBits: 2 })).toThrow(
      "expected a signal of 2^7 = 128 elements, got 100",
    );
    expect(() => sparseWalshHadamard(() => 0, { bits: 31, binBits: 4 })).toThrow("bits is a whole number from 1 to 30");
    expect(() => sparseWalshHadamard(() => 0, { bits: 4, binBits: 5 })).toThrow(
      "binBits is a whole number from 1 to bits, 4",
    );
    expect(() => sparseWalshHadamard(() => 0, { bits: 4, binBits: 2, groups: [[3, 3]] })).toThrow(
      "2 independent columns",
    );
    expect(() => sparseWalshHadamard(() => 0, { bits: 4, binBits: 2, chains: 0.5 })).toThrow(
      "chains is a whole number",
    );
  });
});

describe("densityEvolutionThreshold", () => {
  it("is one over the groups times the published thresholds of hypergraphs", () => {
    expect(densityEvolutionThreshold(3)).toBeCloseTo(1 / (3 * 0.81847), 4);
    expect(densityEvolutionThreshold(4)).toBeCloseTo(1 / (4 * 0.77228), 4);
    expect(densityEvolutionThreshold(5)).toBeCloseTo(1 / (5 * 0.70178), 4);
    expect(() => densityEvolutionThreshold(2)).toThrow("with 2, peeling has no threshold");
  });
});
