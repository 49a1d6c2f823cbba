/** Nearest matrices of low rank, also for inputs of a known distribution. */
import { CholeskyDecomposition, EigenvalueDecomposition, Matrix, solve } from "ml-matrix";
import { type Tensor, tensor } from "../array/index.ts";
import type { LowRankFactors } from "../nn/index.ts";

/** Share of the mean variance that is added to every variance, so that directions nobody uses do no harm. */
const RIDGE = 1e-4;

/**
 * The factors of the matrix of rank `rank` that is nearest to `weight: [inputs, outputs]` in the sum of squares, or, with
 * the mean `C` of `xᵀx` (`[inputs, inputs]`, row by row), nearest in the mean of `|xW - xW_r|²`. Factors are nested: the
 * first r columns of `inner: [inputs, rank]` and rows of `weight: [rank, outputs]` are those of rank r. Computed on the
 * host in double precision by the eigenvectors of the smaller side, so that the weight must have values. Throws one
 * sentence for a rank that does not fit.
 * Source: Eckart and Young 1936; with inputs as in Wang et al. 2024 (SVD-LLM), arXiv:2403.07378.
 */
export function nearestLowRank(weight: Tensor, rank: number, products?: Float64Array): LowRankFactors {
  const [inputs, outputs] = weight.shape as [number, number];
  const most = Math.min(inputs, outputs);
  if (weight.rank !== 2 || !Number.isInteger(rank) || rank < 1 || rank > most)
    throw new RangeError(
      `nearestLowRank: rank must be a whole number from 1 to ${most} for a matrix of ${weight.shape.join(" × ")}, got ${rank}`,
    );
  if (products && products.length !== inputs ** 2)
    throw new RangeError(
      `nearestLowRank: expected the products of ${inputs} inputs, ${inputs ** 2} numbers, got ${products.length}`,
    );
  const w = Matrix.from1DArray(inputs, outputs, Array.from(weight.data, Number));
  const metric = products ? ridged(products, inputs) : null;
  const [inner, outer] =
    outputs <= inputs ? byOutputs(w, rank, metric) : byInputs(w, rank, metric && new CholeskyDecomposition(metric));
  const made = (matrix: Matrix): Tensor =>
    tensor(Float32Array.from(matrix.to1DArray()), { shape: [matrix.rows, matrix.columns] });
  return { inner: made(inner), weight: made(outer) };
}

function ridged(products: Float64Array, size: number): Matrix {
  const metric = Matrix.from1DArray(size, size, Array.from(products));
  const ridge = (RIDGE * metric.trace()) / size;
  for (let i = 0; i < size; i++) metric.set(i, i, metric.get(i, i) + (ridge || 1));
  return metric;
}

/** Eigenvectors of a symmetric matrix as columns, largest first. */
function eigenvectors(symmetric: Matrix, count: number): Matrix {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(symmetric, { assumeSymmetric: true });
  const order = realEigenvalues
    .map((_, i) => i)
    .sort((a, b) => (realEigenvalues[b] as number) - (realEigenvalues[a] as number));
  return eigenvectorMatrix.subMatrixColumn(order.slice(0, count));
}

/** `W·V·Vᵀ` with the eigenvectors V of `WᵀCW`. */
function byOutputs(w: Matrix, rank: number, metric: Matrix | null): readonly [Matrix, Matrix] {
  const v = eigenvectors(w.transpose().mmul(metric ? metric.mmul(w) : w), rank);
  return [w.mmul(v), v.transpose()];
}

/** `L⁻ᵀ·U·Uᵀ·LᵀW` with `C = LLᵀ` and the eigenvectors U of `LᵀW·WᵀL`. */
function byInputs(w: Matrix, rank: number, cholesky: CholeskyDecomposition | null): readonly [Matrix, Matrix] {
  const upper = cholesky?.lowerTriangularMatrix.transpose();
  const seen = upper ? upper.mmul(w) : w;
  const u = eigenvectors(seen.mmul(seen.transpose()), rank);
  return [upper ? solve(upper, u) : u, u.transpose().mmul(seen)];
}
