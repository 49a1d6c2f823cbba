import { afterAll, describe, expect, it } from "vitest";
import { cast, evaluate, releaseSessions, type Tensor, tensor, vjp } from "../../src/array/index.ts";
import { fftLog, logGamma } from "../../src/spectral/index.ts";
import { drawn } from "../array/check.ts";

afterAll(releaseSessions);

const grid = (count: number, step: number): Float64Array =>
  Float64Array.from({ length: count }, (_, j) => Math.exp((j - (count - 1) / 2) * step));
const values = (x: Tensor): number[] => Array.from(x.data as Float64Array);

describe("logGamma", () => {
  it("has the values of the factorials, of reflection and of duplication", () => {
    let factorial = 0;
    for (let n = 1; n < 40; n++) {
      expect(logGamma({ re: n, im: 0 }).re).toBeCloseTo(factorial, 11);
      factorial += Math.log(n);
    }
    expect(logGamma({ re: 0.5, im: 0 }).re).toBeCloseTo(Math.log(Math.PI) / 2, 13);
    expect(logGamma({ re: -1.5, im: 0 }).re).toBeCloseTo(Math.log((4 / 3) * Math.sqrt(Math.PI)), 13);
    for (const y of [0.3, 2, 17, 100]) {
      // |Γ(iy)|² = π/(y sinh πy), |Γ(1/2 + iy)|² = π/cosh πy; logarithms, since both are tiny.
      const tail = Math.log1p(Math.exp(-2 * Math.PI * y)) + Math.PI * y - Math.LN2;
      const sinh = Math.log1p(-Math.exp(-2 * Math.PI * y)) + Math.PI * y - Math.LN2;
      expect(2 * logGamma({ re: 0.5, im: y }).re).toBeCloseTo(Math.log(Math.PI) - tail, 11);
      expect(2 * logGamma({ re: 0, im: y }).re).toBeCloseTo(Math.log(Math.PI / y) - sinh, 11);
      // Γ(z) Γ(z + 1/2) = 2^(1-2z) √π Γ(2z), phases included.
      const [a, b, c] = [
        { re: 0.7, im: y },
        { re: 1.2, im: y },
        { re: 1.4, im: 2 * y },
      ].map(logGamma) as [{ re: number; im: number }, { re: number; im: number }, { re: number; im: number }];
      expect(a.im + b.im - c.im).toBeCloseTo(-2 * y * Math.LN2, 10);
      expect(a.re + b.re - c.re).toBeCloseTo(-0.4 * Math.LN2 + Math.log(Math.PI) / 2, 10);
    }
  });
});

describe("fftLog", () => {
  it.each([
    [0, 0],
    [0.5, -0.2],
    [2, 0.3],
    [3.5, 0],
  ])("has the pairs that are known, at order %f with bias %f", async (order, bias) => {
    const [count, step] = [512, 0.06];
    const r = grid(count, step);
    const log = fftLog({ count, step, order, bias });
    const k = log.otherGrid(r);
    // ∫ r^(μ+1) e^(-r²/2) J_μ(kr) k dr = k^(μ+1) e^(-k²/2)
    const gaussian = (x: number) => x ** (order + 1) * Math.exp((-x * x) / 2);
    const result = await evaluate(log.transform(tensor(r.map(gaussian), { dtype: "float64" })));
    values(result).forEach((value, j) => {
      // Near the ends the function is what it is taken for: periodic.
      if (Math.abs(j - 256) > 120) return;
      const error = Math.abs(value - gaussian(k[j] as number));
      if (error > 1e-10) expect.fail(`at k = ${k[j]}: ${value} instead of ${gaussian(k[j] as number)}`);
    });
  });

  it("transforms over many decades what falls off slowly, with a bias", async () => {
    const [count, step] = [1024, 0.03];
    const r = grid(count, step);
    const log = fftLog({ count, step, order: 0, bias: -0.5 });
    const k = log.otherGrid(r);
    // ∫ e^-r J_0(kr) k dr = k/√(1 + k²), which does not fall off at all.
    const result = values(
      await evaluate(
        log.transform(
          tensor(
            r.map((x) => Math.exp(-x)),
            { dtype: "float64" },
          ),
        ),
      ),
    );
    for (let j = 256; j < 768; j += 8) {
      const exact = (k[j] as number) / Math.hypot(1, k[j] as number);
      expect(Math.abs((result[j] as number) / exact - 1)).toBeLessThan(2e-4);
    }
  });

  it("goes back, at any offset for which nothing is lost", async () => {
    for (const [order, bias] of [
      [0, 0],
      [1.5, 0.4],
      [4.5, -0.7],
    ] as const) {
      const log = fftLog({ count: 256, step: 0.05, order, bias });
      expect(Math.abs(log.offset)).toBeLessThanOrEqual(0.0251);
      const a = drawn(3, [2, 256], "float64");
      const back = await evaluate(log.inverse(log.transform(a)));
      values(back).forEach((value, i) => {
        if (Math.abs(value - Number(a.data[i])) > 1e-10) expect.fail(`element ${i}: ${value} instead of ${a.data[i]}`);
      });
    }
  });

  it("has the transposed map as its gradient, and works in float32", async () => {
    const log = fftLog({ count: 64, step: 0.1, order: 1, bias: 0.2 });
    const [a, dy] = [drawn(1, [3, 64], "float64"), drawn(2, [3, 64], "float64")];
    const [y, pull] = vjp((v: Tensor) => log.transform(v), a);
    const [result, slope, single] = await evaluate([
      y,
      pull(dy)[0] as Tensor,
      log.transform(cast(a, "float32")),
    ] as const);
    const inner = (p: Tensor, q: Tensor) => values(p).reduce((total, v, i) => total + v * Number(q.data[i]), 0);
    expect(inner(result, dy)).toBeCloseTo(inner(a, slope), 10);
    const largest = Math.max(...values(result).map(Math.abs));
    values(single).forEach((value, i) => {
      if (Math.abs(value - Number(result.data[i])) > 3e-6 * largest) expect.fail(`element ${i}`);
    });
  });

  it("says what does not fit", () => {
    expect(() => fftLog({ count: 7, step: 0.1, order: 0 })).toThrow(
      "count is an even whole number of at least 2, got 7",
    );
    expect(() => fftLog({ count: 8, step: 0, order: 0 })).toThrow("step is above 0, got 0");
    expect(() => fftLog({ count: 8, step: 0.1, order: 1, bias: 2 })).toThrow("at a pole of the transform");
    expect(() => fftLog({ count: 8, step: 0.1, order: 1 }).transform(drawn(1, [9], "float32"))).toThrow(
      "expected [..., 8]",
    );
  });
});
