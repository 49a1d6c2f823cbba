/** Arithmetic on shapes: sizes, axes, broadcasting, and the sentences that say what does not fit. */

export type Shape = readonly number[];

/** Number of elements; 1 for a scalar. */
export const sizeOf = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);

/** `[2, 3]` as it is printed in messages. */
export const showShape = (shape: Shape): string => `[${shape.join(", ")}]`;

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, i) => n === b[i]);

/** Throws unless every extent is a whole number of at least 0. */
export function checkShape(operation: string, shape: Shape): void {
  for (const n of shape) {
    if (!Number.isSafeInteger(n) || n < 0) {
      throw new RangeError(`${operation}: a shape needs whole numbers of at least 0, got ${showShape(shape)}`);
    }
  }
}

/** The axis counted from 0; negative axes count from the end. */
export function normalizeAxis(operation: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    const range = rank === 0 ? "a scalar has none" : `expected ${-rank} to ${rank - 1}`;
    throw new RangeError(`${operation}: axis ${axis} is out of range for a tensor of rank ${rank} (${range})`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** Sorted axes counted from 0; `undefined` means all. Twice the same axis is an error. */
export function normalizeAxes(operation: string, axis: number | readonly number[] | undefined, rank: number): number[] {
  if (axis === undefined) return Array.from({ length: rank }, (_, i) => i);
  const axes = (typeof axis === "number" ? [axis] : axis).map((a) => normalizeAxis(operation, a, rank));
  if (new Set(axes).size !== axes.length)
    throw new RangeError(`${operation}: axes ${showShape(axes)} name one axis twice`);
  return axes.sort((a, b) => a - b);
}

/** NumPy broadcasting: shapes are aligned at the right, and an extent of 1 stretches. */
export function broadcastShapes(operation: string, ...shapes: Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => {
    let extent = 1;
    for (const shape of shapes) {
      const n = shape[shape.length - rank + i] ?? 1;
      if (n !== 1 && extent !== 1 && n !== extent) {
        throw new RangeError(
          `${operation}: shapes ${shapes.map(showShape).join(" and ")} do not broadcast (${extent} against ${n})`,
        );
      }
      if (n !== 1) extent = n;
    }
    return extent;
  });
}

/** The axes of `to` over which a tensor of shape `from` was repeated by broadcasting. */
export function broadcastAxes(from: Shape, to: Shape): number[] {
  const offset = to.length - from.length;
  return to.flatMap((n, i) => (i < offset || (from[i - offset] === 1 && n !== 1) ? [i] : []));
}

/** Shape after reducing `axes` (counted from 0). */
export const reducedShape = (shape: Shape, axes: readonly number[], keepDims: boolean): number[] =>
  keepDims ? shape.map((n, i) => (axes.includes(i) ? 1 : n)) : shape.filter((_, i) => !axes.includes(i));

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i] as number;
  }
  return strides;
}
