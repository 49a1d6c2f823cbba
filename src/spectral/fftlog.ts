/**
 * Hankel transforms of functions on logarithmic grids, over many decades at the cost of two Fourier transforms.
 * Source: Hamilton 2000, "Uncorrelated modes of the non-linear power spectrum", arXiv:astro-ph/9905191; Talman 1978.
 */
import { shared, table } from "../array/dft.ts";
import { type Complex, flip, irfft, mul, rfft, type Tensor } from "../array/index.ts";
import { complexProduct } from "./complex.ts";
import { logGamma } from "./gamma.ts";

export interface FftLogOptions {
  /** Points of the grid, an even number. */
  readonly count: number;
  /** Distance of their logarithms, `ln(r_{j+1}/r_j)`. */
  readonly step: number;
  /** Order μ of the Bessel function. */
  readonly order: number;
  /**
   * Exponent q of the power law `(r/r_c)^q` that the function is divided by, around the middle of the grid; 0 by default.
   * What is left is taken for periodic, so it should be small at both ends, and so should the result over `(k/k_c)^-q`.
   */
  readonly bias?: number;
  /**
   * Logarithm of the product of the middles of both grids. By default the one next to 0 for which the highest frequency is
   * real, which keeps sharp features from ringing.
   */
  readonly offset?: number;
}

export interface FftLog {
  readonly offset: number;
  /** The grid on the other side, from a grid: `k_j = e^offset/r_{count-1-j}`, ascending. */
  otherGrid(r: ArrayLike<number>): Float64Array;
  /** `A(k) = ∫ a(r) J_μ(kr) k dr` of `a: [..., count]` on the grid, on the other grid. */
  transform(a: Tensor): Tensor;
  /** `a(r) = ∫ A(k) J_μ(kr) r dk`: the inverse of `transform`. */
  inverse(a: Tensor): Tensor;
}

/** The factors of the frequencies: `2^q (2/kr)^(2iy) Γ((μ+1+q)/2 + iy)/Γ((μ+1-q)/2 - iy)` at `y = πm/(n·step)`. */
function factors({ count, step, order, bias = 0 }: FftLogOptions, offset: number): { re: number; im: number }[] {
  return Array.from({ length: count / 2 + 1 }, (_, m) => {
    const y = (Math.PI * m) / (count * step);
    const above = logGamma({ re: (order + 1 + bias) / 2, im: y });
    const below = logGamma({ re: (order + 1 - bias) / 2, im: -y });
    const size = Math.exp(bias * Math.LN2 + above.re - below.re);
    const angle = 2 * y * (Math.LN2 - offset) + above.im - below.im;
    return { re: size * Math.cos(angle), im: size * Math.sin(angle) };
  });
}

/** The offset next to 0 at which the factor of the highest frequency is real. */
function lowRinging({ step, order, bias = 0 }: FftLogOptions): number {
  const y = Math.PI / (2 * step);
  const above = logGamma({ re: (order + 1 + bias) / 2, im: y });
  const below = logGamma({ re: (order + 1 - bias) / 2, im: -y });
  // A change of the offset by the step turns the factor by π.
  const turns = (2 * y * Math.LN2 + above.im - below.im) / Math.PI;
  return (turns - Math.round(turns)) * step;
}

/** A Hankel transform on a logarithmic grid. Works in float32 and float64, and has gradients. */
export function fftLog(options: FftLogOptions): FftLog {
  const { count, step, order, bias = 0 } = options;
  if (!Number.isInteger(count) || count < 2 || count % 2 !== 0)
    throw new RangeError(`fftLog: count is an even whole number of at least 2, got ${count}`);
  if (!(step > 0)) throw new RangeError(`fftLog: step is above 0, got ${step}`);
  for (const side of [order + 1 + bias, order + 1 - bias])
    if (side <= 0 && side % 2 === 0)
      throw new RangeError(
        `fftLog: order ${order} and bias ${bias} are at a pole of the transform; change the bias a little`,
      );
  const offset = options.offset ?? lowRinging(options);
  const name = `fftlog ${count} ${step} ${order} ${bias} ${offset}`;
  const spectrum = (dtype: Tensor["dtype"], inverted: boolean): Complex =>
    shared(`${name} ${dtype} ${inverted}`, () => {
      const all = factors(options, offset).map(({ re, im }) => {
        // On the way back by 1/conj(u): the reversal of the grid turns frequencies around.
        const square = re * re + im * im;
        return inverted ? { re: re / square, im: im / square } : { re, im };
      });
      return {
        re: table([all.length], dtype, (m) => (all[m] as { re: number }).re),
        im: table([all.length], dtype, (m) => (2 * m === count ? 0 : (all[m] as { im: number }).im)),
      };
    });
  /** `(r/r_c)^(sign·q)` at the points, times a factor. */
  const powers = (dtype: Tensor["dtype"], sign: 1 | -1, factor: number): Tensor =>
    shared(`${name} ${dtype} power ${sign} ${factor}`, () => {
      const made = table([count], dtype, (j) => factor * Math.exp(sign * bias * (j - (count - 1) / 2) * step));
      return { re: made, im: made };
    }).re;
  const apply = (a: Tensor, inverted: boolean): Tensor => {
    if (a.rank < 1 || a.shape.at(-1) !== count)
      throw new RangeError(`fftLog: expected [..., ${count}], got [${a.shape.join(", ")}]`);
    // In both directions powers of the grid go before, and after: r^-q and k^-q there, k^q and r^q back.
    const sign = inverted ? 1 : -1;
    const scale = Math.exp(sign * bias * offset);
    const before = bias === 0 ? a : mul(a, powers(a.dtype, sign, inverted ? scale : 1));
    const turned = complexProduct(rfft(before), spectrum(a.dtype, inverted));
    const after = flip(irfft(turned, { length: count }), { axis: -1 });
    return bias === 0 ? after : mul(after, powers(a.dtype, sign, inverted ? 1 : scale));
  };
  return {
    offset,
    otherGrid(r) {
      if (r.length !== count) throw new RangeError(`fftLog: expected a grid of ${count} points, got ${r.length}`);
      return Float64Array.from({ length: count }, (_, j) => Math.exp(offset) / (r[count - 1 - j] as number));
    },
    transform: (a) => apply(a, false),
    inverse: (a) => apply(a, true),
  };
}
