import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compile, flatten, tensor, toNested } from "../../../src/array/index.ts";
import {
  loadVision,
  openWeights,
  saveVision,
  scaledImages,
  type TensorToWrite,
  vit,
  writeWeights,
} from "../../../src/models/index.ts";
import { type VitShape, vitLogits, type Weights } from "./reference.ts";

const folder = await mkdtemp(join(tmpdir(), "fourward-vision-"));
const [width, hidden, patch, classes] = [12, 20, 4, 5];
const image = [8, 12] as const;
const fields = {
  hidden_size: width,
  intermediate_size: hidden,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  image_size: image,
  patch_size: patch,
  num_channels: 3,
  id2label: { 0: "cat", 1: "dog", 2: "owl", 3: "eel", 4: "bee" },
};

/** Shapes as they are published. */
function shapesOf(prefix: string, tokens: readonly string[], heads: readonly string[]) {
  const pair = (name: string, ...shape: number[]) => ({
    [`${name}.weight`]: shape,
    [`${name}.bias`]: [shape[0] as number],
  });
  const layer = (i: number) => {
    const at = `${prefix}encoder.layer.${i}.`;
    return {
      ...pair(`${at}attention.attention.query`, width, width),
      ...pair(`${at}attention.attention.key`, width, width),
      ...pair(`${at}attention.attention.value`, width, width),
      ...pair(`${at}attention.output.dense`, width, width),
      ...pair(`${at}intermediate.dense`, hidden, width),
      ...pair(`${at}output.dense`, width, hidden),
      ...pair(`${at}layernorm_before`, width),
      ...pair(`${at}layernorm_after`, width),
    };
  };
  return {
    ...Object.fromEntries(tokens.map((name) => [`${prefix}embeddings.${name}`, [1, 1, width]])),
    [`${prefix}embeddings.position_embeddings`]: [1, tokens.length + 6, width],
    ...pair(`${prefix}embeddings.patch_embeddings.projection`, width, 3, patch, patch),
    ...layer(0),
    ...layer(1),
    ...pair(`${prefix}layernorm`, width),
    ...Object.assign({}, ...heads.map((name) => pair(name, classes, width))),
  } as { readonly [name: string]: readonly number[] };
}

/** Writes a checkpoint, and gives our logits of two images and those of the definition. */
async function both(
  name: string,
  more: object,
  shapes: ReturnType<typeof shapesOf>,
  shape: Omit<VitShape, "width" | "heads" | "layers" | "patch" | "image">,
) {
  let state = name.length;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const data = new Map<string, Float32Array>();
  const tensors: Record<string, TensorToWrite> = {};
  for (const [key, extents] of Object.entries(shapes)) {
    const isScale = extents.length === 1 && /norm.*weight$/.test(key);
    const values = Float32Array.from(
      { length: extents.reduce((a, b) => a * b, 1) },
      () => (isScale ? 1 : 0) + 0.4 * random(),
    );
    data.set(key, values);
    tensors[key] = { dtype: "F32", shape: extents, data: values };
  }
  const path = join(folder, name);
  await mkdir(path);
  await writeWeights(path, tensors);
  await writeFile(join(path, "config.json"), JSON.stringify({ ...fields, ...more }));
  await writeFile(
    join(path, "preprocessor_config.json"),
    JSON.stringify({ image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225], do_normalize: true }),
  );
  const loaded = await loadVision(path);
  const pixels = Uint8Array.from({ length: 2 * 8 * 12 * 3 }, () => 127 + 127 * random());
  const logits = toNested(await compile(loaded.model.apply)(loaded.params, scaledImages(loaded, pixels))) as number[][];
  const mean = [0.485, 0.456, 0.406];
  const std = [0.229, 0.224, 0.225];
  const weights: Weights = (key) => data.get(key) as Float32Array;
  const theirs = [0, 1].map((b) => {
    const at = (channel: number, y: number, x: number): number =>
      ((pixels[((b * 8 + y) * 12 + x) * 3 + channel] as number) / 255 - (mean[channel] as number)) /
      (std[channel] as number);
    return vitLogits({ width, heads: 3, layers: 2, patch, image, ...shape }, weights, at);
  });
  theirs.flat().forEach((value, i) => {
    expect(Math.abs((logits.flat()[i] as number) - value)).toBeLessThan(1e-4);
  });
  return { loaded, path };
}

describe("vision transformers compute what they are defined to compute", () => {
  it("ViT", async () => {
    const shapes = shapesOf("vit.", ["cls_token"], ["classifier"]);
    const { loaded } = await both("vit", { model_type: "vit" }, shapes, { prefix: "vit.", heads2: null });
    expect(loaded.labels).toEqual(["cat", "dog", "owl", "eel", "bee"]);
  });
  it("DeiT with the head of its teacher", async () => {
    const shapes = shapesOf(
      "deit.",
      ["cls_token", "distillation_token"],
      ["cls_classifier", "distillation_classifier"],
    );
    const more = { model_type: "deit", architectures: ["DeiTForImageClassificationWithTeacher"] };
    await both("teacher", more, shapes, { prefix: "deit.", heads2: "average" });
  });
  it("DeiT with one head", async () => {
    const shapes = shapesOf("deit.", ["cls_token", "distillation_token"], ["classifier"]);
    await both("deit", { model_type: "deit" }, shapes, { prefix: "deit.", heads2: "unused" });
  });
});

it("vision transformers come back as they were, under the names of their publishers", async () => {
  for (const name of ["vit", "teacher", "deit"]) {
    const loaded = await loadVision(join(folder, name));
    const again = join(folder, `${name}-again`);
    await saveVision(again, loaded);
    const [before, after] = [await openWeights(join(folder, name)), await openWeights(again)];
    expect([...after.entries.keys()].sort()).toEqual([...before.entries.keys()].sort());
    for (const [key, { shape }] of before.entries) {
      expect(after.entries.get(key)?.shape).toEqual(shape);
      expect((await after.read(key)).data).toEqual((await before.read(key)).data);
    }
    await before.close();
    await after.close();
    const twice = await loadVision(again);
    expect(twice.model.config).toEqual(loaded.model.config);
    expect(flatten(twice.params).leaves.map(({ data }) => data)).toEqual(
      flatten(loaded.params).leaves.map(({ data }) => data),
    );
    expect([twice.labels, twice.scaling]).toEqual([loaded.labels, loaded.scaling]);
  }
});

describe("says in one sentence that", () => {
  it("an image has another size", async () => {
    const loaded = await loadVision(join(folder, "vit"));
    expect(() => scaledImages(loaded, new Uint8Array(7))).toThrow("expected bytes of images 8 x 12 x 3, got 7; resize");
    expect(() => loaded.model.apply(loaded.params, tensor(new Float32Array(3), { shape: [1, 3, 1, 1] }))).toThrow(
      "vit: expected images [batch, 3, 8, 12], got [1, 3, 1, 1]",
    );
  });
  it("patches do not tile the image", () => {
    expect(() => vit({ image: [8, 8], patch: 3, width: 4, classes: 2, blocks: [] })).toThrow(
      "patch: patches must tile",
    );
  });
  it("a folder holds another kind of model", async () => {
    const path = join(folder, "other");
    await mkdir(path);
    await writeFile(join(path, "config.json"), JSON.stringify({ ...fields, model_type: "gpt2" }));
    await expect(loadVision(path)).rejects.toThrow('unknown model_type "gpt2"; known are vit, deit');
    const config = JSON.parse(await readFile(join(folder, "vit", "config.json"), "utf8"));
    await writeFile(join(path, "config.json"), JSON.stringify({ ...config, hidden_act: "mish" }));
    await expect(loadVision(path)).rejects.toThrow(
      'hidden_act: the activation "mish" is not supported; known are relu',
    );
  });
});
