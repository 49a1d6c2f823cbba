import { describe, expect, it } from "vitest";
import { compile, evaluate, key, mean, normal, square, type Tensor, tensor, zeros } from "../../src/array/index.ts";
import { neuralOperator, transformOnce } from "../../src/models/index.ts";
import { parameterCount } from "../../src/nn/index.ts";
import { latitudesOf, sphericalHarmonics } from "../../src/spectral/index.ts";
import { gradientError } from "../nn/reference.ts";

const values = (x: Tensor): number[] => Array.from(x.data as Float32Array, Number);

describe("sizes", () => {
  it("are those of the published models", () => {
    const model = transformOnce({ inputs: 1, outputs: 1, layers: 8, size: 64, width: 48, modes: [24, 24] });
    expect(parameterCount(model.init(key(0)))).toBe(11_065_664);
    const operator = neuralOperator({ inputs: 1, outputs: 1, layers: 6, width: 48, modes: [24, 24], hidden: 128 });
    const spectral = 6 * 2 * 2 * 48 * 48 * 24 * 24;
    expect(spectral).toBe(31_850_496);
    expect(parameterCount(operator.init(key(0)))).toBe(spectral + 6 * (48 * 48 + 48) + 4 * 48 + (48 * 128 + 128) + 129);
  });
});

describe("transformOnce", () => {
  const model = transformOnce({ inputs: 1, outputs: 1, layers: 2, size: 16, width: 4, modes: [6, 6], hidden: 8 });
  const field = (n: number): Tensor =>
    tensor(
      Float32Array.from({ length: n * n }, (_, i) => {
        const [y, x] = [(Math.floor(i / n) + 0.5) / n, ((i % n) + 0.5) / n];
        return Math.cos(2 * Math.PI * x) * Math.cos(Math.PI * y) + 0.5 * Math.cos(3 * Math.PI * y);
      }),
      { shape: [1, 1, n, n] },
    );
  it("begins near zero, and its spectra are those of fields, whatever the grid", async () => {
    const params = await evaluate(model.init(key(1)));
    const spectrum = await compile(model.apply)(params, field(16));
    expect(spectrum.shape).toEqual([1, 1, 6, 6]);
    expect(Math.max(...values(spectrum).map(Math.abs))).toBeLessThan(1e-5);
    const [coarse, fine] = [await evaluate(model.toSpectrum(field(16))), await evaluate(model.toSpectrum(field(32)))];
    for (const [i, value] of values(coarse).entries()) expect(value).toBeCloseTo(values(fine)[i] as number, 4);
    const back = values(await evaluate(model.toField(coarse, 32)));
    for (const [i, value] of back.entries()) expect(value).toBeCloseTo(values(field(32))[i] as number, 4);
  });
  it("transforms once: its graph has the products of one transform, whatever the number of layers", () => {
    const matmuls = (layers: number) => {
      const deep = transformOnce({ inputs: 1, outputs: 1, layers, size: 16, width: 4, modes: [6, 6], hidden: 8 });
      return (
        compile(deep.apply)
          .print(deep.init(key(0)), zeros([1, 1, 16, 16]))
          .split(/= matmul/).length - 1
      );
    };
    // A layer is three products: channels, rows, columns.
    expect(matmuls(5) - matmuls(2)).toBe(9);
    expect(matmuls(1)).toBe(3 + 2 + 3);
  });
  it("needs no more modes than points", () => {
    expect(() => transformOnce({ inputs: 1, outputs: 1, layers: 1, size: 8, width: 4, modes: [9, 9] })).toThrow(
      "9 x 9 modes",
    );
  });
});

describe("neuralOperator", () => {
  it("gives nearly the same function on a finer grid", async () => {
    const operator = neuralOperator({ inputs: 1, outputs: 1, layers: 2, width: 6, modes: [4, 4], coordinates: "none" });
    const params = await evaluate(operator.init(key(5)));
    const apply = compile(operator.apply);
    const wave = (n: number): Tensor =>
      tensor(
        Float32Array.from(
          { length: n * n },
          (_, i) => Math.sin((2 * Math.PI * (i % n)) / n) * Math.cos((2 * Math.PI * Math.floor(i / n)) / n),
        ),
        { shape: [1, 1, n, n] },
      );
    const [coarse, fine] = [values(await apply(params, wave(32))), values(await apply(params, wave(64)))];
    const rough = coarse.map((v, i) => v - (fine[2 * Math.floor(i / 32) * 64 + 2 * (i % 32)] as number));
    expect(Math.max(...rough.map(Math.abs))).toBeLessThan(1e-3 * Math.max(...coarse.map(Math.abs)));
    const layer = neuralOperator({ inputs: 1, outputs: 2, layers: 1, width: 2, modes: [2, 2] });
    const point = { params: layer.init(key(6)), x: normal(key(7), [1, 1, 6, 6]) };
    expect(await gradientError(({ params: p, x }) => mean(square(layer.apply(p, x))), point)).toBeLessThan(1e-6);
  });
});

describe("neuralOperator on the sphere", () => {
  const options = { inputs: 1, outputs: 2, layers: 2, width: 6 } as const;
  const [rows, columns] = [12, 32];
  const turned = (x: Tensor, place: (column: number) => number): Tensor =>
    tensor(
      Float32Array.from(values(x), (_, i) => {
        const column = i % columns;
        return values(x)[i - column + ((place(column) + columns) % columns)] as number;
      }),
      { shape: x.shape },
    );
  const difference = (a: Tensor, b: Tensor): number =>
    Math.max(...values(a).map((v, i) => Math.abs(v - (values(b)[i] as number)))) / Math.max(...values(b).map(Math.abs));
  it("commutes with rotations about the axis, latitudes included; real weights with reflections too", async () => {
    const x = await evaluate(normal(key(8), [1, 1, rows, columns]));
    for (const weights of ["real", "complex"] as const) {
      const operator = neuralOperator({ ...options, spherical: { degree: 7, weights }, coordinates: "gauss-legendre" });
      const params = await evaluate(operator.init(key(9)));
      const apply = compile(operator.apply);
      const y = await apply(params, x);
      const rotated = turned(
        await apply(
          params,
          turned(x, (i) => i - 5),
        ),
        (i) => i + 5,
      );
      expect(difference(rotated, y)).toBeLessThan(1e-4);
      const mirrored = turned(
        await apply(
          params,
          turned(x, (i) => -i),
        ),
        (i) => -i,
      );
      if (weights === "real") expect(difference(mirrored, y)).toBeLessThan(1e-4);
      else expect(difference(mirrored, y)).toBeGreaterThan(0.1);
    }
  });
  it("gives nearly the same function on a finer grid, and another one without latitudes", async () => {
    const field = (n: number): Tensor => {
      const { colatitudes } = latitudesOf("gauss-legendre", n);
      return tensor(
        Float32Array.from({ length: 2 * n * n }, (_, i) => {
          const theta = colatitudes[Math.floor(i / (2 * n))] as number;
          return Math.sin(theta) * Math.cos((Math.PI * (i % (2 * n))) / n) + 0.5 * Math.cos(theta);
        }),
        { shape: [1, 1, n, 2 * n] },
      );
    };
    const layer = neuralOperator({ ...options, spherical: { degree: 5 }, coordinates: "gauss-legendre" });
    const params = await evaluate(layer.init(key(10)));
    const apply = compile(layer.apply);
    const coefficients = async (n: number) =>
      evaluate(sphericalHarmonics({ latitudes: n, degree: 5 }).analyze(await apply(params, field(n))));
    const [coarse, fine] = [await coefficients(16), await coefficients(32)];
    expect(difference(coarse.re, fine.re)).toBeLessThan(1e-3);
    const blind = neuralOperator({ ...options, spherical: { degree: 5 }, coordinates: "none" });
    expect(parameterCount(layer.init(key(0))) - parameterCount(blind.init(key(0)))).toBe(6);
    expect(() => neuralOperator({ ...options, dimensions: 1, modes: [2], coordinates: "offset" })).toThrow(
      "grid of 2 axes",
    );
  });
});
