/**
 * The Walsh-Hadamard transform of signals whose spectrum has few coefficients, from few samples, with or without noise:
 * small transforms of subsampled, shifted signals sum the spectrum into bins; a bin with one coefficient tells its index by
 * the signs under shifts; peeling does the rest.
 * Source: Li, Bradley, Pawar, Ramchandran 2015, "SPRIGHT", arXiv:1508.06336; without noise, Scheibler, Haghighatshoar,
 * Vetterli 2013, arXiv:1310.1803.
 */
import { mixWords } from "../array/random.ts";
import { dot, MOST_BITS, multiplyTransposed, rank, span } from "./gf2.ts";
import { type Bins, peel } from "./peeling.ts";
import { fwht } from "./walsh-hadamard.ts";

/** Samples of a signal by index, or all of them. */
export type Signal = Float64Array | ((index: number) => number);

export interface SparseHadamardOptions {
  /** The signal has 2^bits elements. */
  readonly bits: number;
  /** A group has 2^binBits bins. All coefficients are found, most likely, if there are fewer than 2.4 for each bin of one of 3 groups. */
  readonly binBits: number;
  /**
   * Groups: how many, by default 3, each of which sorts coefficients by `binBits` bits of their index in a row; or for each
   * the columns of a matrix over GF(2) whose products with the index sort them. See `randomGroups`.
   */
  readonly groups?: number | readonly (readonly number[])[];
  /** Random shifts, each with a neighbour in every bit. 0, the default, is for signals without noise: one, which is none. */
  readonly chains?: number;
  /** Standard deviation of the noise of a sample; 0 by default. `estimate` takes it from the quietest bins. */
  readonly noise?: number | "estimate";
  /** Of the random shifts; 0 by default. */
  readonly seed?: number;
}

export interface SparseSpectrum {
  /** Indices of the coefficients that were found, ascending. */
  readonly indices: Uint32Array;
  /** Their values, in the orthonormal transform. */
  readonly values: Float64Array;
  /** Samples that were asked for, those asked for more than once counted as often. */
  readonly requests: number;
  /** Bins in which something is left that could not be told apart; 0 if the spectrum is complete. */
  readonly undecoded: number;
  /** The mean square of what is left in these bins, summed over them and divided by the groups. */
  readonly residual: number;
  /** Standard deviation of the noise of a sample that was reckoned with. */
  readonly noise: number;
}

/** Random groups for `sparseWalshHadamard`, for spectra whose indices have bits in common. */
export function randomGroups(
  count: number,
  { bits, binBits, seed = 0 }: { readonly bits: number; readonly binBits: number; readonly seed?: number },
): number[][] {
  checkBits({ bits, binBits });
  const next = words(seed);
  return Array.from({ length: count }, () => {
    for (;;) {
      const columns = Array.from({ length: binBits }, () => next() & (2 ** bits - 1));
      if (rank(columns) === binBits) return columns;
    }
  });
}

/** Random words of 32 bits. */
function words(seed: number): () => number {
  let counter = 0;
  return () => mixWords(counter++, seed, 0x5bd1e995);
}

function checkBits({ bits, binBits }: { readonly bits: number; readonly binBits: number }): void {
  if (!Number.isInteger(bits) || bits < 1 || bits > MOST_BITS)
    throw new RangeError(`sparseWalshHadamard: bits is a whole number from 1 to ${MOST_BITS}, got ${bits}`);
  if (!Number.isInteger(binBits) || binBits < 1 || binBits > bits)
    throw new RangeError(`sparseWalshHadamard: binBits is a whole number from 1 to bits, ${bits}, got ${binBits}`);
}

/** Everything about the design that does not depend on the signal. */
interface Design {
  readonly bits: number;
  readonly groups: readonly (readonly number[])[];
  readonly offsets: Uint32Array;
  readonly chains: number;
}

function designOf({ bits, binBits, groups = 3, chains = 0, seed = 0 }: SparseHadamardOptions): Design {
  checkBits({ bits, binBits });
  if (!Number.isInteger(chains) || chains < 0)
    throw new RangeError(`sparseWalshHadamard: chains is a whole number of at least 0, got ${chains}`);
  const count = typeof groups === "number" ? groups : groups.length;
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`sparseWalshHadamard: expected at least one group, got ${count}`);
  const rows = (group: number) =>
    Array.from({ length: binBits }, (_, i) => 2 ** ((Math.floor((group * bits) / count) + i) % bits));
  const matrices = typeof groups === "number" ? Array.from({ length: count }, (_, i) => rows(i)) : groups;
  for (const columns of matrices) {
    if (columns.length !== binBits || rank(columns) !== binBits || columns.some((c) => c < 0 || c >= 2 ** bits))
      throw new RangeError(
        `sparseWalshHadamard: each group needs ${binBits} independent columns of ${bits} bits, got [${columns.join(", ")}]`,
      );
  }
  const next = words(seed);
  const starts = chains === 0 ? [0] : Array.from({ length: chains }, () => next() & (2 ** bits - 1));
  const offsets = Uint32Array.from(starts.flatMap((d) => [d, ...Array.from({ length: bits }, (_, q) => d ^ (1 << q))]));
  return { bits, groups: matrices, offsets, chains: starts.length };
}

/**
 * Sums of the spectrum under all shifts: `U[bin·offsets + p] = Σ X_k (-1)^<offset_p, k>` over the coefficients whose index
 * the columns map to the bin, in the orthonormal transform of `2^bits` elements.
 */
export function hadamardBins(
  signal: Signal,
  {
    bits,
    columns,
    offsets,
  }: { readonly bits: number; readonly columns: readonly number[]; readonly offsets: Uint32Array },
): Float64Array {
  const places = span(columns);
  const shifts = offsets.length;
  const sums = new Float64Array(places.length * shifts);
  const part = new Float64Array(places.length);
  const scale = Math.sqrt(2 ** bits) / places.length;
  for (let p = 0; p < shifts; p++) {
    const offset = offsets[p] as number;
    if (typeof signal === "function")
      for (let l = 0; l < part.length; l++) part[l] = signal((places[l] as number) ^ offset);
    else for (let l = 0; l < part.length; l++) part[l] = signal[(places[l] as number) ^ offset] as number;
    fwht(part);
    for (let j = 0; j < part.length; j++) sums[j * shifts + p] = scale * (part[j] as number);
  }
  return sums;
}

interface Coefficient {
  readonly index: number;
  readonly value: number;
}

/** Standard deviations by which the mean square of noise in a bin may exceed its expectation. */
const SLACK = 4;

/** Energies of bins, relative to the largest, below which they are empty whatever the noise: roundings. */
const ROUNDING = 1e-20;

/** Finds the coefficients of a sparse spectrum; see `SparseHadamardOptions` for what it takes. */
export function sparseWalshHadamard(signal: Signal, options: SparseHadamardOptions): SparseSpectrum {
  const design = designOf(options);
  const { bits, groups, offsets, chains } = design;
  if (typeof signal !== "function" && signal.length !== 2 ** bits)
    throw new RangeError(
      `sparseWalshHadamard: expected a signal of 2^${bits} = ${2 ** bits} elements, got ${signal.length}`,
    );
  const shifts = offsets.length;
  const sums = groups.map((columns) => hadamardBins(signal, { bits, columns, offsets }));
  const perGroup = 2 ** options.binBits;
  const energies = sums.flatMap((list) =>
    Array.from({ length: perGroup }, (_, j) => meanSquare(list, j * shifts, shifts)),
  );
  const { noise = 0 } = options;
  // A sample's noise of variance 1 is one of 2^bits/perGroup in a bin.
  const spreading = Math.sqrt(2 ** bits / perGroup);
  const deviation = Math.max(...groups.map((columns) => energyDeviation(columns, design)));
  const binNoise = noise === "estimate" ? quietest(energies, deviation) : (noise * spreading) ** 2;
  const expected = Math.max(binNoise, ROUNDING * energies.reduce((a, b) => Math.max(a, b), 0));
  const slack = SLACK * deviation;
  const limit = (1 + slack) * expected;

  const place = (bin: number) => ({
    list: sums[Math.floor(bin / perGroup)] as Float64Array,
    start: (bin % perGroup) * shifts,
  });
  const bins: Bins<Coefficient> = {
    count: groups.length * perGroup,
    single(bin) {
      const { list, start } = place(bin);
      if (meanSquare(list, start, shifts) <= limit) return null;
      const index = indexOf(list, start, bits, chains);
      if (multiplyTransposed(groups[Math.floor(bin / perGroup)] as number[], index) !== bin % perGroup) return null;
      const value = amplitudeOf(list, start, offsets, index);
      if (value ** 2 <= slack * expected) return null;
      return meanSquareWithout(list, start, offsets, { index, value }) <= limit ? { index, value } : null;
    },
    holding: ({ index }) => groups.map((columns, c) => c * perGroup + multiplyTransposed(columns, index)),
    remove(bin, coefficient) {
      const { list, start } = place(bin);
      for (let p = 0; p < shifts; p++)
        list[start + p] = (list[start + p] as number) - shifted(coefficient, offsets[p] as number);
    },
  };
  const total = new Map<number, number>();
  for (const { index, value } of peel(bins)) total.set(index, (total.get(index) ?? 0) + value);
  const left = Array.from({ length: bins.count }, (_, bin) => {
    const { list, start } = place(bin);
    return meanSquare(list, start, shifts);
  }).filter((energy) => energy > limit);
  const indices = Uint32Array.from(total.keys()).sort();
  return {
    indices,
    values: Float64Array.from(indices, (index) => total.get(index) as number),
    requests: groups.length * perGroup * shifts,
    undecoded: left.length,
    residual: left.reduce((sum, energy) => sum + energy, 0) / groups.length,
    noise: Math.sqrt(binNoise) / spreading,
  };
}

function meanSquare(list: Float64Array, start: number, count: number): number {
  let total = 0;
  for (let p = start; p < start + count; p++) total += (list[p] as number) ** 2;
  return total / count;
}

/** What a coefficient adds to its bin under a shift. */
const shifted = ({ index, value }: Coefficient, offset: number): number => (dot(offset, index) === 1 ? -value : value);

/** The mean square of a bin without a coefficient; as a difference of squares it would drown in roundings. */
function meanSquareWithout(list: Float64Array, start: number, offsets: Uint32Array, coefficient: Coefficient): number {
  let total = 0;
  for (let p = 0; p < offsets.length; p++)
    total += ((list[start + p] as number) - shifted(coefficient, offsets[p] as number)) ** 2;
  return total / offsets.length;
}

/** The index that the signs under shifts spell: a bit is set where the sums of neighbours in it differ in sign, on the whole. */
function indexOf(list: Float64Array, start: number, bits: number, chains: number): number {
  let index = 0;
  for (let q = 0; q < bits; q++) {
    let agreement = 0;
    for (let chain = 0; chain < chains; chain++) {
      const at = start + chain * (bits + 1);
      agreement += (list[at] as number) * (list[at + 1 + q] as number);
    }
    if (agreement < 0) index |= 1 << q;
  }
  return index;
}

function amplitudeOf(list: Float64Array, start: number, offsets: Uint32Array, index: number): number {
  let total = 0;
  for (let p = 0; p < offsets.length; p++) {
    const value = list[start + p] as number;
    total += dot(offsets[p] as number, index) === 1 ? -value : value;
  }
  return total / offsets.length;
}

/**
 * Relative standard deviation of the mean square of a bin with noise alone. Shifts by a bit that is among those that a group
 * sorts by give the same samples again, in another order: their noise is not noise of its own.
 */
function energyDeviation(columns: readonly number[], { bits, offsets }: Design): number {
  const isRepeated = (q: number) => rank([...columns, 1 << q]) === columns.length;
  const repeated = Array.from({ length: bits }, (_, q) => q).filter(isRepeated).length;
  const perChain = ((repeated + 1) ** 2 + bits - repeated) / (bits + 1) ** 2;
  return Math.sqrt((2 * perChain * (bits + 1)) / offsets.length);
}

/** Shares of the bins below and above which a gap between their energies says nothing, and how wide it must be. */
const [FEWEST, GAP] = [0.05, 1.5];

/**
 * The mean energy of bins with noise alone: of those below the widest gap of energies; where there is none, of the quietest
 * tenth of all, which are about a quarter of those without coefficients and lie 1.2 deviations below their mean.
 */
function quietest(energies: readonly number[], deviation: number): number {
  const sorted = [...energies].sort((a, b) => a - b);
  const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length;
  const first = Math.max(1, Math.floor(FEWEST * sorted.length));
  let gap = { width: 1, at: first };
  for (let i = first; i < (1 - FEWEST) * sorted.length; i++) {
    const width = (sorted[i] as number) / (sorted[i - 1] as number);
    if (width > gap.width) gap = { width, at: i };
  }
  if (gap.width >= GAP) return mean(sorted.slice(0, gap.at));
  return mean(sorted.slice(0, Math.max(1, Math.floor(sorted.length / 10)))) / Math.max(0.25, 1 - 1.2 * deviation);
}
