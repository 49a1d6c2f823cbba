import { describe, expect, it } from "vitest";
import { compile, evaluate, key, mean, normal, square, type Tensor, tensor, zeros } from "../../src/array/index.ts";
import { fieldUnet } from "../../src/models/index.ts";
import { parameterCount } from "../../src/nn/index.ts";
import { gradientError } from "../nn/reference.ts";

const values = (x: Tensor): number[] => Array.from(x.data as Float32Array);

/** A field moved by whole points along both axes, what leaves at one end coming in at the other. */
function moved(x: Tensor, rows: number, columns: number): Tensor {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const data = values(x);
  const at = (i: number): number => {
    const [column, row, plane] = [i % width, Math.floor(i / width) % height, Math.floor(i / (width * height))];
    const from = ((row - rows + height) % height) * width + ((column - columns + width) % width);
    return data[plane * height * width + from] as number;
  };
  return tensor(
    Float32Array.from({ length: data.length }, (_, i) => at(i)),
    { shape: [batch, channels, height, width] },
  );
}

describe("fieldUnet", () => {
  it("has no ends: a field that is moved by points of the coarsest grid gives a result that is moved as far", async () => {
    const unet = fieldUnet({ inputs: 2, outputs: 3, width: 4, levels: 3, coordinates: "none" });
    const params = await evaluate(unet.init(key(1)));
    const apply = compile(unet.apply);
    const x = await evaluate(normal(key(2), [2, 2, 16, 12]));
    const y = await apply(params, x);
    expect(y.shape).toEqual([2, 3, 16, 12]);
    const expected = values(moved(y, 4, 8));
    for (const [i, value] of values(await apply(params, moved(x, 4, 8))).entries())
      expect(value).toBeCloseTo(expected[i] as number, 4);
    // One point is not a point of the coarsest grid.
    const shifted = values(await apply(params, moved(x, 1, 0)));
    const other = values(moved(y, 1, 0));
    expect(Math.max(...shifted.map((v, i) => Math.abs(v - (other[i] as number))))).toBeGreaterThan(1e-3);
  });

  it("is told where it is by coordinates alone", async () => {
    const spread = async (coordinates: "points" | "none"): Promise<number> => {
      const unet = fieldUnet({ inputs: 1, outputs: 1, width: 2, levels: 2, dimensions: 1, coordinates });
      const y = values(await compile(unet.apply)(await evaluate(unet.init(key(4))), await evaluate(zeros([1, 1, 16]))));
      return Math.max(...y) - Math.min(...y);
    };
    expect(await spread("none")).toBeLessThan(1e-6);
    expect(await spread("points")).toBeGreaterThan(1e-3);
  });

  it("has the parameters of its convolutions, norms and maps", () => {
    const [w, inputs, outputs] = [5, 2, 3];
    const pair = (from: number, to: number) => 9 * from * to + 9 * to * to + 4 * to;
    const rise = (to: number) => 4 * 2 * to * to + to;
    const expected = pair(inputs + 2, w) + pair(w, 2 * w) + rise(w) + pair(2 * w, w) + w * outputs + outputs;
    expect(parameterCount(fieldUnet({ inputs, outputs, width: w, levels: 2 }).init(key(0)))).toBe(expected);
  });

  it("has the gradients of finite differences", async () => {
    const unet = fieldUnet({ inputs: 1, outputs: 1, width: 1, levels: 2 });
    const point = { params: unet.init(key(6)), x: normal(key(7), [1, 1, 4, 6]) };
    expect(await gradientError(({ params, x }) => mean(square(unet.apply(params, x))), point)).toBeLessThan(1e-5);
  });

  it("names what is wrong", () => {
    const unet = fieldUnet({ inputs: 2, outputs: 1, width: 2 });
    const params = unet.init(key(0));
    for (const shape of [
      [1, 2, 8, 6],
      [1, 1, 8, 8],
      [1, 2, 8],
    ])
      expect(() => unet.apply(params, zeros(shape))).toThrow(
        `expected x [batch, 2, ...grid] with 2 axes of multiples of 4 points, got [${shape.join(", ")}]`,
      );
    expect(() => fieldUnet({ inputs: 1, outputs: 1, width: 2, levels: 0 })).toThrow(
      "levels must be a whole number of at least 1",
    );
  });
});
