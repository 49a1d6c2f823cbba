/** How fast an error falls with a step. */

export interface ErrorAtStep {
  readonly step: number;
  readonly error: number;
}

/** A power law `error = constant·step^order`, fitted. */
export interface ConvergenceFit {
  readonly order: number;
  readonly constant: number;
}

/**
 * Order of convergence: the slope of the straight line through `log error` against `log step` by least squares. Errors
 * at the level of rounding must be left out by the caller. Throws one sentence for fewer than two different steps and
 * for steps or errors that are not positive numbers.
 */
export function convergenceOrder(points: readonly ErrorAtStep[]): ConvergenceFit {
  const bad = points.find(({ step, error }) => !(step > 0 && error > 0 && Number.isFinite(step + error)));
  if (bad)
    throw new RangeError(`convergenceOrder: expected positive numbers, got step ${bad.step} with error ${bad.error}`);
  const xs = points.map(({ step }) => Math.log(step));
  const ys = points.map(({ error }) => Math.log(error));
  const mean = (values: readonly number[]): number => values.reduce((total, v) => total + v, 0) / values.length;
  const [x0, y0] = [mean(xs), mean(ys)];
  const spread = xs.reduce((total, x) => total + (x - x0) ** 2, 0);
  if (new Set(points.map(({ step }) => step)).size < 2)
    throw new RangeError(`convergenceOrder: expected at least two different steps, got ${points.length} points`);
  const order = xs.reduce((total, x, i) => total + (x - x0) * ((ys[i] as number) - y0), 0) / spread;
  return { order, constant: Math.exp(y0 - order * x0) };
}
