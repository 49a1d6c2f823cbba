/** What Fourier transforms in stages cost: operations, passes over memory, and the form that is least of both. */

/** How fast a machine is: operations of matrix products and floats moved, each in a millisecond. */
export interface MachineRates {
  readonly operations: number;
  readonly floats: number;
}

/** Operations and moved floats of one convolution of a complex signal of `Π factors` points by two transforms. */
export function monarchWork(factors: readonly number[]): { readonly operations: number; readonly floats: number } {
  const points = factors.reduce((total, extent) => total * extent, 1);
  const sum = factors.reduce((total, extent) => total + extent, 0);
  return { operations: 16 * points * sum, floats: 4 * points * factors.length };
}

/**
 * Milliseconds of such a convolution: `Σ_i 16·N·n_i/operations + 4·N/floats`.
 * Source: Fu et al. 2023, arXiv:2311.05908, the cost model of section 3, with one kind of arithmetic and of memory.
 */
export function monarchCost(factors: readonly number[], rates: MachineRates): number {
  const work = monarchWork(factors);
  return work.operations / rates.operations + work.floats / rates.floats;
}

/** A measured convolution: its stages, and milliseconds of one signal. */
export interface MeasuredForm {
  readonly factors: readonly number[];
  readonly time: number;
}

/**
 * The rates that fit measured times best, by least squares of relative errors; a rate that the times do not show, because
 * it would have to be negative, is infinite. Throws one sentence for fewer than two measurements.
 */
export function fitMonarchCost(measured: readonly MeasuredForm[]): MachineRates {
  if (measured.length < 2 || measured.some(({ time }) => !(time > 0)))
    throw new RangeError(
      `fitMonarchCost: expected at least two measurements with times above 0, got ${measured.length} with ${measured.map(({ time }) => time).join(", ")}`,
    );
  // Each row: a·slow + b·far = 1, with what a millisecond of the measured time buys.
  const rows = measured.map(({ factors, time }) => {
    const { operations, floats } = monarchWork(factors);
    return [operations / time, floats / time] as const;
  });
  const total = (pick: (row: readonly [number, number]) => number): number =>
    rows.reduce((sum, row) => sum + pick(row), 0);
  const [aa, ab, bb] = [total(([a]) => a * a), total(([a, b]) => a * b), total(([, b]) => b * b)];
  const [a1, b1] = [total(([a]) => a), total(([, b]) => b)];
  const determinant = aa * bb - ab * ab;
  // All but parallel columns: only one rate can be told.
  const both = determinant > 1e-9 * aa * bb;
  const [slow, far] = both
    ? [(a1 * bb - b1 * ab) / determinant, (b1 * aa - a1 * ab) / determinant]
    : [a1 / aa, Number.NEGATIVE_INFINITY];
  const inverse = (x: number): number => (x > 0 ? 1 / x : Number.POSITIVE_INFINITY);
  if (far <= 0) return { operations: inverse(a1 / aa), floats: Number.POSITIVE_INFINITY };
  if (slow <= 0) return { operations: Number.POSITIVE_INFINITY, floats: inverse(b1 / bb) };
  return { operations: inverse(slow), floats: inverse(far) };
}
