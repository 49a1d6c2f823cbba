/**
 * Circular convolution by Fourier transforms of any number of stages whose spectra stay in the order in which the stages
 * leave them, so that nothing is transposed, and whose highest frequencies can be left out. `convolveTwoStages`
 * is the form with two stages, tuned for the runtime.
 */
import { type FourierSum, fourierSum, type Parts, shared, table } from "../array/dft.ts";
import { type Complex, type DType, mul, pad, reshape, slice, type Tensor } from "../array/index.ts";
import { complexProduct } from "./complex.ts";

/** Stages of a transform of `Π factors` points, and how much of its spectrum is kept. */
export interface MonarchForm {
  /** Extents of the stages, at least one: for `[n_1, …, n_p]` point `t = (t_1·n_2 + t_2)·n_3 + …`. */
  readonly factors: readonly number[];
  /**
   * Kept values of the last digit of frequencies, an even number up to the last factor; all by default. They are centred:
   * the frequencies below `kept/2·points/n_p` and their conjugates remain, and the others are not computed.
   */
  readonly kept?: number;
}

const product = (factors: readonly number[]): number => factors.reduce((total, extent) => total * extent, 1);

/** The checked form, with its number of points and half of the kept digits where some are left out, else 0. */
function checked(operation: string, { factors, kept }: MonarchForm) {
  if (factors.length < 1 || factors.some((extent) => !Number.isInteger(extent) || extent < 1))
    throw new RangeError(
      `${operation}: factors are whole numbers of at least 1, one or more of them, got [${factors.join(", ")}]`,
    );
  const last = factors.at(-1) as number;
  const some = kept !== undefined && kept !== last;
  if (some && !(Number.isInteger(kept) && kept >= 2 && kept < last && kept % 2 === 0))
    throw new RangeError(
      `${operation}: kept is an even number from 2 to the last factor ${last}, or that one, got ${kept}`,
    );
  return { factors, points: product(factors), kept: some ? kept : last, half: some ? kept / 2 : 0 };
}
type Checked = ReturnType<typeof checked>;

/** `length` elements along the last axis in rows of the first stage: `[..., rows, n_2, …, n_p]`, zeros at the end. */
function inRows(operation: string, x: Tensor, { factors, points }: Checked): Tensor {
  const length = x.shape.at(-1) as number;
  if (length < 1 || length > points)
    throw new RangeError(
      `${operation}: factors [${factors.join(", ")}] make ${points} points, expected from 1 to as many elements, got ${length}`,
    );
  const row = points / (factors[0] as number);
  const rows = Math.ceil(length / row);
  const none = x.shape.map(() => 0);
  const full = pad(x, { before: none, after: none.with(-1, rows * row - length) });
  return reshape(full, [...x.shape.slice(0, -1), rows, ...factors.slice(1)]);
}

/**
 * The factors `e^(sign·2πi·k·r/n)` between stage i and those after it: k the digit of the stage, r the points of the rest,
 * n both together. Where the last digit is centred, the last of them also move frequencies by half of the kept ones.
 */
function twiddles({ factors, half }: Checked, stage: number, sign: 1 | -1, dtype: DType): Complex {
  const [own, inner] = [factors[stage] as number, factors.slice(stage + 1)];
  const rest = product(inner);
  const moved = stage === factors.length - 2 ? half * own : 0;
  const n = own * rest;
  return shared(`monarch ${own} ${inner} ${moved} ${sign} ${dtype}`, () => {
    const angle = (i: number): number => {
      const [k, r] = [Math.floor(i / rest) - moved, i % rest];
      return (sign * 2 * Math.PI * ((k * r) % n)) / n;
    };
    const shape = [own, ...inner];
    return {
      re: table(shape, dtype, (i) => Math.cos(angle(i))),
      im: table(shape, dtype, (i) => Math.sin(angle(i))),
    };
  });
}

/** For a single stage: the factors that move frequencies by half of the kept ones. */
const moves = ({ points, half }: Checked, sign: 1 | -1, dtype: DType): Complex =>
  shared(`monarch moves ${points} ${half} ${sign} ${dtype}`, () => {
    const angle = (t: number): number => (-sign * 2 * Math.PI * ((half * t) % points)) / points;
    return {
      re: table([points], dtype, (t) => Math.cos(angle(t))),
      im: table([points], dtype, (t) => Math.sin(angle(t))),
    };
  });

const withImaginary = ({ re, im }: Parts): Complex => ({ re, im: im ?? mul(re, 0) });

/** One stage: the sum along an axis as one dense matrix. */
const stageSum = (z: Parts, axis: number, sum: Omit<FourierSum, "factors">): Complex => {
  const { re, im } = fourierSum(z, axis, { ...sum, factors: [sum.n] });
  return { re, im: im as Tensor };
};

function forward(operation: string, z: Parts, form: Checked): Complex {
  const { factors, kept, half } = form;
  const outer = z.re.rank - 1;
  let state: Parts = { re: inRows(operation, z.re, form), im: z.im && inRows(operation, z.im, form) };
  factors.forEach((extent, i) => {
    const isLast = i === factors.length - 1;
    if (factors.length === 1 && half > 0) {
      const given = state.re.shape.at(-1) as number;
      const { re, im } = moves(form, -1, z.re.dtype);
      const first = (x: Tensor): Tensor => slice(x, { starts: [0], stops: [given], axes: [0] });
      state = complexProduct(withImaginary(state), { re: first(re), im: first(im) });
    }
    const summed = stageSum(state, outer + i, { n: extent, sign: -1, take: isLast ? kept : extent, scale: 1 });
    state = isLast ? summed : complexProduct(summed, twiddles(form, i, -1, z.re.dtype));
  });
  return state as Complex;
}

/** The first `length` points of the inverse. */
function inverse(spectrum: Complex, form: Checked, length: number): Complex {
  const { factors, points, half } = form;
  const outer = spectrum.re.rank - factors.length;
  const { dtype } = spectrum.re;
  const wanted = Math.ceil(length / (points / (factors[0] as number)));
  let state = spectrum;
  for (let i = factors.length - 1; i >= 0; i--) {
    const extent = factors[i] as number;
    const scale = i === factors.length - 1 ? 1 / points : 1;
    state = stageSum(state, outer + i, { n: extent, sign: 1, take: i === 0 ? wanted : extent, scale });
    if (i > 0) state = complexProduct(state, twiddles(form, i - 1, 1, dtype));
  }
  if (factors.length === 1 && half > 0) {
    const { re, im } = moves(form, 1, dtype);
    const first = (x: Tensor): Tensor => slice(x, { starts: [0], stops: [wanted], axes: [0] });
    state = complexProduct(state, { re: first(re), im: first(im) });
  }
  const flat = (x: Tensor): Tensor => {
    const all = reshape(x, [...x.shape.slice(0, outer), -1]);
    return slice(all, { starts: [0], stops: [length], axes: [-1] });
  };
  return { re: flat(state.re), im: flat(state.im) };
}

/**
 * The spectrum of real kernels `[..., taps]` for `monarchConvolution`: `[..., n_1, …, n_(p-1), kept]`, where frequency
 * `k_1 + n_1·(k_2 + n_2·(…))` has the digits `[k_1, …, k_p]`. Of a centred spectrum the lowest frequency, whose conjugate
 * is left out, is zero, so that results for real signals stay real. Throws one sentence for more taps than points.
 */
export function monarchKernel(kernel: Tensor, form: MonarchForm): Complex {
  const own = checked("monarchKernel", form);
  const { re, im } = forward("monarchKernel", { re: kernel, im: null }, own);
  if (own.half === 0) return { re, im };
  const shape = [...own.factors.slice(0, -1), own.kept];
  const first = table(shape, kernel.dtype, (i) => (i === 0 ? 0 : 1));
  return { re: mul(re, first), im: mul(im, first) };
}

/**
 * Circular convolution, of `Π factors` points, of complex signals `[..., length]` with real kernels by their spectra from
 * `monarchKernel` with the same form. Two real signals fit in one complex one. Missing points are zeros and save work in
 * the first stage; the result has `length` points, which saves work in the last. Without taps that reach around, this is
 * the causal convolution. For whole signals it does `16·points·Σ factors` operations of matrix products, with the last
 * factor counted as `kept`.
 * Source: Fu et al. 2023, "FlashFFTConv", arXiv:2311.05908, section 3; the centring is ours.
 */
export function monarchConvolution(signal: Complex, kernel: Complex, form: MonarchForm): Complex {
  const own = checked("monarchConvolution", form);
  const shape = [...own.factors.slice(0, -1), own.kept];
  if (kernel.re.shape.slice(-shape.length).join() !== shape.join())
    throw new RangeError(
      `monarchConvolution: expected a kernel of shape [..., ${shape.join(", ")}] from monarchKernel, got [${kernel.re.shape.join(", ")}]`,
    );
  const spectrum = forward("monarchConvolution", signal, own);
  return inverse(complexProduct(spectrum, kernel), own, signal.re.shape.at(-1) as number);
}
