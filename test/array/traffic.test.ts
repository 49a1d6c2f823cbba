import { describe, expect, it } from "vitest";
import {
  arange,
  at,
  bytesMade,
  bytesRead,
  cond,
  expertSum,
  groupedMatmul,
  less,
  matmul,
  mul,
  relu,
  reshape,
  scan,
  slice,
  sum,
  type Tensor,
  take,
  takeAlong,
  transpose,
  whileLoop,
  zeros,
} from "../../src/array/index.ts";

const x = zeros([1, 6]);
const w = zeros([6, 10]);

describe("bytesRead", () => {
  it("counts all of a matrix, once for each use", () => {
    expect(bytesRead((a: Tensor, b: Tensor) => matmul(a, b), x, w)).toEqual([24, 240]);
    expect(bytesRead((a: Tensor, b: Tensor) => matmul(relu(matmul(a, b)), b, { transposeB: true }), x, w)).toEqual([
      24, 480,
    ]);
    // What is made of a matrix is no argument any more.
    expect(bytesRead((b: Tensor) => sum(mul(relu(transpose(b, [1, 0])), 2)), w)).toEqual([240]);
    expect(bytesRead((a: Tensor, _: Tensor) => relu(a), x, w)).toEqual([24, 0]);
  });

  it("sums over the tensors of an argument, by their types", () => {
    const tree = { a: zeros([3], "float64"), b: [zeros([2], "int32")] };
    expect(bytesRead(({ a, b }: typeof tree) => [relu(a), mul(b[0] as Tensor, 2)], tree)).toEqual([32]);
  });

  it("looks through views", () => {
    expect(bytesRead((b: Tensor) => matmul(x, reshape(reshape(b, [60]), [6, 10])), w)).toEqual([240]);
    expect(bytesRead((b: Tensor) => take(reshape(b, [12, 5]), arange(2, "int32")), w)).toEqual([40]);
  });

  it("counts what lookups and slices take", () => {
    const rows = zeros([3], "int32");
    expect(bytesRead((b: Tensor, i: Tensor) => take(b, i), w, rows)).toEqual([120, 12]);
    expect(bytesRead((b: Tensor) => slice(b, { starts: [1], stops: [3], axes: [0] }), w)).toEqual([80]);
    const along = zeros([6, 2], "int32");
    expect(bytesRead((b: Tensor, i: Tensor) => takeAlong(b, i, { axis: 1 }), w, along)).toEqual([48, 48]);
  });

  it("counts experts that can be chosen, and no others", () => {
    const [up, down] = [zeros([8, 5, 6]), zeros([8, 6, 5])];
    const layer = (rows: Tensor, chosen: Tensor, u: Tensor, d: Tensor) => expertSum(rows, chosen, { up: u, down: d });
    const bytes = (rows: number) => bytesRead(layer, zeros([rows, 6]), zeros([rows, 2], "int32"), up, down);
    expect(bytes(1)).toEqual([24, 8, 240, 240]);
    // Three rows choose six of the eight at most, nine all.
    expect(bytes(3)).toEqual([72, 24, 720, 720]);
    expect(bytes(9)).toEqual([216, 72, 960, 960]);
    const groups = Array.from({ length: 4 }, () => w);
    const grouped = (rows: Tensor, counts: Tensor, weights: readonly Tensor[]) => groupedMatmul(rows, counts, weights);
    expect(bytesRead(grouped, x, zeros([4], "int64"), groups)).toEqual([24, 32, 240]);
  });

  it("counts the larger side of a branch, each step of a loop, and sequences once", () => {
    const branch = (flag: Tensor, a: Tensor, b: Tensor) =>
      cond(
        less(sum(flag), 1),
        () => sum(relu(a)),
        () => sum(take(b, arange(1, "int32"))),
      );
    expect(bytesRead(branch, zeros([1]), w, w)).toEqual([4, 240, 40]);
    const stack = zeros([8, 6, 6]);
    const chosen = (v: Tensor, s: Tensor, picks: Tensor) =>
      scan((c: Tensor, i: Tensor) => [matmul(c, at(s, i)), []], v, picks)[0];
    expect(bytesRead(chosen, x, stack, zeros([3], "int32"))[1]).toBe(3 * 144);
    const walked = (v: Tensor, s: Tensor) => scan((c: Tensor, m: Tensor) => [matmul(c, m), []], v, s)[0];
    expect(bytesRead(walked, x, stack)[1]).toBe(8 * 144);
    const square = zeros([6, 6]);
    const repeat = (maxSteps?: number) => (v: Tensor, m: Tensor) =>
      whileLoop(
        (c: Tensor) => less(sum(c), 1),
        (c: Tensor) => matmul(c, m),
        v,
        maxSteps ? { maxSteps } : {},
      );
    expect(bytesRead(repeat(5), x, square)[1]).toBe(5 * 144);
    expect(() => bytesRead(repeat(), x, square)).toThrow("unknown number of bytes; give maxSteps");
  });
});

describe("bytesMade", () => {
  it("counts what each operation makes, but no views", () => {
    expect(bytesMade((a: Tensor, b: Tensor) => matmul(a, b), x, w)).toBe(40);
    expect(bytesMade((a: Tensor, b: Tensor) => relu(reshape(matmul(a, b), [10])), x, w)).toBe(80);
  });
  it("refuses control flow", () => {
    expect(() =>
      bytesMade(
        (a: Tensor) =>
          cond(
            less(at(reshape(a, [6]), 0), 0),
            () => relu(a),
            () => a,
          ),
        x,
      ),
    ).toThrow("without control flow, got cond");
  });
});
