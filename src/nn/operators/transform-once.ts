/** Layers that work on the spectrum of a field: one transform for a whole network. */
import { add, fold, gelu, type Key, matmul, normal, reshape, type Tensor, transpose } from "../../array/index.ts";
import { checkCount } from "../checks.ts";
import type { Layer } from "../layer.ts";

/** How new weights of the channel mix are scaled. */
export type SpectralInit = "variancePreserving" | "naive";

export interface TransformOnceOptions {
  /** Channels of input and output. */
  readonly width: number;
  /** Frequencies kept along both axes. */
  readonly modes: readonly [rows: number, columns: number];
  /** Points of the grid whose spectrum it is: what the variance is kept for. */
  readonly points: number;
  /** `variancePreserving` by default; `naive` is the `1/width²` of the first Fourier neural operators. */
  readonly init?: SpectralInit;
  /** Function after the mix of channels; exact GELU by default. */
  readonly activation?: (x: Tensor) => Tensor;
}

/** Parameters of `transformOnceLayer`. */
export type TransformOnceParams = {
  /** A matrix for each frequency, `[rows·columns, width, width]`. */
  readonly channels: Tensor;
  /** For each channel a matrix between frequencies along the first axis, `[width, rows, rows]`. */
  readonly rows: Tensor;
  /** For each channel a matrix between frequencies along the second axis, `[width, columns, columns]`. */
  readonly columns: Tensor;
};

/**
 * Standard deviation of channel mixes `[modes, width, width]` on the spectrum of so many points: `√(points/(width·modes))`.
 * Only `modes` of the frequencies survive; theirs is raised so that the mean variance of the field stays what it was.
 * The naive one is `1/width²`. Source: Poli et al. 2022, arXiv:2211.14453, section 4.
 */
export const spectralDeviation = (
  init: SpectralInit,
  { width, modes, points }: { readonly width: number; readonly modes: number; readonly points: number },
): number => (init === "naive" ? 1 / width ** 2 : Math.sqrt(points / (width * modes)));

/**
 * Transform Once layer on a spectrum: `a = activation(A_k·z_k)` with a matrix for each frequency k, then each channel mixes
 * its frequencies along one axis and then the other, and the input is added: `y = z + S₂ S₁ a`.
 * `z: [batch, width, rows, columns]` gives the same shape.
 * Source: Poli et al. 2022, arXiv:2211.14453.
 */
export function transformOnceLayer({
  width,
  modes: [rows, columns],
  points,
  init = "variancePreserving",
  activation = gelu,
}: TransformOnceOptions): Layer<TransformOnceParams> {
  checkCount("transformOnceLayer", { width, "modes[0]": rows, "modes[1]": columns, points });
  const modes = rows * columns;
  if (modes > points)
    throw new RangeError(
      `transformOnceLayer: ${rows} x ${columns} modes are more than the ${points} points of the grid`,
    );
  const draw = (key: Key, shape: readonly number[], std: number) => normal(key, shape, { std });
  return {
    init: (key) => ({
      channels: draw(fold(key, "channels"), [modes, width, width], spectralDeviation(init, { width, modes, points })),
      rows: draw(fold(key, "rows"), [width, rows, rows], 1 / Math.sqrt(rows)),
      columns: draw(fold(key, "columns"), [width, columns, columns], 1 / Math.sqrt(columns)),
    }),
    apply: (params, z) => {
      if (z.rank !== 4 || z.shape[1] !== width || z.shape[2] !== rows || z.shape[3] !== columns)
        throw new RangeError(
          `transformOnceLayer: expected z of shape [batch, ${width}, ${rows}, ${columns}], got [${z.shape.join(", ")}]`,
        );
      const a = activation(spectralChannelMix(z, params.channels));
      return add(z, matmul(matmul(params.rows, a), params.columns));
    },
  };
}

/**
 * A matrix of channels for each frequency: `y[b, o, k] = Σ_i z[b, i, k]·weight[k, i, o]`. `z: [batch, inputs, rows, columns]`
 * and `weight: [rows·columns, inputs, outputs]` give `[batch, outputs, rows, columns]`.
 */
export function spectralChannelMix(z: Tensor, weight: Tensor): Tensor {
  const [batch, inputs, rows, columns] = z.shape as [number, number, number, number];
  const outputs = weight.shape[2] as number;
  const byMode = reshape(transpose(z, [2, 3, 0, 1]), [rows * columns, batch, inputs]);
  return transpose(reshape(matmul(byMode, weight), [rows, columns, batch, outputs]), [2, 3, 0, 1]);
}
