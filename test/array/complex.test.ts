import { afterAll, describe, expect, it } from "vitest";
import { compile, complexMul, grad, releaseSessions, sum, type Tensor, tensor, zeros } from "../../src/array/index.ts";

afterAll(releaseSessions);

describe("complexMul", () => {
  // (1 + 3i)·2i = -6 + 2i and (2 + 4i)·(1 - i) = 6 + 2i
  const x = tensor([[1, 2, 3, 4]]);
  const factors = { re: tensor([[0, 1]]), im: tensor([[2, -1]]) };

  it("multiplies values of one row by hand-computed factors, of any modulus", async () => {
    const y = await compile((v: Tensor) => complexMul(v, factors))(x);
    expect([...y.data]).toEqual([-6, 6, 2, 2]);
  });

  it("has gradients of factors where there is nothing to sum over", async () => {
    const slope = await compile((re: Tensor) => grad((p: Tensor) => sum(complexMul(x, { re: p, im: factors.im })))(re))(
      factors.re,
    );
    expect([...slope.data]).toEqual([4, 6]);
  });

  it("says what does not fit", () => {
    const pair = (shape: number[], dtype: "float32" | "float64" = "float32") => ({
      re: zeros(shape, dtype),
      im: zeros(shape, dtype),
    });
    const expected = "complexMul: expected x of shape [..., rows, 2·width] and factors [rows, width], got ";
    expect(() => complexMul(zeros([2, 3, 8]), pair([3, 8]))).toThrow(`${expected}[2, 3, 8] and [3, 8], [3, 8]`);
    expect(() => complexMul(zeros([3, 7]), pair([3, 3]))).toThrow(`${expected}[3, 7] and [3, 3], [3, 3]`);
    expect(() => complexMul(zeros([8]), pair([4]))).toThrow(`${expected}[8] and [4], [4]`);
    expect(() => complexMul(zeros([3, 8]), pair([3, 4], "float64"))).toThrow(
      "complexMul: expected factors of x's type float32, got re float64 and im float64",
    );
  });
});
