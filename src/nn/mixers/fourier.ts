/** Mixing of positions by Fourier transforms, without parameters. */
import {
  arange,
  broadcastTo,
  clip,
  concat,
  expandDims,
  fft,
  matmul,
  mul,
  neg,
  sub,
  type Tensor,
  take,
  takeAlong,
  tensor,
  where,
  zeros,
} from "../../array/index.ts";
import { checkCount, checkLast } from "../checks.ts";
import type { Layer, NoParams } from "../layer.ts";
import { newPositions, type TokenMixer, visibleBefore } from "./mixer.ts";

/** `cos(2π·row·column/period)` and the sine of it, `[rows, columns]`, where `keep` says so; zero elsewhere. */
function waves(
  rows: number,
  columns: number,
  period: number,
  scale: (row: number) => number = () => 1,
  keep: (row: number, column: number) => boolean = () => true,
): { readonly cos: Tensor; readonly sin: Tensor } {
  const table = (fn: (angle: number) => number): Tensor =>
    tensor(
      Float32Array.from({ length: rows * columns }, (_, i) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        // The product is reduced in whole numbers, so that the angle of a late position is as exact as that of an early one.
        return keep(row, column) ? scale(row) * fn((2 * Math.PI * ((row * column) % period)) / period) : 0;
      }),
      { shape: [rows, columns] },
    );
  return { cos: table(Math.cos), sin: table(Math.sin) };
}

/** The real and imaginary parts of the transform over features, the sign of the latter reversed. */
function overFeatures(x: Tensor, width: number): { readonly cos: Tensor; readonly sin: Tensor } {
  const { cos, sin } = waves(width, width, width);
  return { cos: matmul(x, cos), sin: matmul(x, sin) };
}

/**
 * The Fourier mixer of FNet: the real part of the Fourier transform over features and positions, over the root of their
 * number: `y = Re F(x·(C - iS))/√(time·width)` with the transform F over positions and matrices C and S of cosines and
 * sines. Every position sees all others. `x: [..., time, width]` gives the same shape. There are no parameters.
 * Source: Lee-Thorp et al. 2021, arXiv:2105.03824, equation 3; the factor is ours.
 */
export function fourierMixer({ width }: { readonly width: number }): Layer<NoParams> {
  checkCount("fourierMixer", { width });
  return {
    init: () => ({}),
    apply: (_, x) => {
      checkLast("fourierMixer", x, width);
      const { cos, sin } = overFeatures(mul(x, 1 / Math.sqrt((x.shape.at(-2) as number) * width)), width);
      return fft({ re: cos, im: neg(sin) }, { axis: -2 }).re;
    },
  };
}

export interface MaskedFourierOptions {
  /** Extent of the last axis. */
  readonly width: number;
  /** Positions of the transform, which sets its frequencies; sequences may be shorter but not longer. */
  readonly positions: number;
}

/** Features of earlier positions, transformed: each `[batch, length, width]`. */
export type MaskedFourierCache = { readonly cos: Tensor; readonly sin: Tensor };

/**
 * A causal Fourier mixer: the transform over positions with a mask, so that position t gets frequency t of the positions up
 * to it: `y_t = √(2/((t + 1)·width))·Re Σ_{s ≤ t} e^(-2πi·t·s/positions) (F x_s)`, F the transform over features.
 * `x: [..., time, width]` gives the same shape. There are no parameters.
 * Source: Lou et al. 2021 (FNetAR), arXiv:2107.10932, whose set of frequencies the abstract leaves open: this is one
 * reading; the factor keeps variance.
 */
export function maskedFourierMixer({
  width,
  positions,
}: MaskedFourierOptions): TokenMixer<NoParams, MaskedFourierCache> {
  checkCount("maskedFourierMixer", { width, positions });
  const tables = (rows: number, columns: number) =>
    waves(
      rows,
      columns,
      positions,
      (t) => Math.sqrt(2 / ((t + 1) * width)),
      (t, s) => s <= t,
    );
  return {
    init: () => ({}),
    apply: (_, x) => {
      checkLast("maskedFourierMixer", x, width);
      const time = x.shape.at(-2) as number;
      if (time > positions)
        throw new RangeError(`maskedFourierMixer: expected at most ${positions} positions, got ${time}`);
      const { cos, sin } = tables(time, time);
      const features = overFeatures(x, width);
      return sub(matmul(cos, features.cos), matmul(sin, features.sin));
    },
    cache: ({ batch, length }) => ({ cos: zeros([batch, length, width]), sin: zeros([batch, length, width]) }),
    extend: (_, x, cache, seen) => {
      const features = overFeatures(x, width);
      const [batch, count] = x.shape as [number, number];
      const length = cache.cos.shape[1] as number;
      const at = newPositions(seen, count);
      // Columns of the tables: places of the cache, then the new positions.
      const columns = concat([broadcastTo(arange(length, "int32"), [batch, length]), at], { axis: 1 });
      const within = broadcastTo(expandDims(clip(columns, 0, positions - 1), 1), [batch, count, length + count]);
      const visible = visibleBefore(seen, count, length);
      const part = (table: Tensor, before: Tensor, fresh: Tensor): Tensor =>
        matmul(
          where(visible, takeAlong(take(table, clip(at, 0, positions - 1)), within, { axis: -1 }), 0),
          concat([before, fresh], { axis: 1 }),
        );
      const { cos, sin } = tables(positions, positions);
      return [sub(part(cos, cache.cos, features.cos), part(sin, cache.sin, features.sin)), features];
    },
  };
}
