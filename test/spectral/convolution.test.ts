import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { evaluate, releaseSessions, type Tensor, tensor, vjp } from "../../src/array/index.ts";
import { type FftConvolutionOptions, fftConvolution } from "../../src/spectral/index.ts";
import { drawn, expectClose } from "../array/check.ts";
import { valueOf } from "../array/oracle.ts";

afterAll(releaseSessions);

type Shape = readonly number[];

/** The row of the kernel that a row of the signal meets. */
function kernelRow(row: number, outer: Shape, kernelOuter: Shape): number {
  let [rest, place, stride] = [row, 0, 1];
  for (let axis = 1; axis <= kernelOuter.length; axis++) {
    const extent = outer.at(-axis) as number;
    const own = kernelOuter.at(-axis) as number;
    place += (own === 1 ? 0 : rest % extent) * stride;
    stride *= own;
    rest = Math.floor(rest / extent);
  }
  return place;
}

/** Every product of a tap and an element, with the element of the result that it adds to; -1 where it adds to none. */
function eachProduct(u: Tensor, k: Tensor, mode: string, visit: (y: number, k: number, u: number) => void): void {
  const [length, taps] = [u.shape.at(-1) as number, k.shape.at(-1) as number];
  for (let row = 0; row < u.size / length; row++) {
    const from = kernelRow(row, u.shape.slice(0, -1), k.shape.slice(0, -1)) * taps;
    for (let t = 0; t < length; t++) {
      for (let s = 0; s < taps; s++) {
        if (mode === "causal" && s > t) break;
        visit(row * length + t, from + s, row * length + ((t - s + length) % length));
      }
    }
  }
}

/** The definition and its two gradients, in float64. */
function direct(u: Tensor, k: Tensor, dy: Tensor, mode = "causal") {
  const [y, du, dk] = [new Float64Array(u.size), new Float64Array(u.size), new Float64Array(k.size)];
  const [uData, kData, dyData] = [u, k, dy].map(({ data }) => data as Float64Array) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  eachProduct(u, k, mode, (i, a, b) => {
    y[i] = (y[i] as number) + (kData[a] as number) * (uData[b] as number);
    du[b] = (du[b] as number) + (kData[a] as number) * (dyData[i] as number);
    dk[a] = (dk[a] as number) + (uData[b] as number) * (dyData[i] as number);
  });
  return { y, du, dk };
}

async function check(
  shape: Shape,
  kernel: Shape,
  options: FftConvolutionOptions = {},
  dtype: "float32" | "float64" = "float64",
) {
  const [u, k, dy] = [drawn(1, shape, dtype), drawn(2, kernel, dtype), drawn(3, shape, dtype)];
  const [y, pull] = vjp(([a, b]: readonly Tensor[]) => fftConvolution(a as Tensor, b as Tensor, options), [u, k]);
  const [result, [du, dk]] = await evaluate([y, pull(dy)[0] as [Tensor, Tensor]] as const);
  const expected = direct(u, k, dy, options.mode);
  const near = (actual: Tensor, data: Float64Array, what: string) =>
    expectClose(
      valueOf(actual),
      { shape: actual.shape, data },
      dtype === "float64" ? 1e-11 : 1e-5,
      `${what} of [${shape}] with [${kernel}]`,
    );
  near(result, expected.y, "y");
  near(du, expected.du, "du");
  near(dk, expected.dk, "dk");
  expect(result.shape).toEqual(shape);
  expect([du.shape, dk.shape]).toEqual([shape, kernel]);
}

describe("fftConvolution", () => {
  it.each<[Shape, Shape, FftConvolutionOptions]>([
    // One row, an even and an odd number of rows, channels with kernels of their own and shared ones.
    [[700], [700], {}],
    [[2, 3, 300], [3, 300], {}],
    [[3, 2, 513], [2, 513], {}],
    [[5, 400], [257], {}],
    [[2, 2, 3, 400], [1, 3, 400], {}],
    [[2, 2, 3, 300], [2, 1, 290], {}],
    [[4, 1], [1], {}],
    [[4, 7], [2], {}],
    // Many rows, for which the stages of the transform are joined: an odd and an even number of their rows.
    [[8, 9, 300], [9, 300], {}],
    [[70, 310], [33], {}],
    [[3, 5, 5, 300], [1, 5, 299], {}],
    [[3, 5, 5, 330], [5, 1, 330], {}],
    [[33, 2, 960], [2, 100], { mode: "circular" }],
    // Short kernels, in blocks.
    [[3, 2, 4000], [2, 17], {}],
    [[5003], [64], {}],
    [[2, 4096], [1], {}],
    [[2, 3, 1024], [3, 1024], { mode: "circular" }],
    [[3, 960], [100], { mode: "circular" }],
    [[2, 1009], [1009], { mode: "circular" }],
    [[2, 15], [4], { mode: "circular" }],
  ])("agrees with the definition, gradients included: %j with %j, %j", async (shape, kernel, options) => {
    await check(shape, kernel, options);
  });

  it("agrees with the definition for any lengths", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1500 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom("causal", "circular"),
        (length, share, batch, mode) =>
          check([batch, length], [Math.max(1, Math.round(length * share ** 2))], { mode: mode as "causal" }),
      ),
      { numRuns: 15, seed: 3 },
    );
  });

  it("is accurate in float32", async () => {
    await check([2, 2, 3000], [2, 3000], {}, "float32");
    await check([4, 2, 3000], [2, 40], {}, "float32");
  });

  it("leaks nothing from the end to the beginning, and keeps the order of its taps", async () => {
    for (const batch of [1, 2]) {
      const impulse = new Float64Array(batch * 1024);
      for (let i = 0; i < batch; i++) impulse[i * 1024 + 1023] = 1;
      const taps = Float64Array.from({ length: 1024 }, (_, i) => i + 1);
      const y = await evaluate(fftConvolution(tensor(impulse, { shape: [batch, 1024] }), tensor(taps)));
      const values = Array.from(y.data as Float64Array);
      const expected = values.map((_, i) => (i % 1024 === 1023 ? 1 : 0));
      expect(Math.max(...values.map((value, i) => Math.abs(value - (expected[i] as number))))).toBeLessThan(1e-10);
    }
  });

  it.each([
    ["circular", 1, 96],
    ["circular", 2, 520],
    ["causal", 2, 300],
  ] as const)(
    "keeps the lowest frequencies of the kernel only: %s, batch %i, length %i",
    async (mode, batch, length) => {
      const keep = 0.25;
      const [u, k] = [drawn(4, [batch, length], "float64"), drawn(5, [length], "float64")];
      const y = await evaluate(fftConvolution(u, k, { mode, keep }));
      // The kernel without its high frequencies, by definition, is one of as many taps as the transform has points.
      const points = mode === "circular" ? length : causalPoints(length);
      const kept = Math.round(keep * (Math.floor(points / 2) + 1));
      const data = k.data as Float64Array;
      const low = Float64Array.from({ length: points }, (_, t) => {
        let total = 0;
        for (let f = 0; f < kept; f++) {
          for (let s = 0; s < length; s++)
            total +=
              ((f === 0 || 2 * f === points ? 1 : 2) *
                (data[s] as number) *
                Math.cos((2 * Math.PI * f * (t - s)) / points)) /
              points;
        }
        return total;
      });
      for (let row = 0; row < batch; row++) {
        for (let t = 0; t < length; t += 13) {
          let total = 0;
          for (let s = 0; s < length; s++)
            total += (low[(t - s + points) % points] as number) * Number(u.data[row * length + s]);
          expect(Math.abs(total - Number(y.data[row * length + t]))).toBeLessThan(1e-9);
        }
      }
    },
  );

  it("says what does not fit", () => {
    const zeros = (...shape: number[]) => drawn(1, shape, "float32", () => 0);
    expect(() => fftConvolution(zeros(2, 8), zeros(9))).toThrow(
      "fftConvolution: k has 9 taps, expected from 1 to the length of u, 8; slice it first",
    );
    expect(() => fftConvolution(zeros(3, 8), zeros(2, 8))).toThrow("must be 1 or those of u [3,8]");
    expect(() => fftConvolution(zeros(8), zeros(1, 8))).toThrow("of no more axes");
    expect(() => fftConvolution(zeros(8), zeros(8), { keep: 0 })).toThrow("keep is a share above 0 and up to 1, got 0");
    expect(() => fftConvolution(zeros(8), drawn(1, [8], "float64"))).toThrow("u is float32 and k float64");
  });
});

/** Points of the transform of a causal convolution with as many taps as elements. */
function causalPoints(length: number): number {
  const columns = 2 ** Math.round(Math.log2(2 * length - 1) / 2);
  return columns * Math.ceil((2 * length - 1) / columns);
}
