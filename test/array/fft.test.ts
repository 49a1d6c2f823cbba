import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
  add,
  type Complex,
  cast,
  compile,
  cond,
  evaluate,
  fft,
  fft2,
  grad,
  ifft,
  ifft2,
  irfft,
  irfft2,
  key,
  mapTree,
  mul,
  normal,
  pad,
  releaseSessions,
  rfft,
  rfft2,
  scan,
  slice,
  square,
  sum,
  swapAxes,
  type Tensor,
  tensor,
  toOnnx,
  vjp,
  zeros,
} from "../../src/array/index.ts";

afterAll(releaseSessions);

/** The definition, in float64, for rows of length n. */
function naive(re: ArrayLike<number>, im: ArrayLike<number>, n: number, sign: number): { re: number[]; im: number[] } {
  const out = { re: [] as number[], im: [] as number[] };
  const cos = Float64Array.from({ length: n }, (_, k) => Math.cos((2 * Math.PI * k) / n));
  const sin = Float64Array.from({ length: n }, (_, k) => sign * Math.sin((2 * Math.PI * k) / n));
  for (let row = 0; row < re.length / n; row++) {
    for (let f = 0; f < n; f++) {
      let [a, b] = [0, 0];
      for (let t = 0; t < n; t++) {
        const [c, s] = [cos[(f * t) % n] as number, sin[(f * t) % n] as number];
        const [x, y] = [re[row * n + t] as number, im[row * n + t] as number];
        a += x * c - y * s;
        b += x * s + y * c;
      }
      out.re.push(a);
      out.im.push(b);
    }
  }
  return out;
}

/** The definition of the real inverse: every frequency and its conjugate. */
function naiveReal(re: readonly number[], im: readonly number[], n: number): number[] {
  const kept = Math.floor(n / 2) + 1;
  return Array.from({ length: (re.length / kept) * n }, (_, i) => {
    const [row, t] = [Math.floor(i / n), i % n];
    let total = 0;
    for (let f = 0; f < n; f++) {
      const [g, sign] = f < kept ? [f, 1] : [n - f, -1];
      const edge = g === 0 || 2 * g === n;
      const angle = (2 * Math.PI * ((f * t) % n)) / n;
      const [a, b] = [re[row * kept + g] as number, edge ? 0 : sign * (im[row * kept + g] as number)];
      total += a * Math.cos(angle) - b * Math.sin(angle);
    }
    return total / n;
  });
}

const parts = ({ re, im }: Complex): Tensor[] => [re, im];
const random = (seed: number, shape: number[], dtype: "float32" | "float64" = "float64"): Promise<Tensor> =>
  evaluate(normal(key(seed), shape, { dtype }));
const values = (x: Tensor): number[] => Array.from(x.data as Float64Array);

/** Largest difference, relative to the root mean square of what is expected. */
function distance(actual: readonly number[], expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  const scale = Math.sqrt(expected.reduce((s, v) => s + v * v, 0) / expected.length) || 1;
  return actual.reduce((worst, v, i) => Math.max(worst, Math.abs(v - (expected[i] as number))), 0) / scale;
}

// One element, small primes, powers, composites, stages with odd factors, large primes and what they divide.
const lengths = [1, 2, 3, 5, 8, 12, 49, 128, 256, 257, 360, 512, 1000, 1009, 1022, 2018, 2048];

function inner(a: Tensor, b: Tensor): number {
  const [x, y] = [values(a), values(b)];
  return x.reduce((total, v, i) => total + v * (y[i] as number), 0);
}

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

  it("agrees with the definition at lengths of three stages", async () => {
    for (const n of [65536, 2 ** 17, 3 * 40 ** 3]) {
      const z: Complex = { re: await random(3, [n]), im: await random(4, [n]) };
      const [forward, half] = await evaluate([fft(z), rfft(z.re)] as const);
      for (const f of [0, 1, 777, Math.floor(n / 3), n / 2, n - 1]) {
        const at = (im: ArrayLike<number>) => {
          let [a, b] = [0, 0];
          for (let t = 0; t < n; t++) {
            const angle = (-2 * Math.PI * ((f * t) % n)) / n;
            const [x, y] = [Number(z.re.data[t]), Number(im[t])];
            a += x * Math.cos(angle) - y * Math.sin(angle);
            b += x * Math.sin(angle) + y * Math.cos(angle);
          }
          return { a, b };
        };
        const both = at(values(z.im));
        expect(Math.abs(Number(forward.re.data[f]) - both.a)).toBeLessThan(1e-10 * Math.sqrt(n));
        expect(Math.abs(Number(forward.im.data[f]) - both.b)).toBeLessThan(1e-10 * Math.sqrt(n));
        if (f > n / 2) continue;
        const real = at(new Float64Array(n));
        expect(Math.abs(Number(half.re.data[f]) - real.a)).toBeLessThan(1e-10 * Math.sqrt(n));
        expect(Math.abs(Number(half.im.data[f]) - real.b)).toBeLessThan(1e-10 * Math.sqrt(n));
      }
    }
  });

  it.each([128, 1000, 1009, 4096, 65536])("stays accurate in float32 at length %i", async (n) => {
    const wide = await random(3, [2, n]);
    const x = await evaluate(cast(wide, "float32"));
    const [z, back, exact] = await evaluate([
      rfft(x),
      irfft(rfft(x), { length: n }),
      rfft(cast(x, "float64")),
    ] as const);
    // Rounding grows with the logarithm of the length.
    expect(distance(values(z.re), values(exact.re))).toBeLessThan(3e-6);
    expect(distance(values(z.im), values(exact.im))).toBeLessThan(3e-6);
    expect(distance(values(back), values(x))).toBeLessThan(3e-6);
  });

  it("agrees with the definition for any shape, axis and length", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
        fc.integer({ min: 1, max: 700 }),
        fc.nat(2),
        fc.nat(1000),
        async (others, n, place, seed) => {
          const axis = Math.min(place, others.length);
          const shape = others.toSpliced(axis, 0, n);
          const z: Complex = { re: await random(seed, shape), im: await random(seed + 1, shape) };
          const half = { re: await random(seed + 2, shape.with(axis, Math.floor(n / 2) + 1)), im: z.re };
          const toRows = (x: Tensor) => swapAxes(x, axis, -1);
          const rowsOf = (pair: Complex) => mapTree(pair, toRows);
          const spectrum = {
            re: half.re,
            im: slice(half.im, { starts: [0], stops: [half.re.shape[axis] as number], axes: [axis] }),
          };
          const [zr, zi, forward, back, real, spectral, realBack] = await evaluate([
            toRows(z.re),
            toRows(z.im),
            rowsOf(fft(z, { axis: axis - shape.length })),
            rowsOf(ifft(z, { axis })),
            rowsOf(rfft(z.re, { axis })),
            rowsOf(spectrum),
            toRows(irfft(spectrum, { axis, length: n })),
          ] as const);
          const close = (actual: Tensor, expected: readonly number[]) =>
            expect(distance(values(actual), expected)).toBeLessThan(1e-11);
          const expected = naive(values(zr), values(zi), n, -1);
          close(forward.re, expected.re);
          close(forward.im, expected.im);
          const inverse = naive(values(zr), values(zi), n, 1);
          close(
            back.re,
            inverse.re.map((v) => v / n),
          );
          close(
            back.im,
            inverse.im.map((v) => v / n),
          );
          const kept = Math.floor(n / 2) + 1;
          const head = (list: number[]) => list.filter((_, i) => i % n < kept);
          const ofReal = naive(values(zr), new Float64Array(zr.size), n, -1);
          close(real.re, head(ofReal.re));
          close(real.im, head(ofReal.im));
          close(realBack, naiveReal(values(spectral.re), values(spectral.im), n));
        },
      ),
      { numRuns: 12, seed: 5 },
    );
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

  it.each([1, 6, 7, 100, 640, 1009, 4096])("has the transposed map as its gradient, at length %i", async (n) => {
    const kept = Math.floor(n / 2) + 1;
    const maps: [(x: readonly Tensor[]) => readonly Tensor[], number[], number[]][] = [
      [([re, im]) => parts(fft({ re, im } as Complex)), [n, n], [n, n]],
      [([re, im]) => parts(ifft({ re, im } as Complex)), [n, n], [n, n]],
      [([x]) => parts(rfft(x as Tensor)), [n], [kept, kept]],
      [([re, im]) => [irfft({ re, im } as Complex, { length: n })], [kept, kept], [n]],
    ];
    for (const [fn, from, to] of maps) {
      const xs = await Promise.all(from.map((count, i) => random(i, [2, count])));
      const dys = await Promise.all(to.map((count, i) => random(i + 5, [2, count])));
      const [ys, gradients] = await evaluate(
        (() => {
          const [out, pull] = vjp(fn, xs);
          return [out, pull(dys)[0]] as const;
        })(),
      );
      const total = (a: readonly Tensor[], b: readonly Tensor[]) =>
        a.reduce((sum, x, i) => sum + inner(x, b[i] as Tensor), 0);
      expect(Math.abs(total(ys, dys) - total(xs, gradients))).toBeLessThan(1e-10 * Math.sqrt(n) * n);
    }
  });

  it("has second gradients", async () => {
    // The energy of the spectrum is n times that of the signal: its gradient is 2n·x, and the gradient of that, squared, 8n²·x.
    const n = 640;
    const energy = (x: Tensor) => {
      const { re, im } = fft({ re: x, im: mul(x, 0) });
      return sum(add(square(re), square(im)));
    };
    const x = await random(5, [n]);
    const [first, second] = await compile(
      (v: Tensor) => [grad(energy)(v), grad((u: Tensor) => sum(square(grad(energy)(u))))(v)] as const,
    )(x);
    const scaled = (factor: number) => values(x).map((v) => factor * v);
    expect(distance(values(first), scaled(2 * n))).toBeLessThan(1e-11);
    expect(distance(values(second), scaled(8 * n * n))).toBeLessThan(1e-11);
  });

  it("continues by zeros, cuts, and leaves out frequencies like the longer way round, gradients included", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 7, 100, 640, 1009, 4096),
        fc.double({ min: 0.001, max: 1.2, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(1),
        async (n, share, low, axis) => {
          const given = Math.max(1, Math.floor(n * share));
          const all = Math.floor(n / 2) + 1;
          const few = Math.max(1, Math.floor(all * low));
          const shaped = (count: number) => [2, 3].toSpliced(axis, 1, count);
          const [x, y, dx] = [
            await random(1, shaped(given)),
            await random(2, shaped(given)),
            await random(3, shaped(n)),
          ];
          const [re, im] = [await random(4, shaped(few)), await random(5, shaped(few))];
          const fit = (v: Tensor, count: number) => {
            const head = slice(v, { starts: [0], stops: [count], axes: [axis] });
            const missing = count - (head.shape[axis] as number);
            return pad(head, { before: [0, 0], after: [0, 0].with(axis, missing) });
          };
          const ways: [(v: readonly Tensor[]) => Tensor[], (v: readonly Tensor[]) => Tensor[], Tensor[], Tensor[]][] = [
            [
              ([a, b]) => parts(fft({ re: a, im: b } as Complex, { axis, length: n })),
              ([a, b]) => parts(fft({ re: fit(a as Tensor, n), im: fit(b as Tensor, n) }, { axis })),
              [x, y],
              [dx, dx],
            ],
            [
              ([a]) => parts(rfft(a as Tensor, { axis, length: n, frequencies: few })),
              ([a]) => parts(rfft(fit(a as Tensor, n), { axis })).map((v) => fit(v, few)),
              [x],
              [re, im],
            ],
            [
              ([a, b]) => [irfft({ re: a, im: b } as Complex, { axis, length: n })],
              ([a, b]) => [irfft({ re: fit(a as Tensor, all), im: fit(b as Tensor, all) }, { axis, length: n })],
              [re, im],
              [dx],
            ],
          ];
          const results = await evaluate(
            ways.map(([short, long, inputs, dys]) =>
              [short, long].map((fn) => {
                const [out, pull] = vjp(fn, inputs);
                return [out, pull(dys)[0]] as const;
              }),
            ),
          );
          for (const [short, long] of results) {
            const [actual, expected] = [(short ?? []).flat(), (long ?? []).flat()];
            expect(actual.map((v) => v.shape)).toEqual(expected.map((v) => v.shape));
            expect(distance(actual.flatMap(values), expected.flatMap(values))).toBeLessThan(1e-11);
          }
        },
      ),
      { numRuns: 12, seed: 9 },
    );
  });

  it("is exported in operators of the standard alone", async () => {
    const model = toOnnx((x: Tensor) => parts(rfft(x)), [zeros([2, 4096])]);
    const domains = new TextDecoder("latin1").decode(model).match(/com\.microsoft/g);
    expect(domains).toBeNull();
  });

  it("takes no notice of imaginary parts that real signals cannot have", async () => {
    const z: Complex = { re: tensor([1, 2, 3, 4]), im: tensor([5, 0.5, -0.5, 7]) };
    const clean: Complex = { re: z.re, im: tensor([0, 0.5, -0.5, 0]) };
    const back = (im: Tensor) => irfft({ re: z.re, im }, { length: 6 });
    const [dirty, expected, slope] = await evaluate([
      back(z.im),
      back(clean.im),
      grad((im: Tensor) => sum(square(back(im))))(z.im),
    ] as const);
    expect(values(dirty)).toEqual(values(expected));
    expect(values(slope)[0]).toBe(0);
    expect(values(slope)[3]).toBe(0);
  });

  it("works in loops and branches, and for batches of nothing", async () => {
    const x = await random(6, [3, 640]);
    const [looped, chosen, direct, empty] = await evaluate([
      scan((total: Tensor, row: Tensor) => [add(total, rfft(row).re), total] as const, zeros([321], "float64"), x)[0],
      cond(
        tensor(true),
        () => rfft(x).im,
        () => zeros([3, 321], "float64"),
      ),
      rfft(x),
      rfft(zeros([0, 640])),
    ] as const);
    expect(distance(values(looped), values(await evaluate(sum(direct.re, { axis: 0 }))))).toBeLessThan(1e-12);
    expect(distance(values(chosen), values(direct.im))).toBeLessThan(1e-12);
    expect(empty.re.shape).toEqual([0, 321]);
  });

  it("says what does not fit", () => {
    expect(() => irfft({ re: tensor([1, 2, 3]), im: tensor([1, 2, 3]) }, { length: 3 })).toThrow(
      "irfft: length 3 has 2 frequencies, got 3; slice them first",
    );
    expect(() => rfft(tensor([1, 2, 3, 4]), { frequencies: 4 })).toThrow(
      "rfft: frequencies is a whole number from 1 to 3, got 4",
    );
    expect(() => fft({ re: tensor([1, 2]), im: tensor([1, 2]) }, { length: 0 })).toThrow(
      "fft: length is a whole number of at least 1, got 0",
    );
    expect(() => fft({ re: tensor([1, 2]), im: tensor([1]) })).toThrow("fft: expected re and im of one shape and type");
    expect(() => rfft(tensor([1, 2]), { axis: 1 })).toThrow("rfft: axis 1 is out of range");
  });
});
