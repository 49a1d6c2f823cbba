/** Power laws fitted to measurements. */

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
  const xs = points.map(({ x }) => Math.log(x));
  const ys = points.map(({ y }) => Math.log(y));
  const mean = (values: readonly number[]): number => values.reduce((total, v) => total + v, 0) / values.length;
  const [x0, y0] = [mean(xs), mean(ys)];
  const spread = xs.reduce((total, x) => total + (x - x0) ** 2, 0);
  const exponent = xs.reduce((total, x, i) => total + (x - x0) * ((ys[i] as number) - y0), 0) / spread;
  const total = ys.reduce((sum, y) => sum + (y - y0) ** 2, 0);
  const rest = ys.reduce((sum, y, i) => sum + (y - y0 - exponent * ((xs[i] as number) - x0)) ** 2, 0);
  // Equal y are a law of exponent 0, and all on its line.
  const rSquared = total === 0 ? 1 : 1 - rest / total;
  return { exponent, constant: Math.exp(y0 - exponent * x0), rSquared };
}
