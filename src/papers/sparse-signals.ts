/** Signals with sparse Walsh-Hadamard spectra, and how often the sparse transform finds their spectra. */
import { evaluate, key, randomBits } from "../array/index.ts";
import {
  dot,
  fwht,
  hashedNormal,
  randomGroups,
  type SparseHadamardOptions,
  sparseWalshHadamard,
} from "../spectral/index.ts";

/** A spectrum as a list, ascending by index. */
export interface SparseList {
  readonly indices: Uint32Array;
  readonly values: Float64Array;
}

/** Uniform numbers in [0, 1) from a seed. */
export async function uniforms(seed: number, count: number): Promise<Float64Array> {
  const words = (await evaluate(randomBits(key(seed), [count]))).data as Int32Array;
  return Float64Array.from(words, (word) => (word >>> 0) / 2 ** 32);
}

/**
 * Spectra of `count` coefficients at different random indices below 2^bits. `generic` ones are of 0.5 to 2 in size, of
 * either sign; others are 1 or -1.
 */
export async function randomSpectrum(
  seed: number,
  { bits, count, generic }: { readonly bits: number; readonly count: number; readonly generic: boolean },
): Promise<SparseList> {
  const random = await uniforms(seed, 4 * count + 64);
  const chosen = new Map<number, number>();
  for (let i = 0; chosen.size < count; i += 2) {
    const [place, size] = [random[i] as number, random[i + 1] as number];
    const value = size < 0.5 ? -1 : 1;
    chosen.set(Math.floor(place * 2 ** bits), generic ? value * (0.5 + 3 * (size % 0.5)) : value);
  }
  const indices = Uint32Array.from(chosen.keys()).sort();
  return { indices, values: Float64Array.from(indices, (index) => chosen.get(index) as number) };
}

/** The whole signal, by the fast transform. */
export function wholeSignal({ indices, values }: SparseList, bits: number): Float64Array {
  const spectrum = new Float64Array(2 ** bits);
  indices.forEach((index, i) => {
    spectrum[index] = values[i] as number;
  });
  return fwht(spectrum).map((value) => value / 2 ** (bits / 2));
}

/** Samples of the signal, one by one as they are asked for, and a count of those that differ. */
export function askedSignal({ indices, values }: SparseList, bits: number, noise: (index: number) => number = () => 0) {
  const asked = new Set<number>();
  const scale = 2 ** (-bits / 2);
  return {
    asked,
    sample(index: number): number {
      asked.add(index);
      let total = 0;
      for (let i = 0; i < indices.length; i++)
        total += dot(indices[i] as number, index) === 1 ? -(values[i] as number) : (values[i] as number);
      return scale * total + noise(index);
    },
  };
}

/** Whether exactly the coefficients that are there were found, each within a distance of its value. */
export const isSpectrum = (found: SparseList, { indices, values }: SparseList, distance: number): boolean =>
  found.indices.length === indices.length &&
  found.indices.every((index, i) => index === indices[i]) &&
  found.values.every((value, i) => Math.abs(value - (values[i] as number)) < distance);

export interface Trials {
  readonly seed: number;
  readonly trials: number;
  readonly bits: number;
  readonly binBits: number;
  /** Coefficients of the spectrum. */
  readonly count: number;
  /** Of a sample, in decibels; no noise if undefined. */
  readonly signalToNoise?: number;
  readonly chains?: number;
}

/** Shares of trials in which the spectrum was found, and in which the transform says that it has all of it. */
export interface Shares {
  readonly found: number;
  readonly complete: number;
  /** Samples that were asked for, and how many of them differ, in the mean. */
  readonly requests: number;
  readonly distinct: number;
}

/** Draws spectra, and has the sparse transform look for them: without noise with sizes of all kinds, with noise 1 or -1. */
export async function tryOften({
  seed,
  trials,
  bits,
  binBits,
  count,
  signalToNoise,
  chains = 0,
}: Trials): Promise<Shares> {
  const isNoisy = signalToNoise !== undefined;
  // The mean square of a sample is count/2^bits.
  const noise = isNoisy ? Math.sqrt(count / 2 ** bits / 10 ** (signalToNoise / 10)) : 0;
  let [found, complete, requests, distinct] = [0, 0, 0, 0];
  for (let trial = 0; trial < trials; trial++) {
    const own = 1000 * seed + trial;
    const list = await randomSpectrum(own, { bits, count, generic: !isNoisy });
    const normal = hashedNormal(own);
    const { sample, asked } = askedSignal(list, bits, isNoisy ? (index) => noise * normal(index) : undefined);
    const options: SparseHadamardOptions = { bits, binBits, chains, noise, seed: own };
    const result = sparseWalshHadamard(sample, options);
    if (isSpectrum(result, list, isNoisy ? 0.5 : 1e-9)) found++;
    if (result.undecoded === 0) complete++;
    requests += result.requests / trials;
    distinct += asked.size / trials;
  }
  return { found: found / trials, complete: complete / trials, requests, distinct };
}

/**
 * Whether all edges of a random weighted graph, and no others, are found from queries of its cut function: the weight of
 * the edges between a set of vertices and the rest. Its spectrum has a coefficient for each edge, at the index of its two
 * vertices, and one for the total weight.
 */
export async function findsGraph(
  seed: number,
  {
    vertices,
    edges,
    binBits,
    shuffled,
  }: { readonly vertices: number; readonly edges: number; readonly binBits: number; readonly shuffled: boolean },
): Promise<boolean> {
  const random = await uniforms(seed + 900_000, 6 * edges);
  const weights = new Map<number, number>();
  for (let i = 0; weights.size < edges; i += 3) {
    const [a, b] = [Math.floor((random[i] as number) * vertices), Math.floor((random[i + 1] as number) * vertices)];
    if (a !== b) weights.set((1 << a) | (1 << b), 0.5 + (random[i + 2] as number));
  }
  const list = [...weights];
  const cut = (set: number) => list.reduce((total, [edge, weight]) => total + weight * dot(edge, set), 0);
  const groups = shuffled ? randomGroups(3, { bits: vertices, binBits, seed }) : 3;
  const { indices, values } = sparseWalshHadamard(cut, { bits: vertices, binBits, groups });
  // Each edge has -weight/2·√N.
  const scale = -2 / 2 ** (vertices / 2);
  const isEdge = (index: number, i: number) =>
    index === 0 || Math.abs((weights.get(index) ?? 0) - scale * (values[i] as number)) < 1e-9;
  return indices.length === edges + 1 && indices.every(isEdge);
}
