/** Straight lines fitted to measurements. */

/** `y = slope·x + intercept`. */
export interface Line {
  readonly slope: number;
  readonly intercept: number;
  /** Share of the variance of y that the line explains: 1 for points on it. */
  readonly rSquared: number;
}

/**
 * The line closest to the points by least squares of y. Throws one sentence for fewer than two different x and for values
 * that are not numbers.
 */
export function fitLine(points: readonly { readonly x: number; readonly y: number }[]): Line {
  const bad = points.find(({ x, y }) => !Number.isFinite(x + y));
  if (bad) throw new RangeError(`fitLine: expected numbers, got x ${bad.x} with y ${bad.y}`);
  if (new Set(points.map(({ x }) => x)).size < 2)
    throw new RangeError(`fitLine: expected at least two different x, got ${points.length} points`);
  const mean = (pick: (point: { readonly x: number; readonly y: number }) => number): number =>
    points.reduce((total, point) => total + pick(point), 0) / points.length;
  const [x0, y0] = [mean(({ x }) => x), mean(({ y }) => y)];
  const spread = mean(({ x }) => (x - x0) ** 2);
  const slope = mean(({ x, y }) => (x - x0) * (y - y0)) / spread;
  const total = mean(({ y }) => (y - y0) ** 2);
  const rest = mean(({ x, y }) => (y - y0 - slope * (x - x0)) ** 2);
  // Equal y are a line of slope 0, and all on it.
  return { slope, intercept: y0 - slope * x0, rSquared: total === 0 ? 1 : 1 - rest / total };
}
