/** The lowest frequencies of grids, by products with small matrices: frequencies that are not kept are not computed. */
import { type DType, matmul, reshape, type Tensor, tensor, transpose } from "../../array/index.ts";
import { checkCount } from "../checks.ts";

/** Frequencies kept along each axis of a grid: one number for lines, two for planes. */
export type Modes = readonly [along: number] | readonly [first: number, last: number];

/** Transforms between values on grids of any size and their lowest frequencies. */
export interface ModeTransform {
  /** How many frequencies are kept in all. */
  readonly count: number;
  /** `x: [batch, channels, ...grid]` to coefficients `[count, batch, 2·channels]`, real parts before imaginary ones. */
  forward(x: Tensor): Tensor;
  /** Coefficients `[count, batch, 2·channels]` to values `[batch, channels, ...grid]`. */
  inverse(z: Tensor, grid: readonly number[]): Tensor;
}

/** Throws unless `x` is `[batch, channels, ...grid]` with so many axes of the grid. */
export function checkGrid(layer: string, x: Tensor, channels: number, dimensions: number): void {
  if (x.rank !== dimensions + 2 || x.shape[1] !== channels) {
    const axes = dimensions === 1 ? "points" : "rows, columns";
    throw new RangeError(
      `${layer}: expected x of shape [batch, ${channels}, ${axes}], got shape [${x.shape.join(", ")}]`,
    );
  }
}

/**
 * The Fourier coefficients `1/n·Σ_t x_t e^(-2πi·k·t/n)` for the kept frequencies: along the last axis k from 0 to
 * `modes - 1`, the negative ones being their conjugates; along the first of two axes `0 … modes - 1` and `-modes … -1`.
 * They do not depend on the grid for functions that it resolves, and the inverse is the sum of the kept waves. A grid
 * needs at least two points for each mode.
 */
export function modeTransform(layer: string, modes: Modes): ModeTransform {
  checkCount(layer, Object.fromEntries(modes.map((count, axis) => [`modes[${axis}]`, count])));
  const last = modes.at(-1) as number;
  const rows = modes.length === 1 ? 1 : 2 * (modes[0] as number);
  const known = new Map<string, Tensor>();
  const table = (name: string, dtype: DType, shape: readonly [number, number], value: Entry): Tensor => {
    const key = `${name} ${shape} ${dtype}`;
    const found = known.get(key) ?? matrixOf(shape, dtype, value);
    known.set(key, found);
    return found;
  };
  const checkSize = (grid: readonly number[]): void => {
    const short = grid.findIndex((n, axis) => n < 2 * (modes[axis] as number));
    if (short >= 0)
      throw new RangeError(
        `${layer}: ${modes[short]} modes need at least ${2 * (modes[short] as number)} points along axis ${short} of the grid, got ${grid[short]}`,
      );
  };

  return {
    count: rows * last,
    forward(x) {
      const [batch, channels, ...grid] = x.shape as [number, number, ...number[]];
      checkSize(grid);
      const n = grid.at(-1) as number;
      const along = matmul(
        x,
        table("forward", x.dtype, [n, 2 * last], (t, j) => realWave(t, j, last, n)),
      );
      if (modes.length === 1)
        return reshape(transpose(reshape(along, [batch, channels, 2, last]), [3, 0, 2, 1]), [
          last,
          batch,
          2 * channels,
        ]);
      const height = grid[0] as number;
      const stacked = reshape(transpose(reshape(along, [batch, channels, height, 2, last]), [0, 1, 3, 2, 4]), [
        batch,
        channels,
        2 * height,
        last,
      ]);
      const turn = table(
        "forward rows",
        x.dtype,
        [2 * rows, 2 * height],
        (i, j) =>
          complexWave(
            frequency(i % rows, rows) * (j % height),
            height,
            Math.floor(i / rows) - Math.floor(j / height),
            -1,
          ) / height,
      );
      const both = reshape(matmul(turn, stacked), [batch, channels, 2, rows, last]);
      return reshape(transpose(both, [3, 4, 0, 2, 1]), [rows * last, batch, 2 * channels]);
    },
    inverse(z, grid) {
      checkSize(grid);
      const [, batch, twice] = z.shape as [number, number, number];
      const channels = twice / 2;
      const n = grid.at(-1) as number;
      const back = table(
        "inverse",
        z.dtype,
        [2 * last, n],
        (j, t) => (j % last === 0 ? 1 : 2) * n * realWave(t, j, last, n),
      );
      if (modes.length === 1) {
        const lines = transpose(reshape(z, [last, batch, 2, channels]), [1, 3, 2, 0]);
        return matmul(reshape(lines, [batch, channels, 2 * last]), back);
      }
      const height = grid[0] as number;
      const both = transpose(reshape(z, [rows, last, batch, 2, channels]), [2, 4, 3, 0, 1]);
      const turn = table("inverse rows", z.dtype, [2 * height, 2 * rows], (i, j) =>
        complexWave(frequency(j % rows, rows) * (i % height), height, Math.floor(i / height) - Math.floor(j / rows), 1),
      );
      const stacked = matmul(turn, reshape(both, [batch, channels, 2 * rows, last]));
      const along = transpose(reshape(stacked, [batch, channels, 2, height, last]), [0, 1, 3, 2, 4]);
      return matmul(reshape(along, [batch, channels, height, 2 * last]), back);
    },
  };
}

type Entry = (row: number, column: number) => number;

function matrixOf([rows, columns]: readonly [number, number], dtype: DType, value: Entry): Tensor {
  const data = Float64Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns));
  return tensor(dtype === "float64" ? data : Float32Array.from(data), { shape: [rows, columns], dtype });
}

/** Frequencies of the first axis: those from 0 on, then the negative ones. */
const frequency = (row: number, rows: number): number => (row < rows / 2 ? row : row - rows);

/** Entry of the matrix from n real values to `modes` cosines and then as many sines, over n. */
function realWave(t: number, j: number, modes: number, n: number): number {
  const angle = (2 * Math.PI * ((t * (j % modes)) % n)) / n;
  return (j < modes ? Math.cos(angle) : -Math.sin(angle)) / n;
}

/**
 * Entry of the real matrix `[[cos, -sin], [sin, cos]]` of a multiplication by `e^(sign·2πi·product/n)`; `block` is that of
 * the row less that of the column.
 */
function complexWave(product: number, n: number, block: number, sign: 1 | -1): number {
  const angle = (sign * 2 * Math.PI * (product % n)) / n;
  return block === 0 ? Math.cos(angle) : block * Math.sin(angle);
}
