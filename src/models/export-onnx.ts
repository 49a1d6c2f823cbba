/** Models as ONNX files that any runtime of the format can run. */
import { bytesOf, flatten, type Tensor, tensor, toOnnx, zeros } from "../array/index.ts";
import type { StackCache } from "./transformer/blocks.ts";
import type { Decoder, DecoderParams } from "./transformer/decoder.ts";
import type { Vit, VitParams } from "./vit.ts";

/** What one file of the format can hold. */
const LIMIT = 2 ** 31 - 1;

/** Throws one sentence if the weights do not fit into one file. */
function checkSize(params: DecoderParams | VitParams): void {
  const bytes = flatten(params).leaves.reduce((sum, { size, dtype }) => sum + size * bytesOf(dtype), 0);
  if (bytes > LIMIT - 2 ** 24)
    throw new Error(
      `export: the weights take ${(bytes / 1e9).toFixed(2)} GB, and an ONNX file holds at most 2.1 GB; keep 16-bit weights as they are (--half), or run it here with fourward serve`,
    );
}

const int32 = (shape: readonly number[]): Tensor => tensor(new Int32Array(shape.reduce((a, b) => a * b, 1)), { shape });

/**
 * A decoder as ONNX, weights inside: `tokens`, int32 `[batch, time]`, give `logits`, `[batch, time, vocabulary]`. Both
 * extents are fixed; shorter texts are filled up behind, which does not change the logits before. Throws one sentence if
 * the weights take more than a file can hold.
 */
export function decoderOnnx(
  model: Decoder,
  params: DecoderParams,
  { batch = 1, time = model.config.context }: { readonly batch?: number; readonly time?: number } = {},
): Uint8Array {
  checkSize(params);
  return toOnnx((tokens: Tensor) => model.apply(params, tokens), [int32([batch, time])], {
    inputNames: ["tokens"],
    outputNames: ["logits"],
  });
}

/**
 * One step of generation as ONNX: `tokens`, int32 `[batch, 1]`, after `seen`, int32 `[batch]`, positions whose keys and
 * values (or what a mixer keeps) are in `cache.*`, give `logits`, `[batch, 1, vocabulary]`, and in `new.*` what the caches must
 * hold of the new position: it goes to place `seen` along the axis of extent `length`. Throws as `decoderOnnx` does.
 */
export function decoderStepOnnx(
  model: Decoder,
  params: DecoderParams,
  { batch = 1, length = model.config.context }: { readonly batch?: number; readonly length?: number } = {},
): Uint8Array {
  checkSize(params);
  const like = flatten(model.cache({ batch, length }));
  const names = like.paths.map((path) => `cache.${path}`);
  const step = (tokens: Tensor, seen: Tensor, cache: StackCache) => {
    const [x, fresh] = model.extend(params, tokens, cache, seen);
    const logits = model.logits(params, x);
    return [logits, ...flatten(fresh).leaves];
  };
  return toOnnx(step, [int32([batch, 1]), int32([batch]), like.rebuild(like.leaves)], {
    inputNames: ["tokens", "seen", ...names],
    outputNames: ["logits", ...like.paths.map((path) => `new.${path}`)],
  });
}

/** A vision transformer as ONNX: `images`, float32 `[batch, channels, height, width]`, give `logits`, `[batch, classes]`. */
export function visionOnnx(
  { config, apply }: Vit,
  params: VitParams,
  { batch = 1 }: { readonly batch?: number } = {},
): Uint8Array {
  checkSize(params);
  return toOnnx((images: Tensor) => apply(params, images), [zeros([batch, config.channels, ...config.image])], {
    inputNames: ["images"],
    outputNames: ["logits"],
  });
}
