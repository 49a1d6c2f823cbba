/** Quantization without a codebook: a few bounded channels, each rounded to one of few whole numbers. */
import { add, cast, div, mul, round, stopGradient, sub, type Tensor, tanh, tensor } from "../../array/index.ts";
import { checkLast } from "../checks.ts";
import { checkRadices, digitsToIndices, gridSize, indicesToDigits } from "./mixed-radix.ts";
import type { Quantizer } from "./quantizer.ts";

/** Keeps the bound inside the outermost rounding thresholds; the value of the source. */
const EPS = 1e-3;

/** `round(x)`, through which the gradient passes as if nothing had been rounded. */
export const straightThroughRound = (x: Tensor): Tensor => add(x, stopGradient(sub(round(x), x)));

/** Numbers of each channel: half range `h`, offset `o`, shift `s` and half width `w` of the source's notation. */
function channelTables(levels: readonly number[], dtype: Tensor["dtype"]) {
  const half = levels.map((n) => ((n - 1) * (1 - EPS)) / 2);
  const offset = levels.map((n) => (n % 2 === 0 ? 0.5 : 0));
  const row = (values: readonly number[]) => tensor(Float64Array.from(values), { dtype });
  return {
    half: row(half),
    offset: row(offset),
    shift: row(offset.map((o, i) => Math.tan(o / (half[i] as number)))),
    width: row(levels.map((n) => Math.floor(n / 2))),
  };
}

function checkLevels(levels: readonly number[]): void {
  checkRadices("finiteScalarQuantize: levels", levels);
  // With two levels the shift of the source puts the threshold at -1.56 instead of 0.
  if (levels.includes(2))
    throw new RangeError("finiteScalarQuantize: levels of 2 are badly biased; use at least 3 in each channel");
}

/**
 * `z` squashed to the range of each channel: `tanh(z + s)·h - o`, within half a step of the outermost whole numbers.
 * `z: [..., channels]`, one channel for each of `levels`.
 */
export function boundChannels(z: Tensor, levels: readonly number[]): Tensor {
  checkLevels(levels);
  checkLast("finiteScalarQuantize", z, levels.length);
  const { half, offset, shift } = channelTables(levels, z.dtype);
  return sub(mul(tanh(add(z, shift)), half), offset);
}

/**
 * Finite scalar quantization: every channel is bounded and rounded, and the result scaled to [-1, 1].
 * `z: [..., channels]` gives `[..., channels]`. The gradient passes the rounding unchanged.
 * Source: Mentzer et al. 2023, arXiv:2309.15505, section 3.
 */
export const finiteScalarQuantize = (z: Tensor, levels: readonly number[]): Tensor =>
  div(straightThroughRound(boundChannels(z, levels)), channelTables(levels, z.dtype).width);

/** Indices (int32 [...]) of codes in [-1, 1] ([..., channels]); the first channel varies fastest. */
export function codesToIndices(codes: Tensor, levels: readonly number[]): Tensor {
  const { width } = channelTables(levels, codes.dtype);
  return digitsToIndices(cast(round(add(mul(codes, width), width)), "int32"), levels);
}

/** Codes in [-1, 1] of indices: the inverse of `codesToIndices`, and how a stored code is decoded. */
export function indicesToCodes(indices: Tensor, levels: readonly number[], dtype: Tensor["dtype"] = "float32"): Tensor {
  const { width } = channelTables(levels, dtype);
  return div(sub(cast(indicesToDigits(indices, levels), dtype), width), width);
}

/** A finite scalar quantizer: as many channels as `levels`, no parameters, no state, no loss of its own. */
export function finiteScalarQuantizer(levels: readonly number[]): Quantizer {
  checkLevels(levels);
  return {
    size: gridSize(levels),
    channels: levels.length,
    init: () => ({ params: {}, state: {} }),
    apply: (_, state, z) => {
      const codes = finiteScalarQuantize(z, levels);
      return { codes, indices: codesToIndices(stopGradient(codes), levels), loss: null, state };
    },
  };
}
