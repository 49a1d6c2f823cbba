/** Flows of differential equations on plain vectors in double precision: exact for linear ones, numerical for others. */
import type { Flow } from "./splitting.ts";

export type Vector = readonly number[];
export type SquareMatrix = readonly Vector[];

/** The right side of `x' = F(x)`. */
export type Field = (x: Vector) => Vector;

const moved = (x: Vector, slope: Vector, step: number): number[] => x.map((v, i) => v + step * (slope[i] as number));

/** Euler's method: `x + h·F(x)`, of first order. A residual sublayer is one such step with h = 1. */
export const euler =
  (field: Field): Flow<Vector> =>
  (x, step) =>
    moved(x, field(x), step);

/** The classical Runge-Kutta method of fourth order, with `substeps` equal steps for each call. */
export function rungeKutta4(field: Field, { substeps = 1 }: { readonly substeps?: number } = {}): Flow<Vector> {
  if (!Number.isInteger(substeps) || substeps < 1)
    throw new RangeError(`rungeKutta4: substeps must be a whole number of at least 1, got ${substeps}`);
  return (start, step) => {
    const h = step / substeps;
    let x = start;
    for (let i = 0; i < substeps; i++) {
      const k1 = field(x);
      const k2 = field(moved(x, k1, h / 2));
      const k3 = field(moved(x, k2, h / 2));
      const k4 = field(moved(x, k3, h));
      x = x.map(
        (v, j) => v + (h / 6) * ((k1[j] as number) + 2 * (k2[j] as number) + 2 * (k3[j] as number) + (k4[j] as number)),
      );
    }
    return x;
  };
}

/** The exact flow of `x' = A·x`, which is `e^{hA}·x`. */
export function linearFlow(matrix: SquareMatrix): Flow<Vector> {
  // A method with fixed steps asks for the same one or two exponentials again and again.
  const known = new Map<number, SquareMatrix>();
  return (x, step) => {
    let exponential = known.get(step);
    if (!exponential) {
      exponential = matrixExponential(matrix.map((row) => row.map((v) => v * step)));
      if (known.size > 8) known.clear();
      known.set(step, exponential);
    }
    return matrixVector(exponential, x);
  };
}

/** Terms of the Taylor series: with a norm of at most 1/2, the next one is below the rounding of a double. */
const TERMS = 16;

/**
 * `e^A` of a square matrix by scaling and squaring, to about rounding error for matrices of moderate norm.
 * Source: Moler and Van Loan 2003, "Nineteen dubious ways to compute the exponential of a matrix", method 3.
 */
export function matrixExponential(matrix: SquareMatrix): SquareMatrix {
  const size = matrix.length;
  const ragged = matrix.find((row) => row.length !== size);
  if (ragged) throw new RangeError(`matrixExponential: expected ${size} columns, got a row of ${ragged.length}`);
  const norm = Math.max(0, ...matrix.map((row) => row.reduce((total, v) => total + Math.abs(v), 0)));
  if (!Number.isFinite(norm)) throw new RangeError("matrixExponential: expected finite numbers");
  const halvings = Math.max(0, Math.ceil(Math.log2(Math.max(norm, 0.5))) + 1);
  const small = matrix.map((row) => row.map((v) => v / 2 ** halvings));
  const identity: SquareMatrix = matrix.map((_, i) => matrix.map((_, j) => (i === j ? 1 : 0)));
  // Horner's rule: I + A(I + A/2·(I + A/3·(...))).
  let sum = identity;
  for (let k = TERMS; k >= 1; k--)
    sum = matrixProduct(small, sum).map((row, i) => row.map((v, j) => v / k + (identity[i]?.[j] as number)));
  for (let i = 0; i < halvings; i++) sum = matrixProduct(sum, sum);
  return sum;
}

/** `A·x`. */
export const matrixVector = (a: SquareMatrix, x: Vector): Vector =>
  a.map((row) => row.reduce((total, v, j) => total + v * (x[j] as number), 0));

/** `A·B` of two square matrices. */
export const matrixProduct = (a: SquareMatrix, b: SquareMatrix): SquareMatrix =>
  a.map((row) => b.map((_, j) => row.reduce((total, v, k) => total + v * (b[k]?.[j] as number), 0)));
