/** What is true of spectral filters whatever they are trained on: energy, convolution, shifts, counts of parameters. */
import { concat, evaluate, irfft, key, mul, normal, ones, rfft, slice, type Tensor, zeros } from "../array/index.ts";
import { layerNorm, multiHeadAttention, parameterCount, spectralFilterMixer } from "../nn/index.ts";

/** Positions of a vision transformer with patches of 16 and a class token: a prime number. */
const POSITIONS = 197;
const WIDTH = 4;
const HEADS = 2;
const FREQUENCIES = Math.floor(POSITIONS / 2) + 1;
const sizes = { width: WIDTH, heads: HEADS, positions: POSITIONS } as const;
const linear = spectralFilterMixer({ ...sizes, adaptive: false, activation: "identity" });

const numbers = async (x: Tensor): Promise<readonly number[]> => Array.from((await evaluate(x)).data, Number);
const distance = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))));
const inputs = (): Promise<Tensor> => evaluate(normal(key(1), [1, POSITIONS, WIDTH]));
const perFrequency = [FREQUENCIES, HEADS] as const;

/** Numbers of the published mixer with its norm, and of attention with its norm, at the sizes of a ViT-B. */
export function mixerParameters(): { readonly filter: number; readonly attention: number } {
  const width = 768;
  const heads = 12;
  const norm = parameterCount(layerNorm({ width }).init(key(0)));
  const filter = spectralFilterMixer({ width, heads, positions: POSITIONS }).init(key(0));
  const attention = multiHeadAttention({ width, heads }).init(key(0));
  return { filter: parameterCount(filter) + norm, attention: parameterCount(attention) + norm };
}

/** Change of an input by a filter of ones without bias and activation. */
export async function identityError(): Promise<number> {
  const x = await inputs();
  const params = { filter: ones(perFrequency), bias: zeros(perFrequency) };
  return distance(await numbers(x), await numbers(linear.apply(params, x)));
}

/** Relative difference of the energy of an orthonormal spectrum, frequencies within counted twice, from the input's. */
export async function energyError(): Promise<number> {
  const x = await inputs();
  const { re, im } = rfft(mul(x, 1 / Math.sqrt(POSITIONS)), { axis: -2 });
  const [real, imaginary] = [await numbers(re), await numbers(im)];
  const squares = (values: readonly number[], twice: boolean): number =>
    values.reduce((total, v, i) => total + (twice && i >= WIDTH ? 2 : 1) * v * v, 0);
  return Math.abs((squares(real, true) + squares(imaginary, true)) / squares(await numbers(x), false) - 1);
}

/** Largest difference of a filter from the circular convolution with its inverse transform, term by term. */
export async function convolutionError(): Promise<number> {
  const x = await inputs();
  const filter = await evaluate(normal(key(2), perFrequency));
  const kernel = await numbers(irfft({ re: filter, im: zeros(perFrequency) }, { axis: 0, length: POSITIONS }));
  const given = await numbers(x);
  const expected = given.map((_, i) => {
    const [t, c] = [Math.floor(i / WIDTH), i % WIDTH];
    let total = 0;
    for (let s = 0; s < POSITIONS; s++) {
      const tap = kernel[((t - s + POSITIONS) % POSITIONS) * HEADS + Math.floor(c / (WIDTH / HEADS))] as number;
      total += tap * (given[s * WIDTH + c] as number);
    }
    return total;
  });
  return distance(await numbers(linear.apply({ filter, bias: zeros(perFrequency) }, x)), expected);
}

/** Largest difference of what an adaptive filter with modReLU makes of a shifted input from what it made, shifted. */
export async function shiftError(): Promise<number> {
  const mixer = spectralFilterMixer({ ...sizes, activation: "modRelu" });
  const params = await evaluate(mixer.init(key(3)));
  const part = (v: Tensor, start: number, stop: number) => slice(v, { starts: [start], stops: [stop], axes: [1] });
  const shifted = (v: Tensor): Tensor => concat([part(v, 50, POSITIONS), part(v, 0, 50)], { axis: 1 });
  const x = await inputs();
  return distance(await numbers(shifted(mixer.apply(params, x))), await numbers(mixer.apply(params, shifted(x))));
}

/** What a bias of 1 on every frequency adds: at the first position over √positions, and the largest value elsewhere. */
export async function biasImpulse(): Promise<{ readonly first: number; readonly elsewhere: number }> {
  const params = { filter: ones(perFrequency), bias: ones(perFrequency) };
  const y = await numbers(linear.apply(params, zeros([1, POSITIONS, WIDTH])));
  return {
    first: (y[0] as number) / Math.sqrt(POSITIONS),
    elsewhere: Math.max(...y.slice(WIDTH).map(Math.abs)),
  };
}
