import { describe, expect, it } from "vitest";
import {
  add,
  cond,
  conv,
  einsum,
  flopCount,
  grad,
  greater,
  groupedMatmul,
  key,
  matmul,
  normal,
  relu,
  scan,
  sum,
  tensor,
  whileLoop,
  zeros,
} from "../../src/array/index.ts";

const x = zeros([2, 3, 4]);
const w = zeros([4, 5]);

describe("flopCount", () => {
  it("counts two for each multiplication of a matrix product, and nothing elementwise", () => {
    expect(flopCount((a, b) => relu(matmul(a, b)), x, w)).toBe(2 * 2 * 3 * 4 * 5);
    expect(flopCount((a, b) => matmul(a, b, { transposeA: true }), zeros([7, 3]), zeros([7, 5]))).toBe(2 * 3 * 7 * 5);
    expect(flopCount((a, b) => einsum("bij,jk->bik", a, b), x, w)).toBe(2 * 2 * 3 * 4 * 5);
  });

  it("counts a gradient as two further products, or one where only the weight is asked for", () => {
    const loss = (b: typeof w, a: typeof x) => sum(relu(matmul(a, b)));
    expect(flopCount(grad(loss), w, x)).toBe(2 * (2 * 2 * 3 * 4 * 5));
  });

  it("counts convolutions by output, kernel and channels of a group", () => {
    const image = zeros([2, 4, 9, 9]);
    expect(flopCount((a, b) => conv(a, b), image, zeros([6, 4, 3, 3]))).toBe(2 * 2 * 6 * 7 * 7 * 4 * 9);
    expect(flopCount((a, b) => conv(a, b, { groups: 2 }), image, zeros([6, 2, 3, 3]))).toBe(2 * 2 * 6 * 7 * 7 * 2 * 9);
  });

  it("counts gradients of a convolution like the convolution", () => {
    const image = zeros([2, 4, 9, 9]);
    const kernel = zeros([6, 4, 3, 3]);
    const once = flopCount((a, b) => conv(a, b), image, kernel);
    const both = grad(({ a, b }: { a: typeof x; b: typeof x }) => sum(relu(conv(a, b))));
    expect(flopCount(both, { a: image, b: kernel })).toBe(3 * once);
  });

  it("counts rows once in grouped products", () => {
    const counts = tensor(BigInt64Array.of(1n, 5n), { dtype: "int64" });
    expect(flopCount((rows) => groupedMatmul(rows, counts, [w, w]), zeros([6, 4]))).toBe(2 * 6 * 4 * 5);
  });

  it("counts each step of a scan and the larger side of a branch", () => {
    const square = zeros([4, 4]);
    const run = (a: typeof x) => scan((h: typeof x) => [matmul(h, square), h], a, undefined, { length: 7 });
    expect(flopCount(run, zeros([3, 4]))).toBe(7 * 2 * 3 * 4 * 4);
    const branch = (a: typeof x) =>
      cond(
        greater(sum(a), 0),
        () => matmul(a, square),
        () => matmul(matmul(a, square), square),
      );
    expect(flopCount(branch, zeros([3, 4]))).toBe(2 * 2 * 3 * 4 * 4);
  });

  it("refuses a loop of unknown length that multiplies matrices", () => {
    const endless = (a: typeof x) =>
      whileLoop(
        (h: typeof x) => greater(sum(h), 0),
        (h) => matmul(h, zeros([4, 4])),
        a,
      );
    expect(() => flopCount(endless, zeros([3, 4]))).toThrow("give maxSteps");
    const counting = (a: typeof x) =>
      whileLoop(
        (h: typeof x) => greater(sum(h), 0),
        (h) => add(h, -1),
        a,
      );
    expect(flopCount(counting, zeros([3, 4]))).toBe(0);
  });

  it("needs no values", () => {
    expect(flopCount((a, b) => matmul(a, b), normal(key(0), [1 << 20, 4]), w)).toBe(2 * (1 << 20) * 4 * 5);
  });
});
