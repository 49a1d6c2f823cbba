/** What is true of Fourier transforms in stages on any machine: their values, and the operations that they take. */
import { type Complex, evaluate, fft, flopCount, key, normal, type Tensor, tensor, zeros } from "../array/index.ts";
import { fourierPlan } from "../data/index.ts";
import { type MonarchForm, monarchConvolution, monarchKernel } from "../spectral/index.ts";

const numbers = (x: Tensor): readonly number[] => Array.from(x.data, Number);
const farthest = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);
const complexZeros = (shape: readonly number[]): Complex => ({ re: zeros(shape), im: zeros(shape) });
const pointsOf = (factors: readonly number[]): number => factors.reduce((total, extent) => total * extent, 1);

/** Operations of a transform of complex values in these stages, counted in the graph. */
export const transformOperations = (factors: readonly number[]): number =>
  flopCount((z: Complex) => fft(z, { factors }), complexZeros([pointsOf(factors)]));

/** Operations of a convolution of a complex signal with a kernel whose spectrum is known, counted in the graph. */
export function convolutionOperations({ factors, kept }: MonarchForm): number {
  const kernel = complexZeros([...factors.slice(0, -1), kept ?? (factors.at(-1) as number)]);
  const form = { factors, ...(kept === undefined ? {} : { kept }) };
  return flopCount(
    (z: Complex, k: Complex) => monarchConvolution(z, k, form),
    complexZeros([pointsOf(factors)]),
    kernel,
  );
}

/** Largest relative error of transforms of 4,096 points in two, three and four stages, against one in float64. */
export async function transformError(): Promise<number> {
  const z = await evaluate({ re: normal(key(1), [4096]), im: normal(key(2), [4096]) });
  const expected = { re: Float64Array.from(numbers(z.re)), im: Float64Array.from(numbers(z.im)) };
  fourierPlan(4096).transform(expected);
  const size = Math.max(...expected.re.map(Math.abs));
  let most = 0;
  for (const factors of [
    [64, 64],
    [128, 32],
    [16, 16, 16],
    [8, 8, 8, 8],
  ]) {
    const { re, im } = await evaluate(fft(z, { factors }));
    const error = Math.max(farthest(numbers(re), [...expected.re]), farthest(numbers(im), [...expected.im]));
    most = Math.max(most, error / size);
  }
  return most;
}

/** Largest difference of a convolution in stages from the causal sum, signals as long as half of the points. */
export async function causalError(): Promise<number> {
  const [length, form] = [256, { factors: [8, 8, 8] }] as const;
  const kernel = await evaluate(normal(key(3), [length]));
  // The second signal is an impulse at the last position, which would come back at the first.
  const impulse = tensor(Float32Array.from({ length }, (_, t) => Number(t === length - 1)));
  const signal = await evaluate({ re: normal(key(4), [length]), im: impulse });
  const y = await evaluate(monarchConvolution(signal, monarchKernel(kernel, form), form));
  const taps = numbers(kernel);
  const sum = (u: readonly number[]): number[] =>
    u.map((_, t) => taps.reduce((total, tap, s) => total + (s <= t ? tap * (u[t - s] as number) : 0), 0));
  return Math.max(farthest(numbers(y.re), sum(numbers(signal.re))), farthest(numbers(y.im), sum(numbers(signal.im))));
}

/** Largest difference of a convolution that skips the upper half of the frequencies from one that masks them, in float64. */
export async function maskError(): Promise<number> {
  const points = 256;
  const form = { factors: [16, 16], kept: 8 };
  const draw = (seed: number): Tensor => normal(key(seed), [points], { dtype: "float64" });
  const { re, im, kernel } = await evaluate({ re: draw(5), im: draw(6), kernel: draw(7) });
  const y = await evaluate(monarchConvolution({ re, im }, monarchKernel(kernel, form), form));
  const plan = fourierPlan(points);
  const hold = (a: Tensor, b?: Tensor) => ({
    re: Float64Array.from(numbers(a)),
    im: b ? Float64Array.from(numbers(b)) : new Float64Array(points),
  });
  const [z, k] = [hold(re, im), hold(kernel)];
  plan.transform(z);
  plan.transform(k);
  for (let f = 0; f < points; f++) {
    const [a, b] = [z.re[f] as number, z.im[f] as number];
    const [c, d] = [k.re[f] as number, k.im[f] as number];
    const mask = Number(Math.min(f, points - f) < points / 4) / points;
    z.re[f] = mask * (a * c - b * d);
    z.im[f] = mask * (a * d + b * c);
  }
  plan.transform(z, { inverse: true });
  return Math.max(farthest(numbers(y.re), [...z.re]), farthest(numbers(y.im), [...z.im]));
}
