/** Covariance of activations, from sums that are gathered batch by batch. */
import { cast, evaluate, full, matmul, reshape, sum, type Tensor } from "../array/index.ts";

/** Sums over rows of activations, in double precision; those of two sets of rows add up to those of both. */
export type Moments = {
  /** Number of rows, a scalar. */
  readonly count: Tensor;
  /** Sums of the features: `[width]`. */
  readonly sums: Tensor;
  /** Sums of products of two features: `[width, width]`. */
  readonly products: Tensor;
};

/**
 * Moments of rows `[..., width]`, in the graph: with `totalOver` they cover a whole text without keeping an activation.
 * Products are summed in double precision, for single precision loses the small eigenvalues.
 */
export function momentsOf(x: Tensor): Moments {
  if (x.rank < 2) throw new RangeError(`momentsOf: expected rows [..., width], got [${x.shape.join(", ")}]`);
  const width = x.shape.at(-1) as number;
  const rows = cast(x.rank === 2 ? x : reshape(x, [-1, width]), "float64");
  return {
    count: full([], rows.shape[0] as number, "float64"),
    sums: sum(rows, { axis: 0 }),
    products: matmul(rows, rows, { transposeA: true }),
  };
}

export interface CovarianceOptions {
  /**
   * Whether the mean is taken off; true by default. Without it the first eigenvalue is mostly the mean, which after GELU
   * or ReLU is far from 0.
   */
  readonly centred?: boolean;
  /** What the activations are called in errors; `activations` by default. */
  readonly name?: string;
}

/** Covariance of features, on the host. */
export interface Covariance {
  readonly width: number;
  /** Rows that it was made from. */
  readonly count: number;
  /** `[width]`. */
  readonly mean: Float64Array;
  /** `[width, width]`, row by row. */
  readonly matrix: Float64Array;
}

/**
 * The covariance `(A - mean)ᵀ·(A - mean)/(count - 1)` of activations with these moments, whose tensors have values;
 * without centring the mean of products `Aᵀ·A/count`. Throws one sentence if there are fewer rows than features, which
 * gives ranks of the sample and not of the layer, if there is NaN or infinity, or if no feature varies.
 */
export function covarianceOf(
  moments: Moments,
  { centred = true, name = "activations" }: CovarianceOptions = {},
): Covariance {
  const width = moments.sums.size;
  const count = Number(moments.count.data[0]);
  if (count < Math.max(2, width))
    throw new RangeError(
      `covarianceOf: expected at least as many rows of ${name} as their ${width} features, got ${count}; 10 times as many are best`,
    );
  const mean = Float64Array.from(moments.sums.data as Float64Array, (v) => v / count);
  const matrix = Float64Array.from(moments.products.data as Float64Array);
  const [off, over] = centred ? [count, count - 1] : [0, count];
  for (let i = 0; i < width; i++) {
    const row = matrix.subarray(i * width, (i + 1) * width);
    const mi = off * (mean[i] as number);
    for (let j = 0; j < width; j++) row[j] = ((row[j] as number) - mi * (mean[j] as number)) / over;
  }
  checkVaries({ width, count, mean, matrix }, moments, name);
  return { width, count, mean, matrix };
}

/** What cancels in double precision is no variance. */
const ROUNDING = 1e-12;

function checkVaries({ width, count, matrix }: Covariance, { products }: Moments, name: string): void {
  let [variance, squares] = [0, 0];
  for (let i = 0; i < width; i++) {
    variance += matrix[i * width + i] as number;
    squares += Number(products.data[i * width + i]) / count;
  }
  if (!Number.isFinite(squares)) throw new RangeError(`covarianceOf: ${name} hold NaN or infinity`);
  if (variance <= ROUNDING * squares)
    throw new RangeError(`covarianceOf: ${name} are the same in all ${count} rows, so they have no dimension`);
}

/** The covariance of rows `[..., width]` of features. Throws as `covarianceOf` does. */
export const rowCovariance = async (x: Tensor, options?: CovarianceOptions): Promise<Covariance> =>
  covarianceOf(await evaluate(momentsOf(x)), options);
