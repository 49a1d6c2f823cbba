/**
 * Convolution of real rows by Fourier transforms of two stages. Of the first stage only half of the frequencies are
 * computed, the others being their conjugates; the spectrum stays in the order in which the stages leave it, rows that are
 * zero are skipped in the first stage, and rows that are not wanted in the last. Both parts of a row of the spectrum stand
 * in one row of a matrix, so each stage is one product of real matrices, and what stands between two is one pass.
 * Source: the order-2 Monarch form of Fu et al. 2023, "FlashFFTConv", arXiv:2311.05908; the halving is ours.
 */
import { realRoots, roots, type Side, shared, table } from "../array/dft.ts";
import { broadcastTo, type Complex, complexMul, type DType, matmul, reshape, type Tensor } from "../array/index.ts";
import { sizeOf } from "../array/shape.ts";

/** A transform of `rows·columns` points, in stages of these extents. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** Frequencies of the first stage that are computed. */
const half = ({ rows }: Grid): number => Math.floor(rows / 2) + 1;

/** The last two axes as rows of another extent. */
function inRowsOf(x: Tensor, extent: number): Tensor {
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  return reshape(x, [...x.shape.slice(0, -2), (rows * columns) / extent, extent]);
}

/** The first stage of `[..., given, columns]`, and the factors after it: `[..., half, 2·columns]`. */
function alongRows(x: Tensor, grid: Grid): Tensor {
  const { rows, columns } = grid;
  const [frequencies, times] = [half(grid), x.shape.at(-2) as number];
  const first = realRoots(
    { n: rows, sign: -1, scale: 1 },
    { places: frequencies, parts: "paired" },
    { places: times, parts: "real" },
    x.dtype,
  );
  const factors = roots({ n: rows * columns, sign: -1, scale: 1 }, frequencies, columns, x.dtype);
  return complexMul(inRowsOf(matmul(first, x), 2 * columns), factors);
}

/** The stage along the last axis; gives the parts that are asked for. */
function alongColumns(x: Tensor, { columns }: Grid, sign: 1 | -1, parts: Side["parts"] = "stacked"): Tensor {
  const times: Side = { places: columns, parts: "stacked" };
  const matrix = realRoots({ n: columns, sign, scale: 1 }, { places: columns, parts }, times, x.dtype);
  return matmul(x, matrix, { transposeB: true });
}

/** Products with the spectra of kernels `[..., half, columns]`, whose axes broadcast against those of the signals. */
function filtered(spectrum: Tensor, kernel: Complex): Tensor {
  const [columns, own] = [kernel.re.shape.at(-1) as number, kernel.re.rank];
  const shape = [...spectrum.shape.slice(-own, -1), columns];
  const rows = sizeOf(shape.slice(0, -1));
  const ofRows = (x: Tensor): Tensor => reshape(broadcastTo(x, shape), [rows, columns]);
  const outer = sizeOf(spectrum.shape.slice(0, -own));
  const product = complexMul(reshape(spectrum, [outer, rows, 2 * columns]), {
    re: ofRows(kernel.re),
    im: ofRows(kernel.im),
  });
  return reshape(product, spectrum.shape);
}

/** The factors before the last stage of the inverse, scaled; each frequency but 0 and the highest of an even number stands for its conjugate too. */
const backFactors = (grid: Grid, dtype: DType): Complex =>
  shared(`back ${grid.rows} ${grid.columns} ${dtype}`, () => {
    const { rows, columns } = grid;
    const { re, im } = roots({ n: rows * columns, sign: 1, scale: 1 / (rows * columns) }, half(grid), columns, dtype);
    const weight = (f: number): number => (f === 0 || 2 * f === rows ? 1 : 2);
    const weighed = (x: Tensor): Tensor =>
      table(x.shape, dtype, (i) => weight(Math.floor(i / columns)) * Number(x.data[i]));
    return { re: weighed(re), im: weighed(im) };
  });

/**
 * Circular convolution, of `rows·columns` points, of real signals `[..., given, columns]` with real kernels
 * `[..., taps, columns]` of no more axes, which broadcast against those of the signals; missing rows are zeros. Gives the
 * first `wanted` rows, `[..., wanted, columns]`.
 */
export function convolveTwoStages(signals: Tensor, kernels: Tensor, grid: Grid, wanted: number): Tensor {
  const { rows, columns } = grid;
  const { dtype } = signals;
  const halfway = alongRows(kernels, grid);
  const kernel: Complex = {
    re: alongColumns(halfway, grid, -1, "real"),
    im: alongColumns(halfway, grid, -1, "imaginary"),
  };
  const spectrum = alongColumns(alongRows(signals, grid), grid, -1);
  const back = complexMul(alongColumns(filtered(spectrum, kernel), grid, 1), backFactors(grid, dtype));
  const last = realRoots(
    { n: rows, sign: 1, scale: 1 },
    { places: wanted, parts: "real" },
    { places: half(grid), parts: "paired" },
    dtype,
  );
  return matmul(last, inRowsOf(back, columns));
}
