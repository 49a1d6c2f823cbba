import { afterAll, describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  key,
  mean,
  normal,
  releaseSessions,
  square,
  type Tensor,
  tensor,
  zeros,
} from "../../../src/array/index.ts";
import { operatorBlock, type SphericalConvParams, spectralConv, sphericalConv } from "../../../src/nn/index.ts";
import { rotatedField, type SphereGrid, sphericalHarmonics } from "../../../src/spectral/index.ts";
import { drawn } from "../../array/check.ts";
import { gradientError } from "../reference.ts";

afterAll(releaseSessions);

const values = (x: Tensor): number[] => Array.from(x.data as Float32Array, Number);
const size = (a: readonly number[]): number => Math.sqrt(a.reduce((total, v) => total + v * v, 0));
const apart = (a: Tensor, b: Tensor): number =>
  size(values(a).map((v, i) => v - (values(b)[i] as number))) / size(values(b));

const [degree, latitudes, longitudes] = [7, 12, 20];
const sphere = sphericalHarmonics({ latitudes, longitudes, degree });
/** Random fields of no higher degree, `[2, channels, latitudes, longitudes]`. */
const fields = (channels: number, dtype: "float32" | "float64" = "float64") =>
  evaluate(sphere.synthesize(sphere.analyze(drawn(5, [2, channels, latitudes, longitudes], dtype))));
/** All fields of a batch, turned as a whole. */
async function rotated(x: Tensor): Promise<Tensor> {
  const { re, im } = await evaluate(sphere.analyze(x));
  const count = (degree + 1) ** 2;
  const part = (data: Float32Array, i: number) => data.subarray(i * count, (i + 1) * count);
  const turned = Array.from({ length: re.data.length / count }, (_, i) => {
    const own = { re: part(re.data as Float32Array, i), im: part(im.data as Float32Array, i) };
    return Array.from(rotatedField(own, { ...sphere, longitudes }, [0.8, 1.1, -2]));
  }).flat();
  return tensor(x.dtype === "float64" ? Float64Array.from(turned) : Float32Array.from(turned), { shape: x.shape });
}

describe("sphericalConv", () => {
  it("commutes with rotations about any axis if its weights are real; with complex ones about the axis; planar ones do not", async () => {
    const x = await fields(3, "float32");
    const other = await rotated(x);
    expect(apart(other, x)).toBeGreaterThan(0.5);
    const differs = async (layer: { apply(p: never, x: Tensor): Tensor; init(k: never): unknown }, turn: Tensor) => {
      const params = await evaluate(layer.init(key(1) as never) as SphericalConvParams);
      const [made, ofTurned] = await evaluate([
        layer.apply(params as never, x),
        layer.apply(params as never, turn),
      ] as const);
      return [made, ofTurned] as const;
    };
    const options = { inputs: 3, outputs: 2, degree };
    for (const [layer, least, most] of [
      [sphericalConv({ ...options, weights: "real" }), 0, 1e-5],
      [sphericalConv(options), 0.1, 2],
      [spectralConv({ inputs: 3, outputs: 2, modes: [6, 8] }), 0.1, 2],
    ] as const) {
      const [made, ofTurned] = await differs(layer as never, other);
      const difference = apart(ofTurned, await rotated(made));
      expect(difference).toBeGreaterThanOrEqual(least);
      expect(difference).toBeLessThan(most);
    }
    const shifted = (field: Tensor, by: number): Tensor =>
      tensor(
        Float32Array.from(values(field), (_, i) => {
          const row = Math.floor(i / longitudes) * longitudes;
          return values(field)[row + ((i - row + longitudes - by) % longitudes)] as number;
        }),
        { shape: field.shape },
      );
    const [made, ofTurned] = await differs(sphericalConv(options) as never, shifted(x, 3));
    expect(apart(ofTurned, shifted(made, 3))).toBeLessThan(1e-5);
  });

  const diagonal = (value: (l: number) => number): SphericalConvParams => {
    const weight = (of: (l: number) => number) =>
      tensor(
        Float64Array.from({ length: (degree + 1) * 4 }, (_, i) =>
          i % 4 === 0 || i % 4 === 3 ? of(Math.floor(i / 4)) : 0,
        ),
        { shape: [degree + 1, 2, 2] },
      );
    return { re: weight(value), im: weight(() => 0) };
  };
  it.each<[SphereGrid, number]>([
    ["gauss-legendre", 8],
    ["equiangular", 15],
    ["offset", 16],
  ])(
    "gives back fields within its degree where W is 1, and their Laplacian where it is -l(l+1): %s",
    async (grid, rows) => {
      const own = sphericalHarmonics({ latitudes: rows, longitudes, grid, degree });
      // Polynomials of the cosine of the angle to an axis that is none of the grid's.
      const [p2, p3] = [(t: number) => (3 * t * t - 1) / 2, (t: number) => (5 * t ** 3 - 3 * t) / 2];
      const on = (fn: (t: number) => number) =>
        Array.from({ length: rows * longitudes }, (_, i) => {
          const [a, b] = [
            own.colatitudes[Math.floor(i / longitudes)] as number,
            (2 * Math.PI * (i % longitudes)) / longitudes,
          ];
          return fn(Math.cos(0.7) * Math.cos(a) + Math.sin(0.7) * Math.sin(a) * Math.cos(b - 2));
        });
      const pair = (a: (t: number) => number, b: (t: number) => number) =>
        tensor(Float64Array.from([...on(a), ...on(b)]), { shape: [1, 2, rows, longitudes] });
      const x = pair(p3, (t) => 1 + t - p2(t));
      for (const weights of ["real", "complex"] as const) {
        const layer = sphericalConv({ inputs: 2, outputs: 2, degree, grid, weights });
        const of = ({ re, im }: SphericalConvParams) =>
          evaluate(layer.apply(weights === "real" ? { re } : { re, im: im as Tensor }, x));
        expect(apart(await of(diagonal(() => 1)), x)).toBeLessThan(1e-12);
        const laplacian = await of(diagonal((l) => -l * (l + 1)));
        expect(
          apart(
            laplacian,
            pair(
              (t) => -12 * p3(t),
              (t) => -2 * t + 6 * p2(t),
            ),
          ),
        ).toBeLessThan(1e-12);
      }
    },
  );
  it("gives the same function on a finer grid", async () => {
    const layer = sphericalConv({ inputs: 2, outputs: 3, degree: 5 });
    const params = await evaluate(layer.init(key(2)));
    const fine = sphericalHarmonics({ latitudes: 20, longitudes: 64, degree });
    const x = await fields(2, "float32");
    const z = await evaluate(sphere.analyze(x));
    const [coarse, finer] = await evaluate([
      sphere.analyze(layer.apply(params, x)),
      fine.analyze(layer.apply(params, fine.synthesize(z))),
    ] as const);
    expect(apart(finer.re, coarse.re)).toBeLessThan(1e-5);
    expect(apart(finer.im, coarse.im)).toBeLessThan(1e-5);
  });
  it("has the gradients that finite differences give, and keeps the size of fields when it is new", async () => {
    for (const weights of ["real", "complex"] as const) {
      const layer = sphericalConv({ inputs: 2, outputs: 2, degree: 3, weights });
      const point = { params: layer.init(key(3)), x: normal(key(4), [2, 2, 4, 8]) };
      expect(await gradientError(({ params, x }) => mean(square(layer.apply(params, x))), point)).toBeLessThan(1e-6);
      const wide = sphericalConv({ inputs: 32, outputs: 32, degree, weights });
      const x = await fields(32, "float32");
      const y = await compile(wide.apply)(await evaluate(wide.init(key(5))), x);
      expect(Math.abs(size(values(y)) / size(values(x)) - 1)).toBeLessThan(0.1);
    }
  });
  it("names what does not fit", () => {
    const layer = sphericalConv({ inputs: 2, outputs: 2, degree: 8 });
    const params = layer.init(key(0));
    expect(() => layer.apply(params, zeros([1, 2, 8, 32]))).toThrow(
      "a gauss-legendre grid of 8 x 32 points holds degrees up to 7, got 8",
    );
    expect(() => layer.apply(params, zeros([1, 2, 16, 16]))).toThrow("holds degrees up to 7, got 8");
    expect(() => layer.apply(params, zeros([1, 3, 16, 32]))).toThrow("expected x of shape [batch, 2, rows, columns]");
    expect(() => sphericalConv({ inputs: 1, outputs: 1, degree: 2, grid: "healpix" as SphereGrid })).toThrow(
      "grid is one of",
    );
    expect(() => sphericalConv({ inputs: 1, outputs: 1, degree: 2, weights: "even" as "real" })).toThrow(
      'weights are complex or real, got "even"',
    );
    expect(() => operatorBlock({ width: 2, dimensions: 1, spherical: { degree: 2 } })).toThrow(
      "spherical convolutions need a grid of 2 axes",
    );
  });
});
