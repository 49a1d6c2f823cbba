import { describe, expect, it } from "vitest";
import { compile, mul, sum, type Tensor, tensor, toNested } from "../../src/array/index.ts";
import { rotary } from "../../src/nn/index.ts";
import { distance, gradientError, numbers } from "./reference.ts";

const rotate = compile((x: Tensor) => rotary(x));

/** The source's formula, one complex product at a time. */
function reference(
  x: readonly number[],
  width: number,
  { base = 10_000, offset = 0, pairs = "halves" } = {},
): number[] {
  const y = [...x];
  for (let row = 0; row < x.length / width; row++) {
    for (let i = 0; i < width / 2; i++) {
      const angle = (row + offset) * base ** ((-2 * i) / width);
      const [a, b] = pairs === "halves" ? [i, i + width / 2] : [2 * i, 2 * i + 1];
      const [re, im] = [x[row * width + a] as number, x[row * width + b] as number];
      y[row * width + a] = re * Math.cos(angle) - im * Math.sin(angle);
      y[row * width + b] = re * Math.sin(angle) + im * Math.cos(angle);
    }
  }
  return y;
}

describe("rotary", () => {
  const x = numbers(40, 3);
  const input = tensor(Float32Array.from(x), { shape: [5, 8] });

  it.each(["halves", "neighbours"] as const)("agrees with the formula for pairs of %s", async (pairs) => {
    for (const [base, offset] of [
      [10_000, 0],
      [100, 3],
    ] as const) {
      const y = await compile((v: Tensor) => rotary(v, { base, offset, pairs }))(input);
      expect(distance(y.data, reference(x, 8, { base, offset, pairs }))).toBeLessThan(1e-6);
    }
  });

  it("takes an offset that is known only when the graph runs", async () => {
    const run = compile((v: Tensor, offset: Tensor) => rotary(v, { offset }));
    for (const offset of [0, 7]) {
      const y = await run(input, tensor(offset, { dtype: "int32" }));
      expect(distance(y.data, reference(x, 8, { offset }))).toBeLessThan(3e-6);
    }
  });

  it.each([8, 40])("takes an offset for each entry of the batch, at width %i", async (width) => {
    const values = numbers(2 * 3 * 4 * width, 5);
    const many = tensor(Float32Array.from(values), { shape: [2, 3, 4, width] });
    const run = compile((v: Tensor, offset: Tensor) => rotary(v, { offset }));
    const y = await run(many, tensor(Int32Array.of(2, 9), { shape: [2] }));
    const blocks = Array.from({ length: 6 }, (_, block) => values.slice(4 * width * block, 4 * width * (block + 1)));
    const expected = blocks.flatMap((block, i) => reference(block, width, { offset: i < 3 ? 2 : 9 }));
    expect(distance(y.data, expected)).toBeLessThan(3e-6);
  });

  it("turns by a hand-computed angle, keeps lengths, and leaves position 0 alone", async () => {
    const y = toNested(
      await rotate(
        tensor([
          [1, 0],
          [1, 0],
        ]),
      ),
    ) as number[][];
    expect(y[0]).toEqual([1, 0]);
    expect(distance(y[1] as number[], [Math.cos(1), Math.sin(1)])).toBeLessThan(1e-7);
    const [before, after] = [input.data, (await rotate(input)).data].map((d) =>
      [...d].reduce((total: number, v) => total + Number(v) ** 2, 0),
    );
    expect(Math.abs((before as number) - (after as number))).toBeLessThan(1e-5);
  });

  it("makes products of two vectors depend on their distance only", async () => {
    const dots = compile((q: Tensor, k: Tensor, i: Tensor, j: Tensor) =>
      sum(mul(rotary(q, { offset: i }), rotary(k, { offset: j }))),
    );
    const [q, k] = [tensor([numbers(8, 1)]), tensor([numbers(8, 2)])];
    const at = async (i: number, j: number) =>
      Number((await dots(q, k, tensor(i, { dtype: "int32" }), tensor(j, { dtype: "int32" }))).data[0]);
    for (const distanceApart of [0, 1, 5]) {
      const products = await Promise.all([0, 3, 40].map((j) => at(j + distanceApart, j)));
      expect(Math.max(...products) - Math.min(...products)).toBeLessThan(1e-5);
    }
    expect(Math.abs((await at(5, 0)) - (await at(1, 0)))).toBeGreaterThan(1e-3);
  });

  it("has the right gradient", async () => {
    const weights = tensor(Float64Array.from(numbers(40, 9)), { shape: [5, 8] });
    for (const pairs of ["halves", "neighbours"] as const) {
      expect(await gradientError((v: Tensor) => sum(mul(rotary(v, { pairs }), weights)), input)).toBeLessThan(1e-8);
    }
  });

  it("names a wrong input", () => {
    expect(() => rotary(tensor([[1, 2, 3]]))).toThrow(
      "rotary: expected x of shape [..., time, width] with an even width, got [1, 3]",
    );
    expect(() => rotary(tensor([1, 2]))).toThrow("rotary: expected x of shape");
    expect(() => rotary(input, { base: 0 })).toThrow("rotary: base must be above 0, got 0");
  });
});
