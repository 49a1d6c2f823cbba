import { describe, expect, it } from "vitest";
import {
  add,
  compile,
  evaluate,
  key,
  mean,
  normal,
  square,
  type Tensor,
  tensor,
  zeros,
} from "../../../src/array/index.ts";
import {
  filterBasis,
  finiteDifferenceConvolution,
  localIntegral,
  operatorBlock,
  periodicConv,
  pointwise,
  sampledBasis,
  spectralConv,
} from "../../../src/nn/index.ts";
import { gradientError, numbers } from "../reference.ts";

const values = (x: Tensor): number[] => Array.from(x.data as Float64Array, Number);
const largest = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))));
const line = (n: number, fn: (x: number) => number): Tensor =>
  tensor(
    Float64Array.from({ length: n }, (_, i) => fn(i / n)),
    { shape: [1, 1, n] },
  );
const plane = (n: number, fn: (x: number, y: number) => number): Tensor =>
  tensor(
    Float32Array.from({ length: n * n }, (_, i) => fn((i % n) / n, Math.floor(i / n) / n)),
    { shape: [1, 1, n, n] },
  );
const size = (x: readonly number[]): number => Math.sqrt(x.reduce((total, v) => total + v * v, 0));

describe("finiteDifferenceConvolution", () => {
  const layer = finiteDifferenceConvolution({ inputs: 1, outputs: 1, dimensions: 1, size: 16 });
  const k = 2 * Math.PI;
  const error = async (kernel: readonly number[], n: number) => {
    const weight = tensor(Float64Array.from(kernel), { shape: [1, 1, 3] });
    const y = values(
      await evaluate(
        layer.apply(
          { weight },
          line(n, (x) => Math.sin(k * x)),
        ),
      ),
    );
    // The spacing of 16 points counts as 1.
    return largest(y, values(line(n, (x) => (k / 16) * Math.cos(k * x))));
  };
  it("becomes a derivative: of order 2 for a symmetric kernel, of order 1 for a one-sided one", async () => {
    for (const [kernel, order] of [
      [[-0.5, 0, 0.5], 2],
      [[0, -1, 1], 1],
    ] as const) {
      const [coarse, middle, fine] = [await error(kernel, 32), await error(kernel, 64), await error(kernel, 128)];
      expect(Math.log2(coarse / middle)).toBeCloseTo(order, 1);
      expect(Math.log2(middle / fine)).toBeCloseTo(order, 1);
    }
  });
  it("gives 0 for constants, and needs an odd kernel", async () => {
    const flat = finiteDifferenceConvolution({ inputs: 1, outputs: 3, dimensions: 2, kernel: 5, size: 8 });
    const constant = tensor(new Float32Array(64).fill(3), { shape: [1, 1, 8, 8] });
    const y = await evaluate(flat.apply(flat.init(key(1)), constant));
    expect(Math.max(...values(y).map(Math.abs))).toBeLessThan(1e-5);
    expect(() => finiteDifferenceConvolution({ inputs: 1, outputs: 1, dimensions: 1, kernel: 4, size: 8 })).toThrow(
      "odd",
    );
  });
});

describe("filterBasis", () => {
  it("has as many functions as nodes, and an even number of rings is smooth through the centre", () => {
    expect(
      [
        [2, 4],
        [3, 4],
        [5, 4],
        [3, 1],
      ].map(([rings, directions]) => filterBasis({ rings, directions } as never).length),
    ).toEqual([4, 5, 9, 2]);
    for (const psi of filterBasis({ rings: 2, directions: 4 }))
      expect(psi(1e-9, 0.3)).toBeCloseTo(psi(1e-9, 0.3 + Math.PI), 6);
  });
  it("adds up to a function of distance alone", () => {
    const total = (r: number, angle: number) =>
      filterBasis({ rings: 3, directions: 4 }).reduce((t, psi) => t + psi(r, angle), 0);
    for (const r of [0.1, 0.4, 0.8]) expect(total(r, 0.7)).toBeCloseTo(total(r, 2.9), 12);
    expect(total(0.3, 1)).toBeCloseTo(1, 12);
  });
});

describe("localIntegral", () => {
  const layer = localIntegral({ inputs: 1, outputs: 1, radius: 0.12, basis: { rings: 3, directions: 4 } });
  const field = (n: number) => plane(n, (x, y) => Math.sin(2 * Math.PI * (x + 2 * y)) + Math.cos(2 * Math.PI * 3 * x));
  it("gives the same function on a finer grid, where an ordinary convolution does not", async () => {
    const weight = tensor(Float32Array.from([0.3, -1, 0.5, 0.8, -0.4]), { shape: [1, 1, 5] });
    const apply = compile(layer.apply);
    const kernel = tensor(Float32Array.from(numbers(25)), { shape: [1, 1, 5, 5] });
    const pixels = (x: Tensor) => evaluate(periodicConv(x, kernel));
    const distance = async (fn: (x: Tensor) => Promise<Tensor>) => {
      const [coarse, fine] = [values(await fn(field(64))), values(await fn(field(128)))];
      const onCoarse = coarse.map((_, i) => fine[2 * Math.floor(i / 64) * 128 + 2 * (i % 64)] as number);
      return size(coarse.map((v, i) => v - (onCoarse[i] as number))) / size(coarse);
    };
    expect(await distance((x) => apply({ weight }, x))).toBeLessThan(0.01);
    expect(await distance(pixels)).toBeGreaterThan(0.1);
  });
  it("is the sum over all pairs of points", async () => {
    const n = 16;
    const functions = filterBasis({ rings: 3, directions: 4 });
    const weight = numbers(5);
    const x = numbers(n * n, 7);
    const y = values(
      await evaluate(
        layer.apply(
          { weight: tensor(Float64Array.from(weight), { shape: [1, 1, 5] }) },
          tensor(Float64Array.from(x), { shape: [1, 1, n, n] }),
        ),
      ),
    );
    const wrapped = (d: number) => d - Math.round(d);
    const psi = (b: number, p: number, q: number): number => {
      const dx = wrapped((q % n) / n - (p % n) / n);
      const dy = wrapped(Math.floor(q / n) / n - Math.floor(p / n) / n);
      const r = Math.hypot(dx, dy) / 0.12;
      return r <= 1 ? (functions[b] as (r: number, a: number) => number)(r, Math.atan2(dy, dx)) : 0;
    };
    const points = Array.from({ length: n * n }, (_, i) => i);
    const expected = points.map((p) =>
      weight.reduce((total, w, b) => {
        const [sum, norm] = [0, 1].map((kind) =>
          points.reduce((t, q) => t + psi(b, p, q) * (kind ? 1 : (x[q] as number)), 0),
        ) as [number, number];
        return total + (w * sum) / norm;
      }, 0),
    );
    expect(largest(y, expected)).toBeLessThan(1e-12);
  });
  it("refuses a radius below a cell", () => {
    expect(() => layer.apply(layer.init(key(0)), zeros([1, 1, 8, 8]))).toThrow("below one cell of a grid of 8 points");
    expect(() => sampledBasis(filterBasis({ rings: 9, directions: 1 }), 0.13, 8)).toThrow("has no point");
    expect(() => layer.apply(layer.init(key(0)), zeros([1, 1, 16, 32]))).toThrow("as many points along each axis");
  });
});

describe("operatorBlock", () => {
  it("has the gradients that finite differences give, with every kernel", async () => {
    const layer = operatorBlock({
      width: 2,
      modes: [2, 2],
      differential: { size: 8 },
      integral: { radius: 0.3 },
      pixels: 3,
    });
    const point = { params: layer.init(key(3)), x: normal(key(4), [2, 2, 8, 8]) };
    expect(await gradientError(({ params, x }) => mean(square(layer.apply(params, x))), point)).toBeLessThan(1e-6);
  });
  it("is the sum of its parts", async () => {
    const both = { inputs: 2, outputs: 2 };
    const options = { differential: { size: 8 }, integral: { radius: 0.3 } };
    const layer = operatorBlock({ width: 2, modes: [2, 2], ...options, activation: (x) => x });
    const params = await evaluate(layer.init(key(3)));
    const x = normal(key(4), [1, 2, 8, 8]);
    const apart = [
      pointwise(both).apply(params.pointwise as never, x),
      spectralConv({ ...both, modes: [2, 2] }).apply(params.spectral as never, x),
      finiteDifferenceConvolution({ ...both, dimensions: 2, ...options.differential }).apply(
        params.differential as never,
        x,
      ),
      localIntegral({ ...both, ...options.integral }).apply(params.integral as never, x),
    ].reduce((total, y) => add(total, y));
    const [whole, sum] = await evaluate([layer.apply(params, x), apart]);
    expect(largest(values(whole as Tensor), values(sum as Tensor))).toBeLessThan(1e-4);
  });

  it("needs a kernel", () => {
    expect(() => operatorBlock({ width: 2 })).toThrow(
      "at least one of modes, spherical, differential, integral, sphericalIntegral and pixels",
    );
  });
});
