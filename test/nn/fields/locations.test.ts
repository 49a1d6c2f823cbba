import { describe, expect, it } from "vitest";
import { cast, evaluate, key, mean, normal, square, type Tensor } from "../../../src/array/index.ts";
import { spherePoints } from "../../../src/data/index.ts";
import {
  cartesianEncoding,
  directEncoding,
  gridEncoding,
  type LocationEncoding,
  parameterCount,
  placesOf,
  residualNetwork,
  siren,
  sphericalHarmonicEncoding,
  theoryEncoding,
  wrapEncoding,
} from "../../../src/nn/index.ts";
import { legendreFunctions } from "../../../src/spectral/index.ts";
import { gradientError } from "../reference.ts";

const rows = async ({ encode }: LocationEncoding, places: Tensor): Promise<number[][]> => {
  const x = await evaluate(encode(places));
  const width = x.shape[1] as number;
  const data = Array.from(x.data as Float32Array, Number);
  return Array.from({ length: x.shape[0] as number }, (_, i) => data.slice(i * width, (i + 1) * width));
};

describe("sphericalHarmonicEncoding", () => {
  it("has squares that add up to the same everywhere, for each degree", async () => {
    const degrees = 40;
    const points = [...spherePoints(200, 1), [0, 90], [33, -90], [180, 0]] as const;
    for (const row of await rows(sphericalHarmonicEncoding({ degrees }), placesOf(points as never))) {
      expect(row).toHaveLength(degrees ** 2);
      for (let l = 0; l < degrees; l++) {
        const total = row.slice(l ** 2, (l + 1) ** 2).reduce((sum, v) => sum + v * v, 0);
        expect(Math.abs(total / ((2 * l + 1) / (4 * Math.PI)) - 1)).toBeLessThan(2e-4);
      }
    }
  });
  it("is what the Legendre functions in double precision give", async () => {
    const degrees = 12;
    const points = [
      [12, 34],
      [-150, -71],
      [0, 89],
    ] as const;
    const values = await rows(sphericalHarmonicEncoding({ degrees }), placesOf(points));
    for (const [i, [longitude, latitude]] of points.entries()) {
      for (let m = 0; m < degrees; m++) {
        const table = legendreFunctions(m, degrees - 1, [((90 - latitude) * Math.PI) / 180]);
        for (let l = m; l < degrees; l++) {
          const p = (table[l - m] as number) * (-1) ** m * (m === 0 ? 1 : Math.SQRT2);
          const angle = (m * longitude * Math.PI) / 180;
          expect(values[i]?.[l * l + l + m]).toBeCloseTo(p * Math.cos(angle), 4);
          expect(values[i]?.[l * l + l - m]).toBeCloseTo(m === 0 ? p : p * Math.sin(angle), 4);
        }
      }
    }
  });
});

describe("location encodings", () => {
  it("have their number of features, and most have no cut at the date line", async () => {
    const ends = cast(placesOf([[180, 20]]), "float32");
    const begin = cast(placesOf([[180 - 1e-5, 20]]), "float32");
    const smooth = [cartesianEncoding(), wrapEncoding(), sphericalHarmonicEncoding({ degrees: 5 })];
    for (const encoding of smooth) {
      const [[a], [b]] = [await rows(encoding, ends), await rows(encoding, begin)];
      expect(a).toHaveLength(encoding.features);
      for (const [i, value] of (a as number[]).entries()) expect(value).toBeCloseTo(b?.[i] as number, 4);
    }
    for (const [encoding, features] of [
      [directEncoding(), 2],
      [gridEncoding({ frequencies: 3 }), 12],
      [theoryEncoding({ frequencies: 3 }), 18],
    ] as const) {
      expect(encoding.features).toBe(features);
      expect((await rows(encoding, ends))[0]).toHaveLength(features);
    }
    const [grid] = await rows(gridEncoding({ frequencies: 2, scales: [90, 360] }), placesOf([[30, 60]]));
    const angle = (degrees: number) => [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
    [30, 120, 60, 240].flatMap(angle).forEach((value, i) => {
      expect(grid?.[i]).toBeCloseTo(value, 5);
    });
  });
  it("take places within the Earth", () => {
    expect(() => placesOf([[0, 91]])).toThrow("latitudes from -90 to 90 degrees, got 91");
    expect(Array.from(placesOf([[370, 0]]).data as Float32Array)).toEqual([10, 0]);
    expect(() => directEncoding().encode(normal(key(0), [3]))).toThrow("longitude and latitude");
  });
});

describe("siren and residualNetwork", () => {
  it("have the published number of parameters", () => {
    const layer = siren({ inputs: 100, outputs: 1, hidden: 64, layers: 2 });
    expect(parameterCount(layer.init(key(0)))).toBe(10_689);
    const plain = residualNetwork({ inputs: 4, outputs: 1, hidden: 8 });
    expect(parameterCount(plain.init(key(0)))).toBe(4 * 8 + 8 + 4 * 2 * (64 + 8) + 8);
  });
  it("is a sine of features with whole rows of weights, and has the right gradients", async () => {
    const layer = siren({ inputs: 3, outputs: 2, hidden: 4, layers: 2, frequency: 3 });
    const point = { params: layer.init(key(1)), x: normal(key(2), [5, 3]) };
    expect(await gradientError(({ params, x }) => mean(square(layer.apply(params, x))), point)).toBeLessThan(1e-6);
    const plain = residualNetwork({ inputs: 3, outputs: 2, hidden: 4, blocks: 1 });
    const other = { params: plain.init(key(1)), x: normal(key(2), [5, 3]) };
    expect(await gradientError(({ params, x }) => mean(square(plain.apply(params, x))), other)).toBeLessThan(1e-5);
  });
});
