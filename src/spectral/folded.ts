/**
 * Convolution of many rows with real kernels by a two-stage Fourier transform in which nothing stands between the stages:
 * the factors there are part of the matrices of the second stage, one for each frequency of the first. Elementwise passes
 * over memory, which the runtime does not join, are most of the time of long convolutions; this has half as many as
 * `convolvePair`. Rows being real, only half of the frequencies of the first stage are computed.
 */
import { shared, table } from "../array/dft.ts";
import { add, type Complex, type DType, matmul, reshape, sub, type Tensor } from "../array/index.ts";
import { sizeOf } from "../array/shape.ts";
import { complexProduct } from "./complex.ts";
import type { Grid } from "./packed.ts";

/** Elements of the matrices of a second stage that are worth their memory. */
const MOST = 2 ** 22;

/** Frequencies of the first stage of real rows; the others are their conjugates. */
const half = (rows: number): number => Math.floor(rows / 2) + 1;

/**
 * Whether this pays for so many signals. Its matrices have as many numbers as the spectra of `columns` signals, and must
 * fit into memory; with half as many signals it took 0.8 of the time of pairs, with twice as many 0.7.
 */
export const isFoldable = ({ rows, columns }: Grid, signals: number): boolean =>
  2 * signals >= columns && half(rows) * columns ** 2 <= MOST;

/** `scale(a)·e^(±2πi·a·b/n)`, the product reduced in whole numbers. */
const waves = (
  shape: readonly [number, number],
  n: number,
  dtype: DType,
  scale: (row: number, column: number) => number,
): Complex => {
  const angle = (i: number) => (2 * Math.PI * ((Math.floor(i / shape[1]) * (i % shape[1])) % n)) / n;
  const factor = (i: number) => scale(Math.floor(i / shape[1]), i % shape[1]);
  return {
    re: table(shape, dtype, (i) => factor(i) * Math.cos(angle(i))),
    im: table(shape, dtype, (i) => factor(i) * Math.sin(angle(i))),
  };
};

/** From rows of the grid to frequencies of the first stage: `[frequencies, given]`. */
const firstStage = ({ rows }: Grid, given: number, dtype: DType): Complex =>
  shared(`folded first ${rows} ${given} ${dtype}`, () => {
    const { re, im } = waves([half(rows), given], rows, dtype, () => 1);
    return { re, im: negated(im) };
  });

/** Back to `wanted` rows: `[wanted, frequencies]`, the real part of the sum over all frequencies. */
const lastStage = ({ rows, columns }: Grid, wanted: number, dtype: DType): Complex =>
  shared(`folded last ${rows} ${columns} ${wanted} ${dtype}`, () => {
    // Each frequency but 0 and the highest of an even number stands for its conjugate too.
    const weight = (_: number, f: number) => (f === 0 || 2 * f === rows ? 1 : 2) / (rows * columns);
    return waves([wanted, half(rows)], rows, dtype, weight);
  });

/**
 * The second stage: for each frequency f1 a matrix with the factors `e^(∓2πi·f1·t2/n)` in its rows, or back in its columns:
 * `[frequencies, columns, columns]`.
 */
const secondStage = ({ rows, columns }: Grid, sign: 1 | -1, dtype: DType): Complex =>
  shared(`folded second ${rows} ${columns} ${sign} ${dtype}`, () => {
    const n = rows * columns;
    const angle = (i: number) => {
      const [f1, a, b] = [Math.floor(i / columns ** 2), Math.floor(i / columns) % columns, i % columns];
      // t2·f2/columns + f1·t2/n, in n-ths of a turn; t2 counts rows on the way there and columns on the way back.
      return (2 * Math.PI * ((a * b * rows + f1 * (sign === -1 ? a : b)) % n)) / n;
    };
    const shape = [half(rows), columns, columns];
    return {
      re: table(shape, dtype, (i) => Math.cos(angle(i))),
      im: table(shape, dtype, (i) => sign * Math.sin(angle(i))),
    };
  });

const negated = (x: Tensor): Tensor => table(x.shape, x.dtype, (i) => -Number(x.data[i]));

/** Products of complex rows with complex matrices. */
const alongColumns = ({ re, im }: Complex, matrices: Complex): Complex => ({
  re: sub(matmul(re, matrices.re), matmul(im, matrices.im)),
  im: add(matmul(re, matrices.im), matmul(im, matrices.re)),
});

/** The spectra of real signals `[given, ...signals, columns]`: `[frequencies, ...signals, columns]`, in the order of the stages. */
function spectrum(x: Tensor, grid: Grid): Complex {
  const [given, ...rest] = x.shape as [number, ...number[]];
  const first = firstStage(grid, given, x.dtype);
  const flat = reshape(x, [given, sizeOf(rest)]);
  const inRows = (matrix: Tensor): Tensor => reshape(matmul(matrix, flat), [half(grid.rows), -1, grid.columns]);
  const { re, im } = alongColumns({ re: inRows(first.re), im: inRows(first.im) }, secondStage(grid, -1, x.dtype));
  const shape = [half(grid.rows), ...rest];
  return { re: reshape(re, shape), im: reshape(im, shape) };
}

/**
 * Circular convolution, of `rows·columns` points, of real signals `[given, ...signals, columns]` with real kernels
 * `[taps, ...kernels, columns]` whose middle axes broadcast against those of the signals; missing rows are zeros. Gives the
 * first `wanted` rows, `[wanted, ...signals, columns]`.
 */
export function convolveFolded(signals: Tensor, kernels: Tensor, grid: Grid, wanted: number): Tensor {
  const filtered = complexProduct(spectrum(signals, grid), spectrum(kernels, grid));
  const stacked = (x: Tensor): Tensor => reshape(x, [half(grid.rows), -1, grid.columns]);
  const { re, im } = alongColumns(
    { re: stacked(filtered.re), im: stacked(filtered.im) },
    secondStage(grid, 1, signals.dtype),
  );
  const last = lastStage(grid, wanted, signals.dtype);
  const flat = (x: Tensor): Tensor => reshape(x, [half(grid.rows), -1]);
  const y = sub(matmul(last.re, flat(re)), matmul(last.im, flat(im)));
  return reshape(y, [wanted, ...signals.shape.slice(1)]);
}
