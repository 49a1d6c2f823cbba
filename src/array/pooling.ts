/** Pooling over windows, composed of slices: gradients of every order come from those. */
import { paddingAmounts } from "./convolution.ts";
import { add, maximum, mul } from "./elementwise.ts";
import { pad, slice } from "./layout.ts";
import { checkFloat } from "./operands.ts";
import { showShape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

export interface PoolOptions {
  /** Extent of the window, for all spatial axes or each. */
  readonly window: number | readonly number[];
  /** Distance between windows; the window's extent by default. */
  readonly stride?: number | readonly number[];
  /** Elements added around the input; none by default. They never win a maximum and count as zeros in an average. */
  readonly padding?: number | "same" | "valid" | readonly (readonly [before: number, after: number])[];
}

/** The elements at each place of the window, one tensor `[batch, channels, ...positions]` a place. */
function places(
  operation: string,
  x: Tensor,
  { window, stride = window, padding = 0 }: PoolOptions,
  fill: number,
): Tensor[] {
  checkFloat(operation, x.dtype);
  const rank = x.rank - 2;
  if (rank < 1)
    throw new RangeError(`${operation}: expected x [batch, channels, ...spatial], got ${showShape(x.shape)}`);
  const [extents, strides] = [window, stride].map((value) =>
    typeof value === "number" ? Array<number>(rank).fill(value) : value,
  ) as [number[], number[]];
  for (const [name, list] of [
    ["window", extents],
    ["stride", strides],
  ] as const) {
    if (list.length !== rank || list.some((n) => !Number.isInteger(n) || n < 1)) {
      throw new RangeError(
        `${operation}: ${name} needs whole numbers of at least 1, one or ${rank}, got ${showShape(list)}`,
      );
    }
  }
  const { before, after } = paddingAmounts(operation, padding, extents, strides, x.shape.slice(2));
  const wide = pad(x, { before: [0, 0, ...before], after: [0, 0, ...after], value: fill });
  const spans = extents.map(
    (k, i) => Math.floor(((wide.shape[i + 2] as number) - k) / (strides[i] as number)) * (strides[i] as number) + 1,
  );
  if (spans.some((n) => n < 1))
    throw new RangeError(
      `${operation}: a window ${showShape(extents)} does not fit into x ${showShape(x.shape)} with its padding`,
    );
  const axes = extents.map((_, i) => i + 2);
  const walk = (at: readonly number[]): Tensor[] =>
    at.length === rank
      ? [slice(wide, { starts: at, stops: at.map((start, i) => start + (spans[i] as number)), steps: strides, axes })]
      : Array.from({ length: extents[at.length] as number }, (_, k) => walk([...at, k])).flat();
  return walk([]);
}

/**
 * Largest element of each window. `x: [batch, channels, ...spatial]`. Equal largest elements share the gradient, pairwise:
 * halves at each comparison.
 */
export const maxPool = (x: Tensor, options: PoolOptions): Tensor =>
  places("maxPool", x, options, Number.NEGATIVE_INFINITY).reduce((largest, place) => maximum(largest, place));

/** Mean of each window, the padding included. `x: [batch, channels, ...spatial]`. */
export function averagePool(x: Tensor, options: PoolOptions): Tensor {
  const all = places("averagePool", x, options, 0);
  return mul(
    all.reduce((total, place) => add(total, place)),
    1 / all.length,
  );
}
