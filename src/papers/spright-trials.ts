/** What the study of SPRIGHT measures: spectra found by load, times by length, shifts by noise. */
import {
  fitPowerLaw,
  type Measurement,
  measured,
  median,
  type Scale,
  type StudyContext,
  timeInTurn,
  withStd,
} from "../report/index.ts";
import { densityEvolutionThreshold, fwht, sparseWalshHadamard } from "../spectral/index.ts";
import { isSpectrum, randomSpectrum, type Shares, tryOften, wholeSignal } from "./sparse-signals.ts";

interface Sizes {
  /** Lengths 2^bits; groups have 2^(bits/3) bins. */
  readonly bits: readonly number[];
  /** Coefficients for each bin of a group. */
  readonly loads: readonly number[];
  readonly trials: number;
  /** Lengths at which times are taken. */
  readonly timed: readonly number[];
  readonly calls: number;
  /** Decibels, and the length and bins at which noise is studied. */
  readonly noises: readonly number[];
  readonly noisy: { readonly bits: number; readonly binBits: number; readonly count: number };
  readonly noisyTrials: number;
  /** Lengths at which the shifts that 10 dB needs are counted. */
  readonly noisyBits: readonly number[];
  readonly graphs: number;
}
export const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: {
    bits: [12, 15],
    loads: [1.6, 1.95, 2.3, 2.6],
    trials: 5,
    timed: [12, 15],
    calls: 2,
    noises: [20, 5],
    noisy: { bits: 12, binBits: 5, count: 8 },
    noisyTrials: 4,
    noisyBits: [9, 12],
    graphs: 3,
  },
  small: {
    bits: [12, 15, 18, 21],
    loads: [1.6, 1.8, 1.96, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.8],
    trials: 20,
    timed: [12, 15, 18, 20, 22],
    calls: 3,
    noises: [20, 15, 10, 5, 0, -5],
    noisy: { bits: 22, binBits: 8, count: 64 },
    noisyTrials: 10,
    noisyBits: [12, 15, 18, 21],
    graphs: 20,
  },
  full: {
    bits: [12, 15, 18, 21, 24],
    loads: [1.6, 1.8, 1.96, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.8],
    trials: 100,
    timed: [12, 14, 16, 18, 20, 22, 24],
    calls: 9,
    noises: [20, 15, 10, 5, 0, -5],
    noisy: { bits: 22, binBits: 8, count: 64 },
    noisyTrials: 40,
    noisyBits: [12, 15, 18, 21, 24],
    graphs: 100,
  },
};

export const THRESHOLD = 1 / densityEvolutionThreshold(3);
/** Share of trials that must find the whole spectrum. */
const WANTED = 0.95;
const sizeText = (bits: number) => `N = 2^${bits}`;

/** Shares of trials by load, for each length and seed. */
export async function sharesByLoad(context: StudyContext) {
  const { bits, loads, trials } = sizes[context.scale];
  const results = new Map<number, readonly (readonly Shares[])[]>();
  for (const [i, n] of bits.entries()) {
    const binBits = n / 3;
    results.set(
      n,
      await context.overSeeds((seed) =>
        context.remember(`without noise, ${n} bits, seed ${seed}`, async () => {
          context.progress({ stage: `without noise, ${sizeText(n)}`, done: i, total: bits.length });
          const shares: Shares[] = [];
          for (const load of loads)
            shares.push(await tryOften({ seed, trials, bits: n, binBits, count: Math.round(load * 2 ** binBits) }));
          return shares;
        }),
      ),
    );
  }
  context.figure({
    kind: "lines",
    title: "Spectra found without noise, by coefficients for each bin",
    caption: `Three groups; the share of ${trials} random spectra whose support and values were found exactly, mean and standard deviation over seeds. Density evolution puts the transition of ever longer signals at ${THRESHOLD.toFixed(3)}.`,
    x: { label: "coefficients for each bin of a group" },
    y: { label: "share found" },
    series: bits.map((n) => ({
      name: sizeText(n),
      points: loads.map((load, k) =>
        withStd(
          load,
          (results.get(n) ?? []).map((shares) => (shares[k] as Shares).found),
        ),
      ),
    })),
  });
  return results;
}

/** The load at which the share falls through a half, between the loads that were tried. */
export function transition(loads: readonly number[], shares: readonly Shares[]): number {
  for (let i = 1; i < loads.length; i++) {
    const [before, after] = [(shares[i - 1] as Shares).found, (shares[i] as Shares).found];
    const [a, b] = [loads[i - 1] as number, loads[i] as number];
    if (before >= 0.5 && after < 0.5) return a + ((b - a) * (before - 0.5)) / (before - after);
  }
  return (shares[0] as Shares).found < 0.5 ? (loads[0] as number) : (loads.at(-1) as number);
}

export interface Timed {
  readonly bits: number;
  readonly count: number;
  /** Largest difference of a coefficient; infinite if the spectrum was not found. */
  readonly difference: number;
  /** Milliseconds, one figure a round. */
  readonly full: readonly number[];
  readonly sparse: readonly number[];
}

/** Times of the sparse and of the full transform of the same signal with N^(1/3) coefficients, and how far they agree. */
export async function timesByLength(context: StudyContext) {
  const { timed, calls } = sizes[context.scale];
  const rows: Timed[] = [];
  for (const [i, bits] of timed.entries()) {
    context.progress({ stage: `timing ${sizeText(bits)}`, done: i, total: timed.length });
    rows.push(
      await context.remember(`times at ${bits} bits`, async () => {
        const count = Math.round(2 ** (bits / 3));
        const binBits = Math.ceil(bits / 3);
        const list = await randomSpectrum(bits, { bits, count, generic: true });
        const signal = wholeSignal(list, bits);
        const room = new Float64Array(signal.length);
        const full = () => {
          room.set(signal);
          return fwht(room);
        };
        const sparse = () => sparseWalshHadamard(signal, { bits, binBits });
        const found = sparse();
        const all = full();
        const difference = Math.max(
          0,
          ...found.values.map((value, k) =>
            Math.abs(value - (all[found.indices[k] as number] as number) / 2 ** (bits / 2)),
          ),
        );
        // A short call is repeated, so that the clock's steps do not matter.
        const often = Math.max(1, Math.round(2 ** (14 - binBits - Math.log2(bits))));
        const times = await timeInTurn(
          {
            full,
            sparse: () => {
              for (let k = 0; k < often; k++) sparse();
            },
          },
          { calls, rounds: context.seeds.length, signal: context.signal },
        );
        return {
          bits,
          count,
          difference: isSpectrum(found, list, 1e-9) ? difference : Number.POSITIVE_INFINITY,
          full: times.full,
          sparse: times.sparse.map((ms) => ms / often),
        };
      }),
    );
  }
  context.figure({
    kind: "lines",
    title: "Time of the full and of the sparse transform",
    caption: "N^(1/3) coefficients, no noise, the signal in memory; medians of calls in turn.",
    x: { label: "N", log: true },
    y: { label: "milliseconds", log: true },
    series: (["full", "sparse"] as const).map((name) => ({
      name,
      points: rows.map((row) => ({ x: 2 ** row.bits, y: median(row[name]) })),
    })),
  });
  return rows;
}

type Outcome = Shares & { readonly chains: number };

/** The fewest random shifts, doubled until the wanted share of trials finds the spectrum, with what they then find. */
async function chainsNeeded(
  context: StudyContext,
  setting: { readonly bits: number; readonly binBits: number; readonly count: number; readonly signalToNoise: number },
  seed: number,
): Promise<Outcome> {
  const { noisyTrials } = sizes[context.scale];
  return context.remember(`${JSON.stringify(setting)}, seed ${seed}`, async () => {
    for (let chains = 2; ; chains *= 2) {
      context.progress({ stage: `noise of ${setting.signalToNoise} dB, ${chains} shifts`, done: 0, total: 1 });
      const shares = await tryOften({ seed, trials: noisyTrials, chains, ...setting });
      if (shares.found >= WANTED || chains >= 256) return { ...shares, chains };
    }
  });
}

/** Shifts and samples by noise. */
export async function byNoise(context: StudyContext) {
  const { noises, noisy } = sizes[context.scale];
  const rows: { readonly signalToNoise: number; readonly outcomes: readonly Outcome[] }[] = [];
  for (const signalToNoise of noises)
    rows.push({
      signalToNoise,
      outcomes: await context.overSeeds((seed) => chainsNeeded(context, { ...noisy, signalToNoise }, seed)),
    });
  const { bits, binBits, count } = noisy;
  context.figure({
    kind: "table",
    title: "Shifts and samples that noise needs",
    caption: `${sizeText(bits)}, ${count} coefficients of size 1, three groups of ${2 ** binBits} bins. The fewest random shifts, doubled from 2, with which ${100 * WANTED} % of ${sizes[context.scale].noisyTrials} spectra are found; means over seeds.`,
    columns: ["signal to noise, dB", "shifts", "samples", "% of N", "supports found, %"],
    rows: rows.map(({ signalToNoise, outcomes }) => {
      const mean = (pick: (one: Outcome) => number) => measured(outcomes.map(pick)).mean;
      return [
        signalToNoise,
        mean(({ chains }) => chains).toFixed(1),
        Math.round(mean(({ distinct }) => distinct)),
        ((100 * mean(({ distinct }) => distinct)) / 2 ** bits).toFixed(2),
        (100 * mean(({ found }) => found)).toFixed(1),
      ];
    }),
  });
  return rows;
}

/** The exponent of samples against K·log N over lengths, with N^(1/3) coefficients and 10 dB. */
export async function noisySlope(context: StudyContext): Promise<Measurement> {
  const { noisyBits } = sizes[context.scale];
  const slopes = await context.overSeeds(async (seed) => {
    const points = [];
    for (const bits of noisyBits) {
      const count = 2 ** (bits / 3);
      const { distinct } = await chainsNeeded(context, { bits, binBits: bits / 3, count, signalToNoise: 10 }, seed);
      points.push({ x: count * bits, y: distinct });
    }
    return fitPowerLaw(points).exponent;
  });
  return measured(slopes);
}
