/** Paper 27: sparse Walsh-Hadamard transforms from few samples, with and without noise, beside the full transform. */
import { exactly, fitPowerLaw, measured, paper, speedMeasurement, spread } from "../report/index.ts";
import { findsGraph, type Shares, tryOften } from "./sparse-signals.ts";
import {
  byNoise,
  noisySlope,
  sharesByLoad,
  sizes,
  THRESHOLD,
  type Timed,
  timesByLength,
  transition,
} from "./spright-trials.ts";

export default paper({
  number: 27,
  slug: "spright",
  title: "SPRIGHT: A Fast and Robust Framework for Sparse Walsh-Hadamard Transform",
  year: 2015,
  source: "Li, Bradley, Pawar, Ramchandran; arXiv:1508.06336",
  abstract:
    "A signal of N samples whose Walsh-Hadamard spectrum has only K coefficients is known from few samples. Small transforms of subsampled signals sum the spectrum into bins, shifts tell the index of a coefficient that is alone in its bin, and peeling finds the others. Noise costs a constant factor only: samples stay of order K·log N, time of order K·log² N.",
  claims: {
    requests: {
      what: "samples asked for at N = 2^18 with 2^6 bins in each of three groups",
      figure: 3 * 2 ** 6 * 19,
      unit: "",
      direction: "equals",
      where: "design without noise: 3·2^(n/3)·(n + 1)",
    },
    threshold: {
      what: "coefficients for each bin at which half of the spectra are found, longest signals",
      figure: THRESHOLD,
      unit: "",
      direction: "equals",
      tolerance: 0.1 * THRESHOLD,
      where: "density evolution for three groups: 2.455; our tolerance of 10 %",
    },
    below: {
      what: "spectra found exactly at 80 % of that, longest signals",
      figure: 95,
      unit: "%",
      direction: "atLeast",
      where: "our bound on: with high probability",
    },
    admitted: {
      what: "spectra that were not found whose transform says that bins are left, without noise",
      figure: 100,
      unit: "%",
      direction: "atLeast",
      where: "our bound: no wrong answer goes unnoticed",
    },
    difference: {
      what: "largest difference of coefficients from the full transform's",
      figure: 1e-9,
      unit: "",
      direction: "atMost",
      where: "our bound on: exact without noise",
    },
    samples: {
      what: "exponent of different samples against K·log N, without noise",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.1,
      where: "abstract: O(K log N) samples",
    },
    samplesInNoise: {
      what: "exponent of different samples against K·log N, at 10 dB",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.15,
      where: "abstract: the same order in noise",
    },
    time: {
      what: "exponent of time against K·log² N, without noise",
      figure: 1,
      unit: "",
      direction: "atMost",
      tolerance: 0.1,
      where: "abstract: O(K log² N) time",
    },
    speed: {
      what: "time of the full transform over that of the sparse one, longest signals",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "our question: from which length it pays",
    },
    noise: {
      what: "different samples that the strongest noise needs, over all samples",
      figure: 50,
      unit: "%",
      direction: "atMost",
      where: "our bound, at -5 dB and N = 2^22",
    },
    noiseFound: {
      what: "supports found exactly in the strongest noise with these",
      figure: 95,
      unit: "%",
      direction: "atLeast",
      where: "our bound on: with high probability",
    },
    graphs: {
      what: "weighted graphs of 20 vertices whose 48 edges are all found from queries of the cut function",
      figure: 95,
      unit: "%",
      direction: "atLeast",
      where: "application named in the introduction: learning hypergraphs and graphs",
    },
  },
  seeds: { smoke: 2, small: 3, full: 5 },
  async run(context) {
    const { bits, loads, noisy, graphs } = sizes[context.scale];
    const shares = await sharesByLoad(context);
    const longest = shares.get(bits.at(-1) as number) ?? [];
    const safe = loads.findLastIndex((load) => load <= 0.8 * THRESHOLD);
    const times = await timesByLength(context);
    const last = times.at(-1) as (typeof times)[number];
    const noises = await byNoise(context);
    const strongest = noises.at(-1) as (typeof noises)[number];
    const slopeOf = (values: (row: Timed) => number, against: (row: Timed) => number) =>
      fitPowerLaw(times.map((row) => ({ x: against(row), y: values(row) }))).exponent;
    const graphShares = async (shuffled: boolean) =>
      context.overSeeds((seed) =>
        context.remember(`graphs, ${shuffled ? "shuffled" : "in order"}, seed ${seed}`, async () => {
          let found = 0;
          for (let i = 0; i < graphs; i++)
            if (await findsGraph(1000 * seed + i, { vertices: 20, edges: 48, binBits: 6, shuffled })) found++;
          return (100 * found) / graphs;
        }),
      );
    const byOrder = measured(await graphShares(false));
    context.note(
      `Cut functions have spectra whose indices are pairs of vertices. Groups of neighbouring bits, as in the design without noise, find all edges of ${byOrder.mean.toFixed(0)} % of the graphs; the claim is measured with random groups.`,
    );
    context.note(
      "The index of a coefficient in noise is decoded from sums of products under neighbouring shifts instead of a vote of their signs, and the thresholds follow from the number of independent noise samples of a bin; both are ours.",
    );
    const distinctSlopes = longest.map((_, seed) => {
      const first = (n: number) => ((shares.get(n) as typeof longest)[seed] as readonly Shares[])[0] as Shares;
      return fitPowerLaw(bits.map((n) => ({ x: 2 ** (n / 3) * n, y: first(n).distinct }))).exponent;
    });
    const lost = longest.flat().filter(({ found }) => found < 1);
    return {
      requests: exactly((await tryOften({ seed: 0, trials: 1, bits: 18, binBits: 6, count: 8 })).requests),
      threshold: spread(longest, (one) => transition(loads, one)),
      below: spread(longest, (one) => 100 * (one[safe] as Shares).found),
      admitted: exactly(lost.every(({ found, complete }) => complete <= found) ? 100 : 0),
      difference: exactly(Math.max(...times.map(({ difference }) => difference))),
      samples: measured(distinctSlopes),
      samplesInNoise: await noisySlope(context),
      time: measured(
        last.sparse.map((_, round) =>
          slopeOf(
            (row) => row.sparse[round] as number,
            ({ bits: n, count }) => count * n ** 2,
          ),
        ),
      ),
      speed: speedMeasurement(last.full, last.sparse),
      noise: spread(strongest.outcomes, ({ distinct }) => (100 * distinct) / 2 ** noisy.bits),
      noiseFound: spread(strongest.outcomes, ({ found }) => 100 * found),
      graphs: measured(await graphShares(true)),
    };
  },
});
