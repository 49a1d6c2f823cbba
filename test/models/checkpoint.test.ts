import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import { dtypes, key, normal, type Tensor, type Tree, tensor, toNested } from "../../src/array/index.ts";
import { loadTree, openSafetensors, saveTree, writeSafetensors } from "../../src/models/index.ts";
import { onSmallDisk } from "../data/small-disk.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fourward-checkpoint-"));
  path = join(folder, "m.safetensors");
});
afterEach(() => rmSync(folder, { recursive: true }));

const tree = {
  layers: [
    {
      weight: tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]),
      bias: tensor([7, 8, 9]),
    },
    { weight: tensor([[0.5]]), bias: tensor([-1]) },
  ],
  step: tensor(3, { dtype: "int64" }),
};

describe("saveTree and loadTree", () => {
  it("round-trips every element type, with and without a tree to fit", async () => {
    const all = Object.fromEntries(
      dtypes.map((dtype) => [
        dtype,
        tensor(
          [
            [0, 1],
            [1, 0],
          ],
          { dtype },
        ),
      ]),
    );
    await saveTree(path, all, { step: "12" });
    for (const { tree: loaded, metadata } of [await loadTree(path, all), await loadTree(path)]) {
      expect(metadata).toEqual({ step: "12" });
      for (const [name, saved] of Object.entries(all)) {
        const back = (loaded as Record<string, Tensor>)[name] as Tensor;
        expect({ dtype: back.dtype, shape: back.shape, data: back.data }).toEqual({
          dtype: saved.dtype,
          shape: saved.shape,
          data: saved.data,
        });
      }
    }
  });

  it("rebuilds lists and objects from dotted names", async () => {
    await saveTree(path, tree);
    const { tree: loaded } = await loadTree(path);
    expectTypeOf(loaded).toEqualTypeOf<Tree>();
    const { layers, step } = loaded as typeof tree;
    expect(Array.isArray(layers)).toBe(true);
    expect(toNested(layers[0]?.weight as Tensor)).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(toNested(layers[1]?.bias as Tensor)).toEqual([-1]);
    expect([...step.data]).toEqual([3n]);
  });

  it("keeps eleven list entries in numeric order, and takes keys with a gap for names", async () => {
    const list = Array.from({ length: 11 }, (_, i) => tensor([i]));
    await saveTree(path, { list, gap: { 0: tensor([1]), 2: tensor([2]) } });
    const { tree: loaded } = await loadTree(path);
    const { list: back, gap } = loaded as { list: Tensor[]; gap: object };
    expect(back.map(toNested)).toEqual(list.map(toNested));
    expect(Object.keys(gap)).toEqual(["0", "2"]);
  });

  it("fills a tree of symbolic tensors, keeping its static leaves and empty parts", async () => {
    const like = { w: normal(key(0), [2, 2]), heads: 4, name: "x", none: null, empty: {} };
    await saveTree(path, {
      w: tensor([
        [1, 2],
        [3, 4],
      ]),
    });
    const { tree: loaded } = await loadTree(path, like);
    expectTypeOf(loaded).toEqualTypeOf<typeof like>();
    expect({ ...loaded, w: toNested(loaded.w) }).toEqual({
      ...like,
      w: [
        [1, 2],
        [3, 4],
      ],
    });
  });

  it("saves a lone tensor, and equal trees as equal bytes", async () => {
    await saveTree(path, tensor([1, 2]));
    expect(toNested((await loadTree(path)).tree as Tensor)).toEqual([1, 2]);
    await saveTree(path, { a: tensor([1]), b: tensor([2]) }, { x: "1", y: "2" });
    const bytes = readFileSync(path);
    await saveTree(path, { b: tensor([2]), a: tensor([1]) }, { y: "2", x: "1" });
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(readdirSync(folder)).toEqual(["m.safetensors"]);
  });

  it("names the first wrong tensor", async () => {
    await saveTree(path, tree);
    const [first, second] = tree.layers as [(typeof tree.layers)[0], (typeof tree.layers)[0]];
    const wrong = async (like: Tree) =>
      loadTree(path, like).then(
        () => null,
        (error: Error) => error.message,
      );
    expect(await wrong({ ...tree, layers: [{ ...first, bias: tensor([1, 2]) }, second] })).toBe(
      `load ${path}: tensor "layers.0.bias" is float32[3] in the file, expected float32[2]`,
    );
    expect(await wrong({ ...tree, step: tensor(3) })).toBe(
      `load ${path}: tensor "step" is int64[] in the file, expected float32[]`,
    );
    expect(await wrong({ ...tree, layers: [first, second, first] })).toBe(
      `load ${path}: tensor "layers.2.weight" is not in the file; is it a checkpoint of another model?`,
    );
    expect(await wrong({ ...tree, layers: [first] })).toMatch(/tensor "layers.1.\w+" of the file is not in the model/);
  });

  it("reads bfloat16 as float32 and says which type it cannot read", async () => {
    await writeSafetensors(path, { a: { dtype: "BF16", shape: [1], data: Uint16Array.of(0x4049) } });
    for (const { tree: loaded } of [await loadTree(path), await loadTree(path, { a: tensor([0]) })]) {
      expect(toNested((loaded as { a: Tensor }).a)).toEqual([3.140625]);
    }
    await writeSafetensors(path, { a: { dtype: "C64", shape: [1], data: Float32Array.of(1, 2) } });
    await expect(loadTree(path)).rejects.toThrow('tensor "a" is C64, which has no tensor type here');
    await expect(loadTree(path, { a: tensor([0]) })).rejects.toThrow('"a" is C64[1] in the file, expected float32[1]');
  });

  it("refuses names that clash, on both sides", async () => {
    const bytes = { dtype: "U8", shape: [], data: new Uint8Array(1) } as const;
    await writeSafetensors(path, { a: bytes, "a.b": bytes });
    await expect(loadTree(path)).rejects.toThrow('"a" names both a tensor and a group of tensors');
    await writeSafetensors(path, { [".".repeat(5000)]: bytes });
    await expect(loadTree(path)).rejects.toThrow(/has over 100 parts/);
    await expect(saveTree(path, { a: { b: tensor([1]) }, "a.b": tensor([2]) })).rejects.toThrow(
      `write ${path}: two tensors of the tree have the path "a.b"; rename one`,
    );
  });

  it("refuses to save values that are not computed yet, and a foreign file", async () => {
    await expect(saveTree(path, { w: normal(key(0), [2]) })).rejects.toThrow(/symbolic/);
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(path, "not a checkpoint");
    await expect(loadTree(path, tree)).rejects.toThrow(/it is truncated or not a safetensors file$/);
  });

  it("keeps the last good checkpoint when the disk is full", async () => {
    const disk = join(folder, "disk");
    await onSmallDisk(disk, async () => {
      const checkpoint = join(disk, "c.safetensors");
      await saveTree(checkpoint, tree, { step: "1" });
      await expect(saveTree(checkpoint, { big: tensor(new Float32Array(100_000)) })).rejects.toThrow(
        `write ${checkpoint}: the disk is full; free some space or choose another folder`,
      );
      expect(readdirSync(disk)).toEqual(["c.safetensors"]);
      const opened = await openSafetensors(checkpoint);
      expect(opened.metadata).toEqual({ step: "1" });
      await opened.close();
      await loadTree(checkpoint, tree);
    });
  });
});
