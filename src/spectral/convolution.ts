/** Long convolutions by Fourier transforms: causal or circular, with filters of any length, and with few frequencies. */
import { add, irfft, mul, pad, reshape, rfft, slice, type Tensor, transpose } from "../array/index.ts";
import { sizeOf } from "../array/shape.ts";
import { complexProduct } from "./complex.ts";
import { convolveTwoStages, type Grid } from "./two-stage.ts";

export interface FftConvolutionOptions {
  /**
   * `causal` (the default): `y_t = Σ_{s ≤ t} k_s u_{t-s}`, signals are zero before they begin. `circular`: they repeat,
   * `y_t = Σ_s k_s u_{(t-s) mod length}`.
   */
  readonly mode?: "causal" | "circular";
  /**
   * Share of the kernel's frequencies that is kept, the lowest; the others are taken for zeros and not computed. 1 by
   * default. Of a causal convolution these are the frequencies of signal and kernel together, continued by zeros.
   */
  readonly keep?: number;
}

/**
 * Convolution of real signals along the last axis with kernels of up to as many taps, by Fourier transforms.
 * `u: [...batch, ...channels, length]` and `k: [...channels, taps]` give `[...batch, ...channels, length]`; axes of extent 1
 * in `k` broadcast. A kernel of fewer taps than the signal has elements costs less; a much shorter one is applied to blocks
 * of the signal. Gradients of both follow from the transforms.
 * Source: Fu et al. 2023, "FlashFFTConv", arXiv:2311.05908, which calls the latter partial, and the former with `keep`
 * frequency-sparse.
 */
export function fftConvolution(
  u: Tensor,
  k: Tensor,
  { mode = "causal", keep = 1 }: FftConvolutionOptions = {},
): Tensor {
  const { length, taps } = checkOperands(u, k);
  if (!(keep > 0 && keep <= 1))
    throw new RangeError(`fftConvolution: keep is a share above 0 and up to 1, got ${keep}`);
  if (mode !== "causal" && mode !== "circular")
    throw new RangeError(`fftConvolution: mode is causal or circular, got ${JSON.stringify(mode)}`);
  if (u.size === 0) return mul(u, 1);
  if (keep === 1 && mode === "causal") {
    const block = blockLength(length, taps);
    if (block < length) return byBlocks(u, k, block);
  }
  return whole(u, k, mode === "causal" ? gridFor(length + taps - 1) : gridOf(length), length, keep);
}

function checkOperands(u: Tensor, k: Tensor): { length: number; taps: number } {
  if (u.dtype !== k.dtype) throw new TypeError(`fftConvolution: u is ${u.dtype} and k ${k.dtype}; cast one of them`);
  if (u.rank < 1 || k.rank < 1 || k.rank > u.rank)
    throw new RangeError(
      `fftConvolution: expected u [..., length] and k [..., taps] of no more axes, got ${u} and ${k}`,
    );
  const [length, taps] = [u.shape.at(-1) as number, k.shape.at(-1) as number];
  const channels = u.shape.slice(u.rank - k.rank, -1);
  if (k.shape.slice(0, -1).some((n, i) => n !== 1 && n !== channels[i]))
    throw new RangeError(
      `fftConvolution: the axes of k [${k.shape}] before its taps must be 1 or those of u [${u.shape}] before its length`,
    );
  if (taps < 1 || (length > 0 && taps > length))
    throw new RangeError(
      `fftConvolution: k has ${taps} taps, expected from 1 to the length of u, ${length}; ${taps < 1 ? "there is nothing to convolve with" : "slice it first"}`,
    );
  return { length, taps };
}

// --- lengths ---

/** A transform: its length, and its two stages if two are best. */
interface Plan {
  readonly length: number;
  readonly grid: Grid | null;
}

/** Shorter transforms are one dense matrix, for which real rows need half the work; longer ones need more than two stages. */
const [STAGES_FROM, STAGES_TO] = [512, 2 ** 18];

/**
 * Columns for so many points, a power of two: half of what is next to the root, as the stage along them does more work, but
 * rows of fewer than 64 columns take as long as longer ones.
 */
function columnsFor(points: number): number {
  const balanced = 2 ** Math.round(Math.log2(points) / 2);
  return Math.max(Math.min(64, balanced), balanced / 2);
}

/** A convenient length of at least `points`. */
function gridFor(points: number): Plan {
  const columns = columnsFor(points);
  const rows = Math.ceil(points / columns);
  const length = rows * columns;
  return { length, grid: length >= STAGES_FROM && length <= STAGES_TO ? { rows, columns } : null };
}

/** Exactly this length; two stages if a divisor is near its root. */
function gridOf(length: number): Plan {
  if (length < STAGES_FROM || length > STAGES_TO) return { length, grid: null };
  let rows = Math.floor(Math.sqrt(length));
  while (length % rows !== 0) rows--;
  return { length, grid: length / rows <= 4 * rows ? { rows, columns: length / rows } : null };
}

/** What passes over memory cost, in rows of a stage. */
const PASSES = 125;

/** The length of blocks that is least work for an element of the signal: the whole signal, or a few times the taps. */
function blockLength(length: number, taps: number): number {
  const cost = (block: number) => {
    const points = block + taps - 1;
    return (points * (2 * Math.sqrt(points) + PASSES)) / block;
  };
  const candidates = [1, 2, 4, 8, 16].map((times) => 2 ** Math.ceil(Math.log2(times * taps)));
  const best = candidates.reduce((a, b) => (cost(b) < cost(a) ? b : a));
  // Blocks add passes that cut and join them.
  return 2 * best <= length && 1.25 * cost(best) < cost(length) ? best : length;
}

// --- the convolutions ---

const widen = (x: Tensor, axis: number, extent: number): Tensor => {
  const none = x.shape.map(() => 0);
  const at = (axis + x.rank) % x.rank;
  return pad(x, { before: none, after: none.with(at, extent - (x.shape[at] as number)) });
};
const part = (x: Tensor, axis: number, start: number, stop: number): Tensor =>
  slice(x, { starts: [start], stops: [stop], axes: [axis] });
const prefix = (x: Tensor, length: number): Tensor => part(x, -1, 0, length);

/** Blocks of the signal as rows of a batch; what each adds to the next is added there. */
function byBlocks(u: Tensor, k: Tensor, block: number): Tensor {
  const [length, taps] = [u.shape.at(-1) as number, k.shape.at(-1) as number];
  const outer = u.shape.slice(0, -1);
  const axes = outer.map((_, i) => i);
  const count = Math.ceil(length / block);
  const cut = reshape(widen(u, -1, count * block), [...outer, count, block]);
  const blocks = transpose(cut, [outer.length, ...axes, outer.length + 1]);
  const full = whole(blocks, k, gridFor(block + taps - 1), block + taps - 1, 1);
  const joined = transpose(full, [...axes.map((i) => i + 1), 0, outer.length + 1]);
  const inOrder = (x: Tensor) => reshape(x, [...outer, count * block]);
  const heads = inOrder(prefix(joined, block));
  const tails = inOrder(widen(part(joined, -1, block, block + taps - 1), -1, block));
  const none = outer.map(() => 0);
  const later = pad(prefix(tails, (count - 1) * block), { before: [...none, block], after: [...none, 0] });
  return prefix(add(heads, later), length);
}

/** Convolution by one transform of the whole signal; gives the first `wanted` elements. */
function whole(u: Tensor, k: Tensor, { length, grid }: Plan, wanted: number, keep: number): Tensor {
  if (!grid || keep < 1) return byRealTransforms(u, k, length, wanted, keep);
  const { columns } = grid;
  const inRows = (x: Tensor): Tensor => {
    const rows = Math.ceil((x.shape.at(-1) as number) / columns);
    return reshape(widen(x, -1, rows * columns), [...x.shape.slice(0, -1), rows, columns]);
  };
  // Axes in which all signals share a kernel make it no larger.
  const own = k.shape.slice(0, -1).findIndex((n) => n !== 1);
  const kernels = reshape(k, own < 0 ? k.shape.slice(-1) : k.shape.slice(own));
  const y = convolveTwoStages(inRows(u), inRows(kernels), grid, Math.ceil(wanted / columns));
  return prefix(reshape(y, [...u.shape.slice(0, -1), sizeOf(y.shape.slice(-2))]), wanted);
}

function byRealTransforms(u: Tensor, k: Tensor, length: number, wanted: number, keep: number): Tensor {
  const frequencies = Math.max(1, Math.round(keep * (Math.floor(length / 2) + 1)));
  const [signal, kernel] = [rfft(u, { length, frequencies }), rfft(k, { length, frequencies })];
  return prefix(irfft(complexProduct(signal, kernel), { length }), wanted);
}
