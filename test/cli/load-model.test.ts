import { expect, test } from "vitest";
import { flatten } from "../../src/array/index.ts";
import { loadModel } from "../../src/cli/load-model.ts";
import { modelFolder } from "../../src/models/index.ts";

test("weights come as the flags ask for: as they are, in 16 bits, or in few", async () => {
  const bytesOf = async (flags: Parameters<typeof loadModel>[1]): Promise<number> => {
    const { params } = await loadModel(modelFolder("fourward-4m"), flags);
    // Of the blocks alone: the embeddings stay as they are, beside the head that is made of them.
    return flatten(params.blocks).leaves.reduce((total, { data }) => total + data.byteLength, 0);
  };
  const plain = await bytesOf({});
  expect((await bytesOf({ half: true })) / plain).toBeLessThan(0.55);
  const int8 = await bytesOf({ weights: "int8" });
  expect(int8 / plain).toBeGreaterThan(0.25);
  expect(int8 / plain).toBeLessThan(0.3);
  const int4 = await bytesOf({ half: true, weights: "int4" });
  expect(int4 / plain).toBeGreaterThan(0.125);
  expect(int4 / plain).toBeLessThan(0.18);
});
