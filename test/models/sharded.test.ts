import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { openWeights, type TensorToWrite, writeWeights } from "../../src/models/index.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fourward-sharded-"));
});
const tensors: Record<string, TensorToWrite> = Object.fromEntries(
  ["a", "b", "c", "d"].map((name, i) => [
    name,
    { dtype: "F32", shape: [10 * (i + 1)], data: Float32Array.from({ length: 10 * (i + 1) }, (_, k) => 100 * i + k) },
  ]),
);
const contents = async (): Promise<Record<string, number[]>> => {
  const file = await openWeights(folder);
  const read: Record<string, number[]> = {};
  for (const name of file.entries.keys()) read[name] = Array.from((await file.read(name)).data as Float32Array);
  await file.close();
  return read;
};
const expected = Object.fromEntries(
  Object.entries(tensors).map(([name, { data }]) => [name, Array.from(data as Float32Array)]),
);

describe("weights of a folder", () => {
  it("are one file if they fit", async () => {
    await writeWeights(folder, tensors);
    expect(await readdir(folder)).toEqual(["model.safetensors"]);
    expect(await contents()).toEqual(expected);
  });

  it("replace those of an earlier checkpoint, whichever form either has", async () => {
    await writeWeights(folder, { old: tensors.a as TensorToWrite });
    await writeWeights(folder, tensors, { maxBytes: 130 });
    expect(await contents()).toEqual(expected);
    await writeWeights(folder, { a: tensors.a as TensorToWrite });
    expect(Object.keys(await contents())).toEqual(["a"]);
  });

  it("are several files with an index if they do not, none over the limit unless one tensor is", async () => {
    await writeWeights(folder, tensors, { maxBytes: 130 });
    expect((await readdir(folder)).sort()).toEqual([
      "model-00001-of-00003.safetensors",
      "model-00002-of-00003.safetensors",
      "model-00003-of-00003.safetensors",
      "model.safetensors.index.json",
    ]);
    expect(await contents()).toEqual(expected);
    const file = await openWeights(folder);
    expect(await file.bytes("b", { start: 4, end: 8 })).toHaveLength(4);
    await expect(file.read("e")).rejects.toThrow('no tensor "e"');
    await file.close();
  });

  const refused = async (index: unknown, message: string | RegExp) => {
    await writeWeights(folder, tensors, { maxBytes: 130 });
    const text = typeof index === "string" ? index : JSON.stringify(index);
    await writeFile(join(folder, "model.safetensors.index.json"), text);
    await expect(openWeights(folder)).rejects.toThrow(message);
  };
  it("are refused in one sentence if the index is wrong", async () => {
    await refused("{", "it is not JSON");
    await refused({}, "weight_map");
    await refused({ weight_map: { a: "../other.safetensors" } }, "is not the name of a file beside it");
    await refused({ weight_map: { d: "model-00001-of-00003.safetensors" } }, "where the index says it is");
    await refused({ weight_map: { a: "none.safetensors" } }, /none\.safetensors/);
  });

  it("are missing in one sentence", async () => {
    await rm(folder, { recursive: true });
    await expect(openWeights(folder)).rejects.toThrow(/model\.safetensors/);
  });
});
