/** What is true of reductions by frequency whatever vectors they are given. */
import { compile, evaluate, fft, key, neg, normal, rfft, type Tensor, zerosLike } from "../array/index.ts";
import { embeddingIndex, reduceRows, reductionFamily } from "../probe/index.ts";
import { average } from "../report/index.ts";

/** Lengths of vectors: of word vectors, a prime, and of the paper's sentence embeddings. */
const WIDTHS = [100, 127, 768] as const;

const numbers = (x: Tensor): readonly number[] => Array.from(x.data as Float32Array | Float64Array);
const white = (count: number, width: number, seed: number, dtype: "float32" | "float64" = "float32"): Promise<Tensor> =>
  evaluate(normal(key(seed), [count, width], { dtype }));
const distance = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);

/** The largest relative difference of `Σ u²` and `1/N Σ |c|²` in double precision. */
export async function parsevalError(): Promise<number> {
  const errors = WIDTHS.map(async (width) => {
    const u = await white(1, width, width, "float64");
    const { re, im } = await evaluate(rfft(u));
    const power = numbers(u).reduce((total, v) => total + v * v, 0);
    const squares = numbers(re).map((a, f) => a * a + (numbers(im)[f] as number) ** 2);
    // All frequencies but 0 and N/2 stand for two.
    const all = squares.reduce((total, v, f) => total + (f === 0 || 2 * f === width ? 1 : 2) * v, 0);
    return Math.abs(all / width / power - 1);
  });
  return Math.max(...(await Promise.all(errors)));
}

/** The largest relative difference of `A_k` and `A_(N-k)` of the whole transform in double precision. */
export async function symmetryError(): Promise<number> {
  const errors = WIDTHS.map(async (width) => {
    const u = await white(1, width, width, "float64");
    const { re, im } = await evaluate(fft({ re: u, im: zerosLike(u) }));
    const amplitudes = numbers(re).map((a, f) => Math.hypot(a, numbers(im)[f] as number));
    const mirrored = amplitudes.map((_, k) => amplitudes[(width - k) % width] as number);
    return distance(amplitudes, mirrored) / Math.max(...amplitudes);
  });
  return Math.max(...(await Promise.all(errors)));
}

/** The largest change of a cosine when all coefficients of the orthonormal transform are kept. */
export async function isometryError(): Promise<number> {
  const errors: number[] = [];
  for (const width of WIDTHS) {
    const [vectors, queries] = [await white(50, width, 1), await white(5, width, 2)];
    const family = await reductionFamily("fourier", vectors);
    const [before, after] = [
      await embeddingIndex(vectors),
      await embeddingIndex(await reduceRows(family, width, vectors)),
    ];
    const cosines = await after.cosines(await reduceRows(family, width, queries));
    errors.push(distance(Array.from(cosines), Array.from(await before.cosines(queries))));
  }
  return Math.max(...errors);
}

/** The least cosine, by amplitudes, of a vector and its opposite. */
export async function cosineOfOpposites(): Promise<number> {
  const vectors = await white(20, 100, 3);
  const family = await reductionFamily("amplitude", vectors);
  const index = await embeddingIndex(await reduceRows(family, 50, vectors));
  const cosines = await index.cosines(await reduceRows(family, 50, await compile(neg)(vectors)));
  const { count } = index;
  return Math.min(...Array.from({ length: count }, (_, i) => cosines[i * (count + 1)] as number));
}

/** The mean cosine, by amplitudes, of unrelated vectors of 768 independent normal numbers. */
export async function cosineOfUnrelated(seed: number): Promise<number> {
  const vectors = await white(100, 768, 2 * seed);
  const family = await reductionFamily("amplitude", vectors);
  const index = await embeddingIndex(await reduceRows(family, 384, vectors));
  const queries = await reduceRows(family, 384, await white(100, 768, 2 * seed + 1));
  return average(Array.from(await index.cosines(queries)));
}
