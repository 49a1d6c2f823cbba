/** The two steps of generation: a prompt is read, and a token is read after what was read before. */
import { broadcastTo, reshape, squeeze, sub, type Tensor, takeAlong, zerosLike } from "../array/index.ts";
import type { Decoder, DecoderParams, StackCache } from "../models/index.ts";

/** Prompts are read in pieces of at most so many tokens: attention within one would need the square of that. */
export const LONGEST_PIECE = 512;

/** Vectors `[rows, width]` after the last new token of each row, and what its caches must hold of the new ones. */
type Read = readonly [vectors: Tensor, fresh: StackCache];

/**
 * Reads a piece of prompts, `tokens: [rows, time]`, of which row b has `lengths[b]`, after `seen[b]` others whose keys
 * and values are in the caches; without `seen` it is their beginning.
 */
export function readPiece(
  model: Decoder,
  params: DecoderParams,
  tokens: Tensor,
  lengths: Tensor,
  before?: { readonly cache: StackCache; readonly seen: Tensor },
): Read {
  const rows = tokens.shape[0] as number;
  const { cache, seen } = before ?? { cache: model.cache({ batch: rows, length: 0 }), seen: zerosLike(lengths) };
  const [x, fresh] = model.extend(params, tokens, cache, seen);
  const width = x.shape[2] as number;
  const last = broadcastTo(reshape(sub(lengths, 1), [rows, 1, 1]), [rows, 1, width]);
  return [reshape(takeAlong(x, last, { axis: 1 }), [rows, width]), fresh];
}

/** Reads one token of each row, `tokens: [rows, 1]`. */
export function readToken(
  model: Decoder,
  params: DecoderParams,
  tokens: Tensor,
  cache: StackCache,
  seen: Tensor,
): Read {
  const [x, fresh] = model.extend(params, tokens, cache, seen);
  return [squeeze(x, 1), fresh];
}

/** Lengths of pieces are powers of two, so that few graphs serve all; but no longer than the positions that are left. */
export const paddedLength = (length: number, room: number): number =>
  Math.min(room, Math.max(16, 2 ** Math.ceil(Math.log2(length))));

/** Tokens of several rows, each filled up with zeros to `length`, and rows of zeros up to `size` tokens in all. */
export function padded(
  rows: readonly (readonly number[] | Int32Array)[],
  length: number,
  size = rows.length * length,
): Int32Array {
  const all = new Int32Array(size);
  rows.forEach((row, i) => {
    all.set(row, i * length);
  });
  return all;
}
