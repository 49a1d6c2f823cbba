import { expect, it } from "vitest";
import {
  compile,
  evaluate,
  grad,
  key,
  mul,
  normal,
  scatterAdd,
  sum,
  type Tensor,
  take,
  tensor,
  zeros,
} from "../../src/array/index.ts";

// Enough work for the runtime to share it among threads, and every index many times: its own operator loses updates here.
const [rows, width, times] = [64, 256, 128];
const count = rows * times;
const indices = tensor(Int32Array.from({ length: count }, (_, i) => i % rows));

/** Sums of the updates of each index in float64. */
function sums(updates: Float32Array): Float64Array {
  const total = new Float64Array(rows * width);
  updates.forEach((value, i) => {
    const row = Math.floor(i / width) % rows;
    (total[row * width + (i % width)] as number) += value;
  });
  return total;
}

it("adds up all updates of repeated indices, each time the same", async () => {
  const updates = await evaluate(normal(key(0), [count, width]));
  const run = compile((u: Tensor) => scatterAdd(zeros([rows, width]), indices, u));
  const expected = sums(updates.data as Float32Array);
  const first = (await run(updates)).data;
  for (const [i, value] of expected.entries()) expect(Math.abs(Number(first[i]) - value)).toBeLessThan(1e-3);
  for (let again = 0; again < 5; again++) expect((await run(updates)).data).toEqual(first);
});

it("gives the gradient of a table that is looked up many times", async () => {
  const weights = await evaluate(normal(key(1), [count, width]));
  const table = await evaluate(normal(key(2), [rows, width]));
  const slope = compile(grad((t: Tensor, w: Tensor) => sum(mul(take(t, indices), w))));
  const expected = sums(weights.data as Float32Array);
  const { data } = await slope(table, weights);
  for (const [i, value] of expected.entries()) expect(Math.abs(Number(data[i]) - value)).toBeLessThan(1e-3);
});

it.each([256, 257])("gives a table of %i rows its gradient, also by indices from the end", async (tableRows) => {
  const ids = [0, 5, -1, 5, tableRows - 1, -tableRows, 5];
  const dys = ids.map((_, i) => [i + 1, -i, 0.5 * i]);
  const run = compile((table: Tensor, at: Tensor, dy: Tensor) => grad((t: Tensor) => sum(mul(take(t, at), dy)))(table));
  const dTable = await run(zeros([tableRows, 3]), tensor(ids, { dtype: "int32" }), tensor(dys));
  const sums = Array.from({ length: tableRows * 3 }, () => 0);
  for (const [i, id] of ids.entries()) {
    for (const [j, dy] of (dys[i] as number[]).entries())
      sums[((id + tableRows) % tableRows) * 3 + j] = (sums[((id + tableRows) % tableRows) * 3 + j] as number) + dy;
  }
  expect([...dTable.data]).toEqual(sums);
});
