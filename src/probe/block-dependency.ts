/** How much what one block adds to the stream depends on another block before it. */
import {
  div,
  greater,
  maximum,
  mul,
  sqrt,
  square,
  stack,
  sub,
  sum,
  type Tensor,
  where,
  zeros,
} from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import type { Decoder, DecoderParams } from "../models/index.ts";
import { inputsAndTargets, type TokenBatch, totalOver } from "../train/index.ts";
import { windowsOf } from "./record.ts";

export interface BlockDependencyOptions {
  /** Tokens at most, rounded up to whole windows spread evenly over the text; all by default. */
  readonly tokens?: number;
  /** Tokens of a window; all positions of the model by default. */
  readonly context?: number;
  /** Windows that go through the model at once; 8 by default. */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  /** Called after each block that was left out. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The block-dependency matrix `M[i][j]`: the cosine distance between what block j adds to the stream and what it adds once
 * block i is left out, its mean over the tokens of a text; from 0 for a block that does not care to 2. Nothing depends on
 * later blocks, so entries with j ≤ i are 0. A block that adds nothing either way has distance 0. One pass of the model
 * for each block.
 * Source: Bercovich et al. 2025 (FFN Fusion), arXiv:2503.18908, section 3.
 */
export async function blockDependency(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  options: BlockDependencyOptions = {},
): Promise<number[][]> {
  const { signal, onProgress, batch: piece = 8 } = options;
  const { count, batch, tokens } = windowsOf(model, text, options);
  const blocks = model.config.blocks.length;
  const matrix: number[][] = [];
  for (let i = 0; i < blocks; i++) {
    const row = new Array<number>(blocks).fill(0);
    if (i < blocks - 1) {
      const total = await totalOver(
        (weights: DecoderParams, { tokens: windows }: TokenBatch) => {
          const [input] = inputsAndTargets(windows);
          const [whole, without] = [contributions(model, weights, input), contributions(model, weights, input, i)];
          return stack(whole.slice(i + 1).map((x, k) => sum(cosineDistance(x, without[i + 1 + k] as Tensor))));
        },
        params,
        { count, piece: Math.min(piece, count), batch, ...(signal ? { signal } : {}) },
      );
      Array.from(total.data, Number).forEach((value, k) => {
        row[i + 1 + k] = value / tokens;
      });
    }
    matrix.push(row);
    onProgress?.(i + 1, blocks);
  }
  return matrix;
}

/** What each block adds to the stream; nothing, for one that is left out. */
function contributions(model: Decoder, params: DecoderParams, tokens: Tensor, leftOut?: number): Tensor[] {
  const found: Tensor[] = [];
  let before: Tensor | null = null;
  const tap = (name: string, x: Tensor): Tensor => {
    if (name === "embedding") before = x;
    const block = /^blocks\.(\d+)\.stream$/.exec(name)?.[1];
    if (block === undefined || before === null) return x;
    const after = Number(block) === leftOut ? before : x;
    found.push(sub(after, before));
    before = after;
    return after;
  };
  model.hidden(params, tokens, { training: false, tap });
  return found;
}

/** `1 - cos` of vectors in the last axis, not below 0; 0 where one of them is 0. */
function cosineDistance(a: Tensor, b: Tensor): Tensor {
  const lengths = sqrt(mul(sum(square(a), { axis: -1 }), sum(square(b), { axis: -1 })));
  const cosine = div(sum(mul(a, b), { axis: -1 }), maximum(lengths, 1e-30));
  const distance = maximum(sub(1, cosine), 0);
  return where(greater(lengths, 0), distance, zeros(distance.shape, distance.dtype));
}

/** Dependence within the window of blocks `first` to `first + count - 1`: the largest entry of its part of M, and the sum. */
export function windowDependency(
  matrix: readonly (readonly number[])[],
  first: number,
  count: number,
): { readonly max: number; readonly sum: number } {
  if (!Number.isInteger(first) || !Number.isInteger(count) || first < 0 || count < 1 || first + count > matrix.length)
    throw new RangeError(
      `windowDependency: expected blocks of the ${matrix.length} of the matrix, got ${count} from ${first} on`,
    );
  const entries = matrix.slice(first, first + count).flatMap((row, i) => row.slice(first + i + 1, first + count));
  return { max: Math.max(0, ...entries), sum: entries.reduce((total, value) => total + value, 0) };
}
