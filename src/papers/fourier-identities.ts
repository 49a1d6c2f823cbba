/** What is true of Fourier mixers whatever they are trained on: the transform, causality, going on from a cache. */
import {
  compile,
  evaluate,
  fft2,
  key,
  mul,
  normal,
  slice,
  type Tensor,
  type Tree,
  tensor,
  zeros,
} from "../array/index.ts";
import { fourierMixer, multiHeadAttention, parameterCount, type TokenMixer, writeCache } from "../nn/index.ts";

const [TIME, WIDTH] = [24, 20] as const;

const numbers = async (x: Tensor): Promise<readonly number[]> => Array.from((await evaluate(x)).data, Number);

/** Largest absolute difference of two lists. */
const distance = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))));

const inputs = (seed: number): Promise<Tensor> => evaluate(normal(key(seed), [1, TIME, WIDTH]));

/** How far the Fourier mixer is from the fast transform over both axes. */
export async function transformError(): Promise<number> {
  const x = await inputs(1);
  const whole = mul(fft2({ re: x, im: zeros(x.shape) }).re, 1 / Math.sqrt(TIME * WIDTH));
  return distance(await numbers(fourierMixer({ width: WIDTH }).apply({}, x)), await numbers(whole));
}

/** A causal mixer of vectors of some width and sequences of some length. */
export type MixerOf = (size: { readonly width: number; readonly context: number }) => TokenMixer;

/**
 * The largest change of any output before a position whose input, and all later ones, are replaced by others; over all
 * positions.
 */
export async function leak(mixerOf: MixerOf): Promise<number> {
  const mixer = mixerOf({ width: WIDTH, context: TIME });
  const [x, other] = [await inputs(2), await inputs(3)];
  const run = compile((v: Tensor) => mixer.apply({}, v));
  const before = await numbers(await run(x));
  let most = 0;
  for (let from = 1; from < TIME; from++) {
    const start = from * WIDTH;
    const changed = Float32Array.from(x.data as Float32Array, (v, i) => (i >= start ? Number(other.data[i]) : v));
    const after = await numbers(await run(tensor(changed, { shape: x.shape })));
    most = Math.max(most, distance(before.slice(0, start), after.slice(0, start)));
  }
  return most;
}

/** How far outputs that are formed one position at a time are from those of the whole sequence. */
export async function streamingError(mixerOf: MixerOf): Promise<number> {
  const mixer = mixerOf({ width: WIDTH, context: TIME });
  const x = await inputs(4);
  const run = compile((v: Tensor, cache: Tree, seen: Tensor) => {
    const [y, fresh] = mixer.extend({}, v, cache, seen);
    return [y, writeCache(cache, fresh, seen)] as const;
  });
  let cache: Tree = await evaluate(mixer.cache({ batch: 1, length: TIME }));
  const outputs: number[] = [];
  for (let at = 0; at < TIME; at++) {
    const piece = await evaluate(slice(x, { starts: [at], stops: [at + 1], axes: [1] }));
    const [y, after] = (await run(piece, cache, tensor(Int32Array.of(at)))) as readonly [Tensor, Tree];
    outputs.push(...(await numbers(y)));
    cache = after;
  }
  return distance(await numbers(mixer.apply({}, x)), outputs);
}

/** Numbers in an attention layer without biases, of the size of the paper's model. */
export const attentionParameters = (): number =>
  parameterCount(multiHeadAttention({ width: 410, heads: 10, bias: false }).init(key(0)));
