import { describe, expect, it } from "vitest";
import { compile, evaluate, grad, key, sum, tensor, toNested } from "../../src/array/index.ts";
import { embedding } from "../../src/nn/index.ts";

describe("embedding", () => {
  const layer = embedding({ count: 4, width: 2 });
  const params = {
    weight: tensor([
      [0, 1],
      [2, 3],
      [4, 5],
      [6, 7],
    ]),
  };
  const ids = tensor(
    [
      [3, 0],
      [1, 1],
    ],
    { dtype: "int32" },
  );

  it("looks vectors up", async () => {
    expect(toNested(await evaluate(layer.apply(params, ids)))).toEqual([
      [
        [6, 7],
        [0, 1],
      ],
      [
        [2, 3],
        [2, 3],
      ],
    ]);
  });

  it("gives repeated vectors the sum of their gradients", async () => {
    const gradient = await compile(grad((p: typeof params) => sum(layer.apply(p, ids))))(params);
    expect(toNested(gradient.weight)).toEqual([
      [1, 1],
      [2, 2],
      [0, 0],
      [1, 1],
    ]);
  });

  it("makes a table of its size and fails on a number beyond it when the graph runs", async () => {
    expect((await evaluate(embedding({ count: 10, width: 3 }).init(key(1)))).weight.shape).toEqual([10, 3]);
    await expect(compile(layer.apply)(params, tensor([4], { dtype: "int32" }))).rejects.toThrow(/out of/);
    expect(() => layer.apply(params, tensor([1.5]))).toThrow("take: expected int32 or int64 indices, got float32");
  });
});
