import { afterEach, expect, test } from "vitest";
import {
  compile,
  evaluate,
  frozen,
  key,
  matmul,
  normal,
  quantizedMatmul,
  quantizeMatrix,
  releaseSessions,
  type Tensor,
  tensor,
} from "../../src/array/index.ts";
import { roundedToBits } from "../../src/surgery/quantize.ts";

afterEach(releaseSessions);

const values = (x: Tensor): number[] => Array.from(x.data as Float32Array);
const largest = (list: readonly number[]): number => Math.max(...list.map(Math.abs));

test.for([8, 4] as const)(
  "weights of %i bits are those of the simulation, to the last bit of float32",
  async (bits) => {
    const weight = await evaluate(normal(key(1), [40, 6]));
    const stored = quantizeMatrix(weight, { bits, block: 16 });
    const unit = tensor(
      Float32Array.from({ length: 1600 }, (_, i) => (i % 41 === 0 ? 1 : 0)),
      { shape: [40, 40] },
    );
    // More rows than the quick operator takes, so the weights themselves come out.
    const found = values(await compile((x: Tensor) => quantizedMatmul(x, stored))(unit));
    const expected = values(roundedToBits(weight, { bits, group: 16 }));
    expect(largest(found.map((v, i) => v - (expected[i] as number)))).toBeLessThan(1e-6);
  },
);

test.for([8, 4] as const)("a few rows with stored weights of %i bits are off by a hundredth at most", async (bits) => {
  const [weight, x] = await evaluate([normal(key(2), [300, 70]), normal(key(3), [2, 3, 300])] as const);
  const stored = quantizeMatrix(weight, { bits, block: 32 });
  const found = await compile((v: Tensor, w: typeof stored) => quantizedMatmul(v, w))(x, stored);
  const exact = values(await compile(matmul)(x, roundedToBits(weight, { bits, group: 32 })));
  expect(found.shape).toEqual([2, 3, 70]);
  const off = largest(values(found).map((v, i) => v - (exact[i] as number)));
  expect(off).toBeLessThan(0.02 * largest(exact));
  // Another operator than the exact one: in Node it rounds the other operand too, in browsers it does not.
  if (!("document" in globalThis)) expect(off).toBeGreaterThan(1e-5);
});

test("frozen arguments are part of the program: other values, another program", async () => {
  const multiply = compile((x: Tensor, w: { readonly int8: Tensor; readonly scales: Tensor }) => quantizedMatmul(x, w));
  const x = tensor([[1, 1]]);
  const matrix = (value: number) =>
    quantizeMatrix(tensor([[value], [value]]), { bits: 8, block: 16 }) as { int8: Tensor; scales: Tensor };
  const [one, two] = [matrix(1), matrix(2)];
  for (const [w, sum] of [
    [one, 2],
    [two, 4],
    [one, 2],
  ] as const)
    expect(values(await multiply(x, w))[0]).toBeCloseTo(sum, 1);
  const sum = compile((a: Tensor, b: Tensor) => matmul(a, b));
  expect(values(await sum(x, frozen(tensor([[3], [4]]))))).toEqual([7]);
  expect(values(await sum(x, frozen(tensor([[5], [6]]))))).toEqual([11]);
});

test("what does not fit is told in a sentence", () => {
  const { int8, scales } = quantizeMatrix(tensor([[1], [2]]), { bits: 8, block: 16 }) as {
    int8: Tensor;
    scales: Tensor;
  };
  expect(() => quantizedMatmul(tensor(new Float32Array(40), { shape: [1, 40] }), { int8, scales })).toThrow(
    "quantizedMatmul: expected x float32[rows, inputs] with inputs in 1 blocks of 16, got float32[1, 40]",
  );
  expect(() => quantizedMatmul(tensor([[1, 2]]), { int8: scales, scales })).toThrow("expected int8 uint8");
  expect(() => quantizeMatrix(tensor([[1]]), { bits: 8, block: 20 })).toThrow("block must be 16, 32");
});
