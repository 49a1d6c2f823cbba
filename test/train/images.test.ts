import { expect, it } from "vitest";
import { compile, evaluate, type Tensor, tensor, toNested } from "../../src/array/index.ts";
import { imagesInGraph, indexRange } from "../../src/train/index.ts";

const images = {
  images: Uint8Array.of(0, 255, 51, 102, 153, 204),
  labels: Uint8Array.of(7, 8, 9),
  count: 3,
  height: 1,
  width: 2,
  channels: 1,
};

it("imagesInGraph takes standardized images and labels by index", async () => {
  const data = imagesInGraph(images, { mean: 0.2, std: 0.5 });
  const at = compile((indices: Tensor) => ({ ...data.take(indices) }));
  const { x, labels } = await at(tensor(Int32Array.of(2, 0, 2), { shape: [3, 1] }));
  const value = (byte: number) => expect.closeTo((byte / 255 - 0.2) / 0.5, 5);
  expect(toNested(x)).toEqual([[[value(153), value(204)]], [[value(0), value(255)]], [[value(153), value(204)]]]);
  expect(toNested(labels)).toEqual([[9], [7], [9]]);
  expect(toNested((await evaluate(indexRange(1, 2))).indices)).toEqual([1, 2]);
  expect(() => imagesInGraph(images, { mean: 0, std: 0 })).toThrow(/std must be above 0, got 0/);
});
