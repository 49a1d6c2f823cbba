/**
 * Convolution of pairs of rows with one real kernel by a two-stage Fourier transform. Two rows are the real and imaginary
 * part of one complex signal, which a real kernel leaves apart. The spectrum stays in the order in which the stages leave
 * it, rows that are zero are skipped in the first stage, and rows that are not wanted in the last.
 * Source: the order-2 Monarch form of Fu et al. 2023, "FlashFFTConv", arXiv:2311.05908.
 */
import { shared, table } from "../array/dft.ts";
import { add, type Complex, concat, type DType, matmul, sub, type Tensor } from "../array/index.ts";
import { complexProduct } from "./complex.ts";

/** A transform of `rows·columns` points, in stages of these extents. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** `e^(-2πi·a·b/n)` as cosine and sine; the product is reduced in whole numbers, which keeps the angle exact. */
function root(a: number, b: number, n: number): readonly [re: number, im: number] {
  const angle = (2 * Math.PI * ((a * b) % n)) / n;
  return [Math.cos(angle), -Math.sin(angle)];
}

/** The first stage over `given` rows, as matrices `[rows, 2·given]` that take real parts above imaginary ones. */
const forwardRows = ({ rows }: Grid, given: number, dtype: DType): Complex =>
  shared(`packed forward ${rows} ${given} ${dtype}`, () => {
    const entry = (i: number) => root(Math.floor(i / (2 * given)), (i % (2 * given)) % given, rows);
    const isReal = (i: number) => i % (2 * given) < given;
    return {
      re: table([rows, 2 * given], dtype, (i) => (isReal(i) ? entry(i)[0] : -entry(i)[1])),
      im: table([rows, 2 * given], dtype, (i) => (isReal(i) ? entry(i)[1] : entry(i)[0])),
    };
  });

/** The first stage for real rows: matrices `[rows, given]`. */
const forwardRealRows = ({ rows }: Grid, given: number, dtype: DType): Complex =>
  shared(`packed real ${rows} ${given} ${dtype}`, () => ({
    re: table([rows, given], dtype, (i) => root(Math.floor(i / given), i % given, rows)[0]),
    im: table([rows, given], dtype, (i) => root(Math.floor(i / given), i % given, rows)[1]),
  }));

/** The last stage of the inverse for `wanted` rows, scaled: matrices `[wanted, 2·rows]`. */
const inverseRows = ({ rows, columns }: Grid, wanted: number, dtype: DType): Complex =>
  shared(`packed inverse ${rows} ${columns} ${wanted} ${dtype}`, () => {
    const entry = (i: number) => root(Math.floor(i / (2 * rows)), (i % (2 * rows)) % rows, rows);
    const isReal = (i: number) => i % (2 * rows) < rows;
    const scale = 1 / (rows * columns);
    return {
      re: table([wanted, 2 * rows], dtype, (i) => scale * (isReal(i) ? entry(i)[0] : entry(i)[1])),
      im: table([wanted, 2 * rows], dtype, (i) => scale * (isReal(i) ? -entry(i)[1] : entry(i)[0])),
    };
  });

/** The factors between the stages; `sign` is -1 forward and 1 back. */
const twiddles = ({ rows, columns }: Grid, sign: 1 | -1, dtype: DType): Complex =>
  shared(`packed twiddles ${rows} ${columns} ${sign} ${dtype}`, () => {
    const entry = (i: number) => root(Math.floor(i / columns), i % columns, rows * columns);
    return {
      re: table([rows, columns], dtype, (i) => entry(i)[0]),
      im: table([rows, columns], dtype, (i) => -sign * entry(i)[1]),
    };
  });

/** The stage along the last axis with three real products instead of four. */
function alongColumns({ re, im }: Complex, { columns }: Grid, sign: 1 | -1): Complex {
  const matrix = (name: string, value: (cos: number, sin: number) => number): Tensor =>
    shared(`packed columns ${columns} ${sign} ${name} ${re.dtype}`, () => {
      const made = table([columns, columns], re.dtype, (i) => {
        const [c, s] = root(Math.floor(i / columns), i % columns, columns);
        return value(c, -sign * s);
      });
      return { re: made, im: made };
    }).re;
  const both = matmul(
    add(re, im),
    matrix("cos", (c) => c),
  );
  const less = matmul(
    im,
    matrix("sum", (c, s) => c + s),
  );
  const more = matmul(
    re,
    matrix("difference", (c, s) => s - c),
  );
  return { re: sub(both, less), im: add(both, more) };
}

/** The spectrum of real kernels `[..., given, columns]`, the rest of whose rows are zeros: `[..., rows, columns]`. */
function kernelSpectrum(kernel: Tensor, grid: Grid): Complex {
  const rows = forwardRealRows(grid, kernel.shape.at(-2) as number, kernel.dtype);
  const summed = { re: matmul(rows.re, kernel), im: matmul(rows.im, kernel) };
  return alongColumns(complexProduct(summed, twiddles(grid, -1, kernel.dtype)), grid, -1);
}

/**
 * Circular convolution, of `rows·columns` points, of two real signals `[..., given, columns]` with one real kernel
 * `[..., taps, columns]`; missing rows are zeros. Gives the first `wanted` rows of each result.
 */
export function convolvePair(
  [first, second]: readonly [Tensor, Tensor],
  kernel: Tensor,
  grid: Grid,
  wanted: number,
): [Tensor, Tensor] {
  const { dtype } = first;
  const into = forwardRows(grid, first.shape.at(-2) as number, dtype);
  const signal = concat([first, second], { axis: -2 });
  const summed = { re: matmul(into.re, signal), im: matmul(into.im, signal) };
  const spectrum = alongColumns(complexProduct(summed, twiddles(grid, -1, dtype)), grid, -1);
  const filtered = complexProduct(spectrum, kernelSpectrum(kernel, grid));
  const turned = complexProduct(alongColumns(filtered, grid, 1), twiddles(grid, 1, dtype));
  const outOf = inverseRows(grid, wanted, dtype);
  const rows = concat([turned.re, turned.im], { axis: -2 });
  return [matmul(outOf.re, rows), matmul(outOf.im, rows)];
}
