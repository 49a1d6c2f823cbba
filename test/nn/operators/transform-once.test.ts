import { describe, expect, it } from "vitest";
import { evaluate, key, mean, normal, square, type Tensor } from "../../../src/array/index.ts";
import { parameterCount, spectralChannelMix, spectralDeviation, transformOnceLayer } from "../../../src/nn/index.ts";
import { dct, idct } from "../../../src/spectral/index.ts";
import { gradientError } from "../reference.ts";

const squares = (x: Tensor): number => Array.from(x.data as Float32Array).reduce((total, v) => total + v * v, 0);

describe("transformOnceLayer", () => {
  it("has the number of parameters of its definition", () => {
    const layer = transformOnceLayer({ width: 48, modes: [24, 24], points: 64 * 64 });
    expect(parameterCount(layer.init(key(0)))).toBe(1_382_400);
  });
  it("has the gradients that finite differences give", async () => {
    const layer = transformOnceLayer({ width: 2, modes: [3, 4], points: 12 });
    const point = { params: layer.init(key(1)), z: normal(key(2), [2, 2, 3, 4]) };
    expect(await gradientError(({ params, z }) => mean(square(layer.apply(params, z))), point)).toBeLessThan(1e-6);
  });
  it("keeps the variance of fields from its mix of channels, where the naive scale loses it", async () => {
    for (const [n, m, width] of [
      [16, 4, 8],
      [32, 8, 16],
      [32, 16, 8],
    ] as const) {
      const shape = [m * m, width, width];
      const x = normal(key(3), [24, width, n, n]);
      const ratio = async (init: "variancePreserving" | "naive") => {
        const std = spectralDeviation(init, { width, modes: m * m, points: n * n });
        const spectrum = dct(dct(x, { frequencies: m }), { axis: -2, frequencies: m });
        const mixed = spectralChannelMix(spectrum, normal(key(4), shape, { std }));
        const field = idct(idct(mixed, { length: n }), { axis: -2, length: n });
        return Math.sqrt(squares(await evaluate(field)) / squares(await evaluate(x)));
      };
      expect(Math.abs((await ratio("variancePreserving")) - 1)).toBeLessThan(0.05);
      const naive = ((m / n) * Math.sqrt(width)) / width ** 2;
      expect(Math.abs((await ratio("naive")) / naive - 1)).toBeLessThan(0.05);
    }
  });
});
