import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { expect, it } from "vitest";
import { compile, evaluate, flatten, key, normal, type Tensor, tensor } from "../../src/array/index.ts";
import { decoder, decoderOnnx, decoderStepOnnx, visionOnnx, vit } from "../../src/models/index.ts";

const model = decoder({
  vocabulary: 50,
  context: 12,
  width: 16,
  norm: "rms",
  tied: false,
  blocks: [
    [{ mixer: { kind: "attention", heads: 4, kvHeads: 2 } }, { ffn: { kind: "gated", hidden: 24 } }],
    [{ mixer: { kind: "attention", heads: 4, kvHeads: 2 } }, { ffn: { kind: "gated", hidden: 24 } }],
  ],
});
const params = await evaluate(model.init(key(0)));
const text = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3];

const close = (a: ArrayLike<number>, b: ArrayLike<number>): void => {
  expect(a.length).toBe(b.length);
  for (let i = 0; i < a.length; i++) expect(Math.abs((a[i] as number) - (b[i] as number))).toBeLessThan(1e-4);
};

it("a decoder's file gives the decoder's logits in the runtime itself", async () => {
  const session = await InferenceSession.create(decoderOnnx(model, params, { batch: 2, time: 5 }));
  expect(session.inputNames).toEqual(["tokens"]);
  const data = Int32Array.from(text);
  const { logits } = await session.run({ tokens: new OrtTensor("int32", data, [2, 5]) });
  expect(logits?.dims).toEqual([2, 5, 50]);
  const ours = await compile(model.apply)(params, tensor(data, { shape: [2, 5] }));
  close(logits?.data as Float32Array, ours.data as Float32Array);
});

it("a step's file goes through a text with caches as the decoder does with all of it", async () => {
  const length = 12;
  const session = await InferenceSession.create(decoderStepOnnx(model, params, { length }));
  const { leaves, paths } = flatten(await evaluate(model.cache({ batch: 1, length })));
  const caches = new Map(
    leaves.map((x, i) => [paths[i] as string, { shape: x.shape, data: Float32Array.from(x.data as Float32Array) }]),
  );
  const ours = await compile(model.apply)(params, tensor(Int32Array.from(text), { shape: [1, text.length] }));
  for (const [t, token] of text.entries()) {
    const feeds: Record<string, OrtTensor> = {
      tokens: new OrtTensor("int32", Int32Array.of(token), [1, 1]),
      seen: new OrtTensor("int32", Int32Array.of(t), [1]),
    };
    for (const [path, { shape, data }] of caches) feeds[`cache.${path}`] = new OrtTensor("float32", data, shape);
    const outputs = await session.run(feeds);
    close(outputs.logits?.data as Float32Array, (ours.data as Float32Array).subarray(t * 50, (t + 1) * 50));
    // The new position goes to its place along the axis of positions.
    for (const [path, { shape, data }] of caches) {
      const fresh = outputs[`new.${path}`] as OrtTensor;
      const axis = shape.findIndex((extent, i) => extent !== fresh.dims[i]);
      const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
      const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
      for (let row = 0; row < outer; row++)
        data.set((fresh.data as Float32Array).subarray(row * inner, (row + 1) * inner), (row * length + t) * inner);
    }
  }
});

it("a vision transformer's file gives its logits", async () => {
  const block = [{ mixer: { kind: "attention", heads: 2 } }, { ffn: { kind: "dense", hidden: 20 } }] as const;
  const seeing = vit({ image: [8, 8], patch: 4, width: 12, classes: 3, blocks: [block] });
  const weights = await evaluate(seeing.init(key(1)));
  const images: Tensor = await evaluate(normal(key(2), [2, 3, 8, 8]));
  const session = await InferenceSession.create(visionOnnx(seeing, weights, { batch: 2 }));
  const { logits } = await session.run({ images: new OrtTensor("float32", images.data as Float32Array, [2, 3, 8, 8]) });
  close(logits?.data as Float32Array, (await compile(seeing.apply)(weights, images)).data as Float32Array);
});

it("says in one sentence that weights do not fit into a file", () => {
  const large = decoder({ vocabulary: 200_000, context: 8, width: 8192, blocks: [] });
  expect(() => decoderOnnx(large, large.init(key(0)))).toThrow(
    "export: the weights take 6.55 GB, and an ONNX file holds at most 2.1 GB",
  );
});
