/** Power laws fitted to measurements. */
import { fitLine } from "./line.ts";

/** `y = constant·x^exponent`. */
export interface PowerLaw {
  readonly exponent: number;
  readonly constant: number;
  /** Share of the variance of `log y` that the line explains: 1 for points on it. */
  readonly rSquared: number;
}

/**
 * The power law closest to the points in logarithms: the straight line through `log y` against `log x` by least squares.
 * Throws one sentence for fewer than two different x and for values that are not positive numbers.
 */
export function fitPowerLaw(points: readonly { readonly x: number; readonly y: number }[]): PowerLaw {
  const bad = points.find(({ x, y }) => !(x > 0 && y > 0 && Number.isFinite(x + y)));
  if (bad) throw new RangeError(`fitPowerLaw: expected positive numbers, got x ${bad.x} with y ${bad.y}`);
  if (new Set(points.map(({ x }) => x)).size < 2)
    throw new RangeError(`fitPowerLaw: expected at least two different x, got ${points.length} points`);
  const { slope, intercept, rSquared } = fitLine(points.map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) })));
  return { exponent: slope, constant: Math.exp(intercept), rSquared };
}
