import { afterAll, describe, expect, it } from "vitest";
import {
  add,
  type Complex,
  compile,
  evaluate,
  fft,
  fft2,
  grad,
  ifft,
  ifft2,
  irfft,
  irfft2,
  key,
  mul,
  normal,
  releaseSessions,
  rfft,
  rfft2,
  sum,
  type Tensor,
  tensor,
} from "../../src/array/index.ts";

afterAll(releaseSessions);

/** The definition, in float64, for rows of length n. */
function naive(re: ArrayLike<number>, im: ArrayLike<number>, n: number, sign: number): { re: number[]; im: number[] } {
  const out = { re: [] as number[], im: [] as number[] };
  for (let row = 0; row < re.length / n; row++) {
    for (let f = 0; f < n; f++) {
      let [a, b] = [0, 0];
      for (let t = 0; t < n; t++) {
        const angle = (sign * 2 * Math.PI * ((f * t) % n)) / n;
        const [x, y] = [Number(re[row * n + t]), Number(im[row * n + t])];
        a += x * Math.cos(angle) - y * Math.sin(angle);
        b += x * Math.sin(angle) + y * Math.cos(angle);
      }
      out.re.push(a);
      out.im.push(b);
    }
  }
  return out;
}

const random = (seed: number, shape: number[], dtype: "float32" | "float64" = "float64"): Promise<Tensor> =>
  evaluate(normal(key(seed), shape, { dtype }));
const values = (x: Tensor): number[] => Array.from(x.data as Float64Array);

/** Largest difference, relative to the root mean square of what is expected. */
function distance(actual: readonly number[], expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  const scale = Math.sqrt(expected.reduce((s, v) => s + v * v, 0) / expected.length) || 1;
  return actual.reduce((worst, v, i) => Math.max(worst, Math.abs(v - (expected[i] as number))), 0) / scale;
}

// One element, small primes, powers, composites, two stages with odd factors, a prime that needs Bluestein.
const lengths = [1, 2, 3, 5, 8, 12, 49, 128, 256, 257, 360, 512, 1000, 1009, 1022];

describe("fft", () => {
  it.each(lengths)("agrees with the definition at length %i, forward and back", async (n) => {
    const z: Complex = { re: await random(1, [2, n]), im: await random(2, [2, n]) };
    const [forward, back, real, realBack] = await evaluate([
      fft(z),
      ifft(fft(z)),
      rfft(z.re),
      irfft(rfft(z.re), { length: n }),
    ] as const);
    const expected = naive(values(z.re), values(z.im), n, -1);
    expect(distance(values(forward.re), expected.re)).toBeLessThan(1e-11);
    expect(distance(values(forward.im), expected.im)).toBeLessThan(1e-11);
    expect(distance(values(back.re), values(z.re))).toBeLessThan(1e-11);
    expect(distance(values(back.im), values(z.im))).toBeLessThan(1e-11);
    const kept = Math.floor(n / 2) + 1;
    const half = naive(values(z.re), new Float64Array(2 * n), n, -1);
    const head = (list: number[]) => list.filter((_, i) => i % n < kept);
    expect(distance(values(real.re), head(half.re))).toBeLessThan(1e-11);
    expect(distance(values(real.im), head(half.im))).toBeLessThan(1e-11);
    expect(distance(values(realBack), values(z.re))).toBeLessThan(1e-11);
  });

  it("keeps energy and stays accurate in float32 for long axes", async () => {
    for (const n of [4096, 65536]) {
      const x = await random(3, [1, n], "float32");
      const [z, back] = await evaluate([rfft(x), irfft(rfft(x))] as const);
      const weight = (f: number) => (f === 0 || f === n / 2 ? 1 : 2);
      const [re, im] = [values(z.re), values(z.im)];
      const energy = re.reduce((s, v, f) => s + weight(f) * (v * v + (im[f] as number) ** 2), 0) / n;
      const direct = values(x).reduce((s, v) => s + v * v, 0);
      expect(Math.abs(energy / direct - 1)).toBeLessThan(1e-5);
      expect(distance(values(back), values(x))).toBeLessThan(3e-6);
    }
  });

  it("transforms any axis, and two axes", async () => {
    const x = await random(4, [3, 6, 5]);
    const [a, b, round, realRound] = await evaluate([
      rfft(x, { axis: 1 }),
      rfft2(x),
      ifft2(fft2({ re: x, im: mul(x, 2) })),
      irfft2(rfft2(x), { length: 5 }),
    ] as const);
    expect(a.re.shape).toEqual([3, 4, 5]);
    expect(b.re.shape).toEqual([3, 6, 3]);
    // Frequency (f, g) of the first plane, by the definition.
    const data = values(x);
    for (const [f, g] of [
      [0, 0],
      [1, 2],
      [5, 1],
    ] as const) {
      let [re, im] = [0, 0];
      for (let i = 0; i < 6; i++) {
        for (let j = 0; j < 5; j++) {
          const angle = -2 * Math.PI * ((f * i) / 6 + (g * j) / 5);
          re += (data[i * 5 + j] as number) * Math.cos(angle);
          im += (data[i * 5 + j] as number) * Math.sin(angle);
        }
      }
      expect(values(b.re)[f * 3 + g]).toBeCloseTo(re, 10);
      expect(values(b.im)[f * 3 + g]).toBeCloseTo(im, 10);
    }
    expect(distance(values(round.re), data)).toBeLessThan(1e-12);
    expect(distance(values(realRound), data)).toBeLessThan(1e-12);
  });

  it.each([6, 512, 514])("has the gradient that Parseval's theorem gives, at length %i", async (n) => {
    // The energy of the whole spectrum is n times that of the signal, so its gradient is 2n·x.
    const energy = (x: Tensor) => {
      const { re, im } = fft({ re: x, im: mul(x, 0) });
      return sum(add(mul(re, re), mul(im, im)));
    };
    const x = await random(5, [n]);
    const g = await compile((v: Tensor) => grad(energy)(v))(x);
    expect(
      distance(
        values(g),
        values(x).map((v) => 2 * n * v),
      ),
    ).toBeLessThan(1e-11);
  });

  it("says what does not fit", () => {
    expect(() => irfft({ re: tensor([1, 2, 3]), im: tensor([1, 2, 3]) }, { length: 6 })).toThrow(
      "irfft: 3 frequencies give 4 or 5 values, got length 6",
    );
    expect(() => fft({ re: tensor([1, 2]), im: tensor([1]) })).toThrow("fft: expected re and im of one shape and type");
    expect(() => rfft(tensor([1, 2]), { axis: 1 })).toThrow("rfft: axis 1 is out of range");
  });
});
