/** Principal components of representations. */
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { add, matmul, sub, type Tensor, tensor } from "../array/index.ts";
import type { Covariance } from "./covariance.ts";
import { componentsFor } from "./spectrum.ts";

/** Directions of most variance. */
export interface PrincipalComponents {
  readonly width: number;
  /** `[width]`. */
  readonly mean: Float64Array;
  /** Variances along the components, from the largest. */
  readonly variances: Float64Array;
  /** Unit vectors, a row for each component: `[width, width]`. */
  readonly components: Float64Array;
}

/**
 * Eigenvectors of a covariance, on the host in double precision: seconds for 500 features, a minute for 1,000.
 * Source: Pearson 1901, "On lines and planes of closest fit to systems of points in space".
 */
export function principalComponents({ width, mean, matrix }: Covariance): PrincipalComponents {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(
    Matrix.from1DArray(width, width, Array.from(matrix)),
    { assumeSymmetric: true },
  );
  const order = [...realEigenvalues.keys()].sort(
    (a, b) => (realEigenvalues[b] as number) - (realEigenvalues[a] as number),
  );
  const components = new Float64Array(width * width);
  order.forEach((column, i) => {
    components.set(eigenvectorMatrix.getColumn(column), i * width);
  });
  return { width, mean, variances: Float64Array.from(order, (i) => realEigenvalues[i] as number), components };
}

/**
 * A function of the graph that moves rows `[..., width]` onto the largest components that hold this share of the
 * variance, and leaves what they have in other directions at its mean. A share of 1 keeps all components and moves
 * nothing. Gives the function and how many components it keeps.
 */
export function pcaProjection(
  { width, mean, variances, components }: PrincipalComponents,
  share: number,
): { readonly kept: number; project(x: Tensor): Tensor } {
  const kept = componentsFor(variances, share);
  // At most half of the width in either direction: what is kept, or what is taken away.
  const few = kept <= width / 2;
  const rows = few ? components.subarray(0, kept * width) : components.subarray(kept * width);
  const directions = tensor(Float32Array.from(rows), { shape: [few ? kept : width - kept, width] });
  const centre = tensor(Float32Array.from(mean));
  return {
    kept,
    project: (x) => {
      if (x.shape.at(-1) !== width)
        throw new RangeError(`pcaProjection: expected rows [..., ${width}], got [${x.shape.join(", ")}]`);
      if (kept === width) return x;
      const moved = sub(x, centre);
      const along = matmul(matmul(moved, directions, { transposeB: true }), directions);
      return few ? add(along, centre) : sub(x, along);
    },
  };
}
