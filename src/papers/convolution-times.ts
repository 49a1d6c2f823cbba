/** How long causal convolutions take by sums, by one dense transform, and by transforms in two and three stages. */
import {
  bytesMade,
  type Complex,
  compile,
  conv,
  evaluate,
  flip,
  key,
  mean,
  normal,
  pad,
  reshape,
  slice,
  square,
  type Tensor,
} from "../array/index.ts";
import { complexArray, fourierPlan } from "../data/index.ts";
import { average, median, type StudyContext, timeInTurn } from "../report/index.ts";
import {
  fftConvolution,
  fitMonarchCost,
  type MachineRates,
  monarchConvolution,
  monarchCost,
  monarchKernel,
} from "../spectral/index.ts";

export interface ConvolutionTimesOptions {
  /** Lengths of signals and kernels, powers of two; transforms have twice as many points. */
  readonly lengths: readonly number[];
  /** The longest for sums and for a dense transform. */
  readonly directTo: number;
  readonly denseTo: number;
  /** Features, each with a kernel of its own. */
  readonly channels: number;
  readonly calls: number;
}

/** Ways to convolve; those in stages differ in their number. */
export const convolutionWays = [
  "direct sums",
  "dense transform",
  "two stages",
  "three stages",
  "tuned two stages",
  "a sixteenth of the taps",
  "JavaScript FFT",
] as const;
export type ConvolutionWay = (typeof convolutionWays)[number];

export interface LengthRow {
  readonly length: number;
  /** Milliseconds of each way, a list of rounds. */
  readonly times: { readonly [way in ConvolutionWay]?: readonly number[] };
  /** Bytes of the tensors that are made on the way. */
  readonly bytes: { readonly [way in ConvolutionWay]?: number };
}

/** Powers of two that make up so many points, as equal as may be, the larger ones first. */
export function equalFactors(points: number, stages: number): readonly number[] {
  const bits = Math.round(Math.log2(points));
  return Array.from({ length: stages }, (_, i) => 2 ** Math.floor((bits + stages - 1 - i) / stages));
}

/** Stages of the ways that have them, for transforms of so many points. */
export const stagesOf = {
  "dense transform": (points: number) => [points],
  "two stages": (points: number) => equalFactors(points, 2),
  "three stages": (points: number) => equalFactors(points, 3),
} as const satisfies { readonly [way in ConvolutionWay]?: (points: number) => readonly number[] };
const staged = Object.keys(stagesOf) as (keyof typeof stagesOf)[];

/** Two signals `[2, channels, length]` with kernels `[channels, length]`, by each way that is timed at the length. */
function graphsOf({ length, ...options }: ConvolutionTimesOptions & { readonly length: number }) {
  const { channels, directTo, denseTo } = options;
  const inStages = (factors: readonly number[]) => (u: Tensor, k: Tensor) => {
    const part = (i: number): Tensor => reshape(pickRow(u, i), [channels, length]);
    const z: Complex = { re: part(0), im: part(1) };
    const y = monarchConvolution(z, monarchKernel(k, { factors }), { factors });
    return [y.re, y.im];
  };
  const graphs: { [way in ConvolutionWay]?: (u: Tensor, k: Tensor) => readonly Tensor[] } = {
    "two stages": inStages(stagesOf["two stages"](2 * length)),
    "three stages": inStages(stagesOf["three stages"](2 * length)),
    "tuned two stages": (u, k) => [fftConvolution(u, k)],
    "a sixteenth of the taps": (u, k) => [fftConvolution(u, firstTaps(k, length / 16))],
  };
  if (length <= directTo)
    graphs["direct sums"] = (u, k) => {
      const earlier = pad(u, { before: [0, 0, length - 1], after: [0, 0, 0] });
      return [conv(earlier, reshape(flip(k, { axis: -1 }), [channels, 1, length]), { groups: channels })];
    };
  if (length <= denseTo) graphs["dense transform"] = inStages(stagesOf["dense transform"](2 * length));
  return graphs;
}

const sliced = (x: Tensor, axis: number, start: number, stop: number): Tensor =>
  slice(x, { starts: [start], stops: [stop], axes: [axis] });
const pickRow = (u: Tensor, i: number): Tensor => sliced(u, 0, i, i + 1);
const firstTaps = (k: Tensor, taps: number): Tensor => sliced(k, -1, 0, taps);

/** The same convolution on the host, a pair of signals in one complex transform; kernels are transformed too. */
function hostConvolution(u: Float32Array, k: Float32Array, channels: number, length: number): number {
  const plan = fourierPlan(2 * length);
  let total = 0;
  for (let c = 0; c < channels; c++) {
    const [z, w] = [complexArray(2 * length), complexArray(2 * length)];
    for (let t = 0; t < length; t++) {
      z.re[t] = u[c * length + t] as number;
      z.im[t] = u[(channels + c) * length + t] as number;
      w.re[t] = k[c * length + t] as number;
    }
    plan.transform(z);
    plan.transform(w);
    for (let f = 0; f < 2 * length; f++) {
      const [a, b] = [z.re[f] as number, z.im[f] as number];
      const [e, g] = [w.re[f] as number, w.im[f] as number];
      z.re[f] = a * e - b * g;
      z.im[f] = a * g + b * e;
    }
    plan.transform(z, { inverse: true });
    total += z.re[length - 1] as number;
  }
  return total;
}

/** Times and bytes of every way at every length, all in turn. */
export async function convolutionTimes(
  options: ConvolutionTimesOptions,
  context: StudyContext,
): Promise<readonly LengthRow[]> {
  const { lengths, channels, calls } = options;
  const rows: LengthRow[] = [];
  for (const [done, length] of lengths.entries()) {
    context.progress({ stage: "timing convolutions", done, total: lengths.length, unit: "lengths" });
    const row = await context.remember(`convolutions at ${length}`, async () => {
      const { u, k } = await evaluate({
        u: normal(key(1), [2, channels, length]),
        k: normal(key(2), [channels, length]),
      });
      const runs: Record<string, () => unknown> = {};
      const bytes: Record<string, number> = {};
      for (const [way, graph] of Object.entries(graphsOf({ ...options, length }))) {
        // A single number comes back, or the copy of the output would count too.
        const run = compile((a: Tensor, b: Tensor) => graph(a, b).map((y) => mean(square(y))));
        runs[way] = () => run(u, k);
        bytes[way] = bytesMade((a: Tensor, b: Tensor) => graph(a, b), u, k);
      }
      runs["JavaScript FFT"] = () => hostConvolution(u.data as Float32Array, k.data as Float32Array, channels, length);
      return { length, times: await timeInTurn(runs, { calls, signal: context.signal }), bytes };
    });
    rows.push(row);
  }
  return rows;
}

/** How many times longer one way takes than another at a length, one for each round. */
export function timeRatio(rows: readonly LengthRow[], length: number, way: ConvolutionWay, other: ConvolutionWay) {
  const times = rows.find((row) => row.length === length)?.times;
  return (times?.[way] ?? []).map((value, i) => value / (times?.[other]?.[i] as number));
}

/** The cost model fitted to the medians of all ways in stages, and the share of lengths whose fastest way it names. */
export function fitCosts(rows: readonly LengthRow[], channels: number) {
  const measured = rows.flatMap(({ length, times }) =>
    staged.flatMap((way) => {
      const own = times[way];
      return own ? [{ length, way, factors: stagesOf[way](2 * length), time: median(own) / channels }] : [];
    }),
  );
  const rates: MachineRates = fitMonarchCost(measured);
  const named = rows.map(({ length }) => {
    const own = measured.filter((one) => one.length === length);
    const least = (value: (one: (typeof own)[number]) => number) =>
      own.reduce((best, one) => (value(one) < value(best) ? one : best)).way;
    return Number(least(({ time }) => time) === least(({ factors }) => monarchCost(factors, rates)));
  });
  return { rates, agreement: average(named) };
}

export function drawConvolutions({ figure }: StudyContext, rows: readonly LengthRow[], channels: number): void {
  const series = (value: (row: LengthRow, way: ConvolutionWay) => number | undefined) =>
    convolutionWays.map((name) => ({
      name,
      points: rows.flatMap((row) => {
        const y = value(row, name);
        return y === undefined ? [] : [{ x: row.length, y }];
      }),
    }));
  const common = { kind: "lines", x: { label: "length", log: true } } as const;
  figure({
    ...common,
    title: "Time of a causal convolution",
    caption: `Two signals of ${channels} features, each with a kernel of its own; transforms of kernels included; medians of interleaved calls.`,
    y: { label: "milliseconds", log: true },
    series: series(({ times }, way) => times[way] && average(times[way])),
  });
  figure({
    ...common,
    title: "Bytes made on the way",
    caption: "All tensors of the graph together, views left out.",
    y: { label: "bytes", log: true },
    series: series(({ bytes }, way) => bytes[way]).filter(({ points }) => points.length > 0),
  });
}
