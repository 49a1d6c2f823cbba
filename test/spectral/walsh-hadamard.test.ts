import { afterAll, describe, expect, it } from "vitest";
import { evaluate, releaseSessions, swapAxes, type Tensor, vjp } from "../../src/array/index.ts";
import {
  dot,
  fwht,
  multiply,
  multiplyTransposed,
  parity,
  rank,
  span,
  walshHadamard,
} from "../../src/spectral/index.ts";
import { drawn, expectClose, numbers } from "../array/check.ts";
import { valueOf } from "../array/oracle.ts";

afterAll(releaseSessions);

/** The sign of `(-1)^<k,m>`, bit by bit. */
function sign(k: number, m: number): number {
  let common = k & m;
  let result = 1;
  while (common > 0) {
    if (common % 2 === 1) result = -result;
    common = Math.floor(common / 2);
  }
  return result;
}

const definition = (x: ArrayLike<number>): Float64Array =>
  Float64Array.from({ length: x.length }, (_, k) =>
    Array.from(x).reduce((total, value, m) => total + sign(k, m) * value, 0),
  );

describe("walshHadamard", () => {
  it.each([0, 1, 5, 6, 7, 10])(
    "agrees with the definition in graph and on the host, for 2^%i elements",
    async (bits) => {
      const x = drawn(bits, [2, 2 ** bits], "float64");
      const data = x.data as Float64Array;
      const rows = [0, 1].map((i) => data.slice(i * 2 ** bits, (i + 1) * 2 ** bits));
      const expected = { shape: x.shape, data: Float64Array.from(rows.flatMap((row) => Array.from(definition(row)))) };
      const [inGraph, single] = await evaluate([
        walshHadamard(x),
        walshHadamard(drawn(bits, [2, 2 ** bits], "float32")),
      ]);
      expectClose(valueOf(inGraph as Tensor), expected, 1e-12, "in graph");
      expectClose(valueOf(single as Tensor), expected, 1e-5, "in float32");
      expectClose({ shape: x.shape, data: fwht(data.slice(), 2 ** bits) }, expected, 1e-12, "on the host");
    },
  );

  it("is its own inverse and keeps lengths, over caches too", async () => {
    const x = drawn(1, [2 ** 17], "float64");
    const data = x.data as Float64Array;
    const twice = fwht(fwht(data.slice()));
    expect(twice.every((value, i) => Math.abs(value / 2 ** 17 - (data[i] as number)) < 1e-12)).toBe(true);
    const [spectrum, back] = await evaluate([
      walshHadamard(x, { scale: "orthonormal" }),
      walshHadamard(walshHadamard(x), { scale: "inverse" }),
    ]);
    const squares = (v: Tensor) => (v.data as Float64Array).reduce((total, value) => total + value ** 2, 0);
    expect(squares(spectrum as Tensor) / squares(x)).toBeCloseTo(1, 12);
    expectClose(valueOf(back as Tensor), valueOf(x), 1e-12, "back");
    const onHost = fwht(data.slice()).map((value) => value / Math.sqrt(2 ** 17));
    expectClose(valueOf(spectrum as Tensor), { shape: x.shape, data: onHost }, 1e-12, "host and graph");
  });

  it("transforms any axis, with itself as its gradient", async () => {
    const [x, dy] = [drawn(1, [3, 128, 5], "float64"), drawn(2, [3, 128, 5], "float64")];
    const [y, pull] = vjp((v: Tensor) => walshHadamard(v, { axis: 1 }), x);
    const [value, slope, same, moved] = (await evaluate([
      y,
      pull(dy)[0] as Tensor,
      walshHadamard(dy, { axis: -2 }),
      swapAxes(walshHadamard(swapAxes(x, 1, 2)), 1, 2),
    ])) as [Tensor, Tensor, Tensor, Tensor];
    expectClose(valueOf(slope), valueOf(same), 1e-12, "gradient");
    expectClose(valueOf(value), valueOf(moved), 1e-12, "value");
    const column = Float64Array.from({ length: 128 }, (_, m) => Number(x.data[640 + m * 5 + 3]));
    const expected = definition(column);
    expect(Math.abs(Number(value.data[640 + 77 * 5 + 3]) - (expected[77] as number))).toBeLessThan(1e-11);
  });

  it("says what does not fit", () => {
    expect(() => walshHadamard(drawn(1, [12], "float32"))).toThrow(
      "walshHadamard: expected a length that is a power of two, got 12",
    );
    expect(() => fwht(new Float64Array(12))).toThrow("fwht: expected a length that is a power of two, got 12");
    expect(() => fwht(new Float64Array(12), 8)).toThrow("fwht: 12 elements are no rows of 8");
  });
});

describe("gf2", () => {
  it("has products that agree bit by bit", () => {
    const next = numbers(3);
    const word = () => Math.floor(((next() + 1) / 2) * 2 ** 30);
    for (let i = 0; i < 200; i++) {
      const [a, b] = [word(), word()];
      expect(sign(a, b)).toBe(dot(a, b) === 1 ? -1 : 1);
      expect(parity(a)).toBe(a.toString(2).replaceAll("0", "").length % 2);
      const columns = [word(), word(), word(), word()];
      const x = i % 16;
      const sum = columns.reduce((total, column, j) => (x & (1 << j) ? total ^ column : total), 0);
      expect(multiply(columns, x)).toBe(sum);
      expect(span(columns)[x]).toBe(sum);
      // <M x, k> = <x, M' k>
      expect(dot(multiply(columns, x), a)).toBe(dot(x, multiplyTransposed(columns, a)));
    }
  });

  it("counts independent columns", () => {
    expect(rank([1, 2, 4])).toBe(3);
    expect(rank([3, 5, 6])).toBe(2);
    expect(rank([0, 7, 7])).toBe(1);
    expect(rank([])).toBe(0);
  });
});
