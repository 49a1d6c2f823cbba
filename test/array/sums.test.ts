import { expect, it } from "vitest";
import { cast, evaluate, sum, type Tensor, tensor, toNested } from "../../src/array/index.ts";
import { drawn, expectClose } from "./check.ts";
import { valueOf } from "./oracle.ts";

// Sums of rows in float32 are products or go in parts; float64 has the runtime's own operator.
it.each<[shape: readonly number[], axis: readonly number[], keepDims: boolean, how: string]>([
  [[300, 70], [0], false, "one product"],
  [[3, 1, 50, 1, 70], [0, 2], true, "one product over axes with others of extent 1 between"],
  [[4096, 33], [0], false, "in parts"],
  [[6, 700, 5, 3], [0, 1], true, "in parts over two axes"],
  [[2, 100_003], [0], false, "few rows"],
  [[4099, 17], [0], false, "a prime number of rows"],
  [[0, 4], [0], false, "no rows"],
  [[5, 0], [0], true, "no columns"],
  [[7, 300, 9], [1], false, "an axis in the middle"],
  [[40, 30], [0, 1], false, "all axes"],
])("adds up rows of %j along %j (keepDims %s): %s", async (shape, axis, keepDims) => {
  const x = drawn(5, shape, "float64");
  const total = (v: Tensor) => sum(v, { axis, keepDims });
  const [single, double] = await evaluate([total(cast(x, "float32")), total(x)] as const);
  expectClose(valueOf(single), valueOf(double), 1e-5, "sum");
});

it("passes NaN and infinities on from their column alone", async () => {
  const rows = Array.from({ length: 64 }, () => [1, 2, 3, 4]);
  rows[10] = [1, Number.NaN, Number.POSITIVE_INFINITY, 4];
  const total = await evaluate(sum(tensor(rows), { axis: 0 }));
  expect(toNested(total)).toEqual([64, Number.NaN, Number.POSITIVE_INFINITY, 256]);
});
