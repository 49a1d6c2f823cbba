/** Pooling over windows, axis after axis, composed of cuts: gradients of every order come from those. */
import { cast, lessEqual } from "./compare.ts";
import { type Padding, paddingAmounts, perAxis } from "./convolution.ts";
import { add, maximum, mul, relu, sub } from "./elementwise.ts";
import { customGradient } from "./gradient.ts";
import { pad, reshape, slice, split } from "./layout.ts";
import { checkFloat } from "./operands.ts";
import { showShape, sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

export interface PoolOptions {
  /** Extent of the window, for all spatial axes or each. */
  readonly window: number | readonly number[];
  /** Distance between windows; the window's extent by default. */
  readonly stride?: number | readonly number[];
  /** Elements added around the input; none by default. They never win a maximum and count as zeros in an average. */
  readonly padding?: Padding;
}

/** An axis cut into every `step`-th element from 0, from 1, …: `step` tensors with `count` elements along the axis each. */
function phases(x: Tensor, axis: number, step: number, count: number): Tensor[] {
  const n = x.shape[axis] as number;
  if (step === 1 && count === n) return [x];
  const zeros = x.shape.map(() => 0);
  const filled = pad(x, { before: zeros, after: zeros.with(axis, Math.max(0, count * step - n)) });
  const whole = slice(filled, { starts: [0], stops: [count * step], axes: [axis] });
  const outer = sizeOf(x.shape.slice(0, axis)) * count;
  const inner = sizeOf(x.shape.slice(axis + 1));
  const cuts = split(reshape(whole, [outer, step, inner]), { axis: 1, sizes: Array<number>(step).fill(1) });
  return cuts.map((cut) => reshape(cut, x.shape.with(axis, count)));
}

/**
 * The elements at each place of a window along an axis: as many tensors as the window has places, each with an element
 * for each position of the window.
 */
function places(x: Tensor, axis: number, window: number, stride: number): Tensor[] {
  const count = Math.floor(((x.shape[axis] as number) - window) / stride) + 1;
  const cuts = phases(x, axis, stride, count + Math.floor((window - 1) / stride));
  return Array.from({ length: window }, (_, k) => {
    const start = Math.floor(k / stride);
    return slice(cuts[k % stride] as Tensor, { starts: [start], stops: [start + count], axes: [axis] });
  });
}

/** Joins the elements of each window by `join`, along the spatial axes one after another. */
function pool(
  operation: string,
  x: Tensor,
  { window, stride = window, padding = 0 }: PoolOptions,
  fill: number,
  join: (a: Tensor, b: Tensor) => Tensor,
): Tensor {
  checkFloat(operation, x.dtype);
  const rank = x.rank - 2;
  if (rank < 1)
    throw new RangeError(`${operation}: expected x [batch, channels, ...spatial], got ${showShape(x.shape)}`);
  const windows = perAxis(operation, "window", window, rank);
  const strides = perAxis(operation, "stride", stride, rank);
  const { before, after } = paddingAmounts(operation, padding, windows, strides, x.shape.slice(2));
  windows.forEach((n, i) => {
    if (Math.max(before[i] as number, after[i] as number) >= n) {
      throw new RangeError(
        `${operation}: padding must be less than the window ${showShape(windows)}, got ${showShape(before)} before and ${showShape(after)} after`,
      );
    }
  });
  const wide = pad(x, { before: [0, 0, ...before], after: [0, 0, ...after], value: fill });
  if (windows.some((n, i) => n > (wide.shape[i + 2] as number))) {
    throw new RangeError(
      `${operation}: a window ${showShape(windows)} does not fit into x ${showShape(x.shape)} with its padding`,
    );
  }
  return windows.reduce((y, n, i) => places(y, i + 2, n, strides[i] as number).reduce((a, b) => join(a, b)), wide);
}

/** The larger of both; at a tie the first operand gets the gradient. A factor of 0 or 1 costs less than two selections. */
const larger = customGradient(
  (a: Tensor, b: Tensor) => maximum(a, b),
  (dy, [a, b]) => {
    const first = mul(dy, cast(lessEqual(b, a), dy.dtype));
    return [first, sub(dy, first)];
  },
);

/**
 * Largest element of each window; NaN wins. `x: [batch, channels, ...spatial]`. Of equal largest elements one gets the
 * gradient: the first along the last axis, among those the first along the axis before it, and so on.
 */
export function maxPool(x: Tensor, options: PoolOptions): Tensor {
  const pooled = (of: Tensor): Tensor => pool("maxPool", of, options, Number.NEGATIVE_INFINITY, larger);
  // The larger of two does not change places with relu in value or gradient, and afterwards there are fewer elements.
  const { rules, inputs } = x.node;
  return rules.name === "relu" ? relu(pooled(inputs[0] as Tensor)) : pooled(x);
}

/** Mean of each window, the padding included. `x: [batch, channels, ...spatial]`. */
export function averagePool(x: Tensor, options: PoolOptions): Tensor {
  const total = pool("averagePool", x, options, 0, add);
  return mul(total, 1 / sizeOf(perAxis("averagePool", "window", options.window, x.rank - 2)));
}
