import { afterAll, describe, expect, it } from "vitest";
import {
  type Complex,
  evaluate,
  fft,
  flopCount,
  ifft,
  irfft,
  releaseSessions,
  rfft,
  type Tensor,
  tensor,
  vjp,
  zeros,
} from "../../src/array/index.ts";
import {
  fftConvolution,
  fitMonarchCost,
  monarchConvolution,
  monarchCost,
  monarchKernel,
  monarchWork,
} from "../../src/spectral/index.ts";
import { drawn } from "../array/check.ts";

afterAll(releaseSessions);

const values = (x: Tensor): number[] => Array.from(x.data, Number);
const far = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((v, i) => Math.abs(v - (b[i] as number))));
const product = (factors: readonly number[]): number => factors.reduce((a, b) => a * b, 1);

/** The transform by its definition, in float64. */
function naive(re: readonly number[], im: readonly number[]): [re: number[], im: number[]] {
  const n = re.length;
  const out: [number[], number[]] = [[], []];
  for (let f = 0; f < n; f++) {
    let [a, b] = [0, 0];
    for (let t = 0; t < n; t++) {
      const angle = (-2 * Math.PI * ((f * t) % n)) / n;
      a += (re[t] as number) * Math.cos(angle) - (im[t] as number) * Math.sin(angle);
      b += (re[t] as number) * Math.sin(angle) + (im[t] as number) * Math.cos(angle);
    }
    out[0].push(a);
    out[1].push(b);
  }
  return out;
}

const forms = [[60], [12, 20], [20, 12], [16, 16], [8, 4, 8], [3, 5, 7], [2, 3, 4, 5], [1, 9]];

describe("fft with factors", () => {
  it.each(forms.map((factors) => [factors] as const))(
    "agrees with the definition in stages of %j, forward and back",
    async (factors) => {
      const n = product(factors);
      const z = { re: drawn(1, [n], "float32"), im: drawn(2, [n], "float32") };
      const forward = await evaluate(fft(z, { factors }));
      const [re, im] = naive(values(z.re), values(z.im));
      const size = Math.max(...re.map(Math.abs));
      expect(far(values(forward.re), re) / size).toBeLessThan(1e-5);
      expect(far(values(forward.im), im) / size).toBeLessThan(1e-5);
      const back = await evaluate(ifft(forward, { factors }));
      expect(far(values(back.re), values(z.re))).toBeLessThan(1e-5);
      const half = await evaluate(rfft(z.re, { factors }));
      expect(far(values(half.re), naive(values(z.re), Array(n).fill(0))[0]) / size).toBeLessThan(1e-5);
      const again = await evaluate(irfft(half, { length: n, factors }));
      expect(far(values(again), values(z.re))).toBeLessThan(1e-5);
    },
  );

  it.each([
    [[4096], 134_217_728],
    [[64, 64], 4_194_304],
    [[16, 16, 16], 1_572_864],
    [[12, 20], 8 * 240 * 32],
  ])("does 8·N·Σ factors operations in stages of %j", (factors, operations) => {
    const z = { re: zeros([product(factors)]), im: zeros([product(factors)]) };
    expect(flopCount((x: Complex) => fft(x, { factors }), z)).toBe(operations);
    expect(flopCount((x: Complex) => ifft(x, { factors }), z)).toBe(operations);
  });

  it("says when stages do not make up the length", () => {
    const z = { re: zeros([12]), im: zeros([12]) };
    expect(() => fft(z, { factors: [3, 5] })).toThrow(
      "fft: factors are whole numbers of at least 1 whose product is the length 12, got [3, 5]",
    );
    expect(() => rfft(z.re, { factors: [] })).toThrow("whose product is the length 12");
    expect(() => irfft(z, { length: 22, factors: [0.5, 44] })).toThrow("irfft: factors are whole numbers");
  });
});

/** Causal convolution by its definition. */
const causal = (u: readonly number[], k: readonly number[]): number[] =>
  u.map((_, t) => k.reduce((total, tap, s) => total + (s <= t ? tap * (u[t - s] as number) : 0), 0));

describe("monarchConvolution", () => {
  it.each([[64], [8, 8], [12, 5], [4, 4, 4], [2, 3, 4, 5]].map((factors) => [factors] as const))(
    "is the causal convolution of two real signals in stages of %j",
    async (factors) => {
      const n = product(factors);
      const [length, taps] = [Math.ceil(n / 2), Math.floor(n / 2)];
      const signal = { re: drawn(1, [length], "float32"), im: drawn(2, [length], "float32") };
      const kernel = drawn(3, [taps], "float32");
      const y = await evaluate(monarchConvolution(signal, monarchKernel(kernel, { factors }), { factors }));
      expect(far(values(y.re), causal(values(signal.re), values(kernel)))).toBeLessThan(1e-4);
      expect(far(values(y.im), causal(values(signal.im), values(kernel)))).toBeLessThan(1e-4);
    },
  );

  it("does not wrap around an impulse at the last position", async () => {
    const factors = [8, 8];
    const impulse = tensor(Float32Array.from({ length: 32 }, (_, t) => Number(t === 31)));
    const kernel = drawn(3, [32], "float32");
    const y = await evaluate(
      monarchConvolution({ re: impulse, im: zeros([32]) }, monarchKernel(kernel, { factors }), { factors }),
    );
    expect(far(values(y.re).slice(0, 31), Array(31).fill(0))).toBeLessThan(1e-5);
    expect(Number(y.re.data[31])).toBeCloseTo(Number(kernel.data[0]), 5);
  });

  it("has the gradients of the definition", async () => {
    const factors = [4, 6, 3];
    const [u, k, dy] = [drawn(1, [36], "float64"), drawn(2, [36], "float64"), drawn(3, [36], "float64")];
    const [, pull] = vjp(
      ([a, b]: readonly Tensor[]) =>
        monarchConvolution({ re: a as Tensor, im: zeros([36], "float64") }, monarchKernel(b as Tensor, { factors }), {
          factors,
        }).re,
      [u, k],
    );
    const [du, dk] = await evaluate(pull(dy)[0] as [Tensor, Tensor]);
    const back = (other: Tensor): number[] =>
      values(other).map((_, s) =>
        values(dy).reduce((total, g, t) => total + (t >= s ? g * Number(other.data[t - s]) : 0), 0),
      );
    expect(far(values(du), back(k))).toBeLessThan(1e-10);
    expect(far(values(dk), back(u))).toBeLessThan(1e-10);
  });

  it.each([
    [[60], 20],
    [[6, 10], 4],
    [[4, 5, 8], 2],
    [[4, 5, 8], 6],
  ] as const)(
    "leaves out the high frequencies of stages %j, of whose last digit it keeps %i",
    async (factors, kept) => {
      const n = product(factors);
      const signal = { re: drawn(1, [n], "float64"), im: drawn(2, [n], "float64") };
      const kernel = drawn(3, [n], "float64");
      const form = { factors, kept };
      const y = await evaluate(monarchConvolution(signal, monarchKernel(kernel, form), form));
      // The whole spectrum with a mask, frequency by frequency.
      const below = ((kept / 2) * n) / (factors.at(-1) as number);
      const [a, b] = [naive(values(signal.re), values(signal.im)), naive(values(kernel), Array(n).fill(0))];
      const mask = (f: number): number => Number(Math.min(f, n - f) < below);
      const re = a[0].map((v, f) => mask(f) * (v * (b[0][f] as number) - (a[1][f] as number) * (b[1][f] as number)));
      const im = a[0].map((v, f) => mask(f) * (v * (b[1][f] as number) + (a[1][f] as number) * (b[0][f] as number)));
      // Inverse by the forward transform of the conjugate.
      const [p, q] = naive(
        re,
        im.map((v) => -v),
      );
      expect(
        far(
          values(y.re),
          p.map((v) => v / n),
        ),
      ).toBeLessThan(1e-9);
      expect(
        far(
          values(y.im),
          q.map((v) => -v / n),
        ),
      ).toBeLessThan(1e-9);
      const count = (own: { factors: readonly number[]; kept?: number }) =>
        flopCount((z: Complex, w: Complex) => monarchConvolution(z, w, own), signal, {
          re: zeros([...factors.slice(0, -1), own.kept ?? (factors.at(-1) as number)], "float64"),
          im: zeros([...factors.slice(0, -1), own.kept ?? (factors.at(-1) as number)], "float64"),
        });
      const others = factors.slice(0, -1).reduce((total, extent) => total + extent, 0);
      expect(count(form)).toBe(16 * n * (others + kept));
      expect(count({ factors })).toBe(monarchWork(factors).operations);
    },
  );

  it("agrees with fftConvolution", async () => {
    const form = { factors: [32, 32] };
    const u = drawn(1, [2, 3, 500], "float32");
    const k = drawn(2, [3, 500], "float32");
    const y = await evaluate(monarchConvolution({ re: u, im: zeros(u.shape) }, monarchKernel(k, form), form));
    expect(far(values(y.re), values(await evaluate(fftConvolution(u, k))))).toBeLessThan(1e-3);
  });

  it("says what does not fit", () => {
    const z = { re: zeros([10]), im: zeros([10]) };
    expect(() => monarchKernel(zeros([13]), { factors: [3, 4] })).toThrow(
      "make 12 points, expected from 1 to as many elements, got 13",
    );
    expect(() => monarchKernel(zeros([10]), { factors: [3, 4], kept: 3 })).toThrow(
      "kept is an even number from 2 to the last factor 4",
    );
    expect(() => monarchKernel(zeros([10]), { factors: [] })).toThrow("factors are whole numbers");
    expect(() => monarchConvolution(z, monarchKernel(zeros([10]), { factors: [3, 4] }), { factors: [4, 3] })).toThrow(
      "expected a kernel of shape [..., 4, 3]",
    );
  });
});

describe("fitMonarchCost", () => {
  const measured = [[4096], [64, 64], [16, 16, 16], [32, 32], [128, 128]];
  it("finds the rates that times were made with", () => {
    const rates = { operations: 4e7, floats: 2e6 };
    const fitted = fitMonarchCost(measured.map((factors) => ({ factors, time: monarchCost(factors, rates) })));
    expect(fitted.operations / rates.operations).toBeCloseTo(1, 6);
    expect(fitted.floats / rates.floats).toBeCloseTo(1, 6);
  });
  it("takes a rate that would be negative for infinite", () => {
    const times = measured.map((factors) => ({ factors, time: monarchWork(factors).operations ** 1.2 }));
    expect(fitMonarchCost(times).floats).toBe(Number.POSITIVE_INFINITY);
  });
  it("refuses a single measurement", () => {
    expect(() => fitMonarchCost([{ factors: [8], time: 1 }])).toThrow("at least two measurements");
  });
});
