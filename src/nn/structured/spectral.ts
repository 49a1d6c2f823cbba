/** Singular values of random matrices, and low-rank factors with them. */
import { fold, type Key, mul, swapAxes, type Tensor, tensor } from "../../array/index.ts";
import { orthonormal } from "./orthonormal.ts";

/** Points of the integral of a density. */
const POINTS = 20_000;

/**
 * The `count` largest singular values, in falling order, that a large `rows × columns` matrix of independent numbers
 * with mean 0 and deviation `std` has: the quantiles of their limiting distribution. A drawn matrix differs from them by
 * about `std`, while the largest is `std·(√rows + √columns)`.
 * Source: Marchenko and Pastur 1967, "Distribution of eigenvalues for some sets of random matrices".
 */
export function typicalSingularValues(
  { rows, columns, std = 1 }: { readonly rows: number; readonly columns: number; readonly std?: number },
  count: number,
): Float64Array {
  const [large, small] = [Math.max(rows, columns), Math.min(rows, columns)];
  if (!Number.isInteger(count) || count < 1 || count > small)
    throw new RangeError(
      `typicalSingularValues: count must be from 1 to ${small} for a matrix of ${rows} × ${columns}, got ${count}`,
    );
  const ratio = small / large;
  // Eigenvalues of XᵀX are 1 + ratio + 2·√ratio·cos θ in units of std²·large; θ from 0, the largest, has this density.
  const squared = (angle: number): number => 1 + ratio + 2 * Math.sqrt(ratio) * Math.cos(angle);
  const density = (angle: number): number => (2 * Math.sin(angle) ** 2) / (Math.PI * Math.max(squared(angle), 1e-12));
  const values = new Float64Array(count);
  const width = Math.PI / POINTS;
  let below = 0;
  for (let point = 0, next = 0; point < POINTS && next < count; point++) {
    const above = below + width * density((point + 0.5) * width);
    for (; next < count && (next + 0.5) / small <= above; next++) {
      const angle = (point + ((next + 0.5) / small - below) / (above - below)) * width;
      values[next] = std * Math.sqrt(large * Math.max(0, squared(angle)));
    }
    below = above;
  }
  return values;
}

/** The factors of a matrix of some rank: their product is `inner·weight`. */
export interface LowRankFactors {
  /** `[inputs, rank]` */
  readonly inner: Tensor;
  /** `[rank, outputs]` */
  readonly weight: Tensor;
}

/**
 * Factors of the best approximation of rank `rank` to a random normal matrix `[inputs, outputs]` with deviation `std`,
 * each with the root of the singular values. No matrix is drawn and decomposed for it: the singular vectors of a normal
 * matrix are uniformly distributed and independent of its singular values, so both sets of vectors are drawn directly;
 * for the singular values, which hardly vary in large matrices, their typical values are taken.
 * Source: Wei et al. 2024, arXiv:2407.09835 (initialization by a truncated singular value decomposition).
 */
export function spectralFactors(
  key: Key,
  {
    inputs,
    outputs,
    rank,
    std,
  }: { readonly inputs: number; readonly outputs: number; readonly rank: number; readonly std: number },
): LowRankFactors {
  const values = typicalSingularValues({ rows: inputs, columns: outputs, std }, rank);
  const roots = tensor(Float32Array.from(values, Math.sqrt), { shape: [rank] });
  const vectors = (name: string, extent: number): Tensor =>
    mul(orthonormal(fold(key, name), [extent, rank], { fanIn: extent, fanOut: rank }), roots);
  return { inner: vectors("inner", inputs), weight: swapAxes(vectors("weight", outputs), 0, 1) };
}
