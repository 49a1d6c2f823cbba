import { describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  fft2,
  key,
  mean,
  normal,
  square,
  type Tensor,
  tensor,
  zeros,
} from "../../../src/array/index.ts";
import { modeTransform, pointwise, spectralConv } from "../../../src/nn/index.ts";
import { gradientError, numbers } from "../reference.ts";

const values = (x: Tensor): number[] => Array.from(x.data as Float32Array, Number);
const largest = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))));
/** A sum of few waves at the points of a grid, `[1, 2, n, m]`. */
const smooth = (n: number, m: number): Tensor =>
  tensor(
    Float32Array.from({ length: 2 * n * m }, (_, i) => {
      const [c, y, x] = [Math.floor(i / (n * m)), Math.floor(i / m) % n, i % m];
      const [a, b] = [(2 * Math.PI * y) / n, (2 * Math.PI * x) / m];
      return Math.sin(a + 2 * b + c) + 0.5 * Math.cos(2 * a - b) + 0.3 * Math.cos(3 * b) + 0.1;
    }),
    { shape: [1, 2, n, m] },
  );

describe("modeTransform", () => {
  it("gives the coefficients of the Fourier transform, and the field back from all of them", async () => {
    const [n, m] = [8, 12];
    const x = tensor(Float64Array.from(numbers(3 * n * m)), { shape: [3, 1, n, m] });
    const modes = modeTransform("test", [3, 4]);
    const z = await evaluate(modes.forward(x));
    const full = await evaluate(fft2({ re: x, im: zeros(x.shape, "float64") }));
    const rows = [0, 1, 2, -3, -2, -1];
    for (const [i, k] of rows.entries())
      for (let l = 0; l < 4; l++)
        for (let b = 0; b < 3; b++) {
          const at = b * n * m + ((k + n) % n) * m + l;
          const here = ((i * 4 + l) * 3 + b) * 2;
          expect(Number(z.data[here])).toBeCloseTo(Number(full.re.data[at]) / (n * m), 12);
          expect(Number(z.data[here + 1])).toBeCloseTo(Number(full.im.data[at]) / (n * m), 12);
        }
    const again = await evaluate(modes.inverse(modes.forward(smooth(16, 16)), [16, 16]));
    expect(largest(values(again), values(smooth(16, 16)))).toBeLessThan(1e-5);
  });
});

describe("spectralConv", () => {
  it("is the product with a matrix for each frequency, in one dimension", async () => {
    const [n, modes] = [10, 3];
    const layer = spectralConv({ inputs: 2, outputs: 1, modes: [modes] });
    const params = await evaluate(layer.init(key(1)));
    const x = tensor(Float32Array.from(numbers(2 * n)), { shape: [1, 2, n] });
    const y = values(await evaluate(layer.apply(params, x)));
    const expected = Array.from({ length: n }, (_, at) => {
      let total = 0;
      for (let k = -modes + 1; k < modes; k++)
        for (let c = 0; c < 2; c++)
          for (let t = 0; t < n; t++) {
            const i = Math.abs(k) * 2 + c;
            const [re, im] = [Number(params.re.data[i]), Math.sign(k) * Number(params.im.data[i])];
            const angle = (2 * Math.PI * k * (at - t)) / n;
            total += (Number(x.data[c * n + t]) * (re * Math.cos(angle) - im * Math.sin(angle))) / n;
          }
      return total;
    });
    expect(largest(y, expected)).toBeLessThan(1e-5);
  });
  it("gives the same function on a finer grid", async () => {
    const layer = spectralConv({ inputs: 2, outputs: 3, modes: [4, 4] });
    const params = await evaluate(layer.init(key(2)));
    const apply = compile(layer.apply);
    const [coarse, fine] = [values(await apply(params, smooth(16, 16))), values(await apply(params, smooth(32, 48)))];
    const onCoarse = coarse.map((_, i) => {
      const [c, y, x] = [Math.floor(i / 256), Math.floor(i / 16) % 16, i % 16];
      return fine[(c * 32 + 2 * y) * 48 + 3 * x] as number;
    });
    expect(largest(coarse, onCoarse)).toBeLessThan(1e-5);
    expect(Math.max(...coarse)).toBeGreaterThan(0.1);
  });
  it("has the gradients that finite differences give", async () => {
    for (const [modes, shape] of [
      [[3], [2, 2, 8]] as const,
      [
        [2, 3],
        [2, 2, 6, 8],
      ] as const,
    ]) {
      const layer = spectralConv({ inputs: 2, outputs: 2, modes });
      const point = { params: layer.init(key(3)), x: normal(key(4), shape) };
      expect(await gradientError(({ params, x }) => mean(square(layer.apply(params, x))), point)).toBeLessThan(1e-6);
    }
  });
  it("names what does not fit", () => {
    const layer = spectralConv({ inputs: 2, outputs: 2, modes: [4, 4] });
    const params = layer.init(key(0));
    expect(() => layer.apply(params, zeros([1, 2, 8, 6]))).toThrow(
      "4 modes need at least 8 points along axis 1 of the grid, got 6",
    );
    expect(() => layer.apply(params, zeros([1, 3, 8, 8]))).toThrow("expected x of shape [batch, 2, rows, columns]");
    expect(() =>
      pointwise({ inputs: 2, outputs: 1 }).apply(pointwise({ inputs: 2, outputs: 1 }).init(key(0)), zeros([1, 3, 8])),
    ).toThrow("[batch, 2, ...grid]");
  });
});
