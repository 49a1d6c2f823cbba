/** Paper 38: long convolutions by Fourier transforms that are short chains of small matrix products. */
import { exactly, measured, paper, type Scale, withoutSpread } from "../report/index.ts";
import {
  type ConvolutionTimesOptions,
  convolutionTimes,
  drawConvolutions,
  fitCosts,
  timeRatio,
} from "./convolution-times.ts";
import {
  causalError,
  convolutionOperations,
  maskError,
  transformError,
  transformOperations,
} from "./monarch-identities.ts";
import { shortenedBy, shortenFilters } from "./shortened-filters.ts";

interface Setting extends ConvolutionTimesOptions {
  /** The lengths of single comparisons, of those that are timed. */
  readonly short: number;
  readonly long: number;
}

const settings: Readonly<Record<Scale, Setting>> = {
  smoke: { lengths: [128, 512], directTo: 128, denseTo: 128, channels: 2, calls: 1, short: 128, long: 512 },
  small: {
    lengths: [128, 256, 512, 1024, 2048, 4096, 8192, 16_384],
    ...{ directTo: 4096, denseTo: 1024, channels: 16, calls: 3, short: 1024, long: 16_384 },
  },
  full: {
    lengths: [128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768],
    ...{ directTo: 8192, denseTo: 2048, channels: 64, calls: 5, short: 1024, long: 32_768 },
  },
};

export default paper({
  number: 38,
  slug: "flash-fft-conv",
  title: "FlashFFTConv: Efficient Convolutions for Long Sequences with Tensor Cores",
  year: 2023,
  source: "Fu, Kumbong, Nguyen, Ré; arXiv:2311.05908",
  abstract:
    "A convolution with a filter as long as its signal is cheapest by Fourier transforms, but common ones use matrix units badly. Here a transform is a chain of two to four products with small dense matrices (a Monarch decomposition), which matrix units do fast, and whose parts fuse into one kernel. Leaving out blocks of these products gives convolutions with short filters and with few frequencies, which trained models hardly miss.",
  claims: {
    dense: {
      what: "operations of one dense transform of 4,096 complex points, in the graph",
      figure: 134_217_728,
      unit: "",
      direction: "equals",
      where: "definition: 8·N²",
    },
    order2: {
      what: "operations of the same in two stages of 64",
      figure: 4_194_304,
      unit: "",
      direction: "equals",
      where: "definition: 8·N·ΣNᵢ",
    },
    order3: {
      what: "operations of the same in three stages of 16",
      figure: 1_572_864,
      unit: "",
      direction: "equals",
      where: "definition: 8·N·ΣNᵢ",
    },
    convolution: {
      what: "operations of a convolution of 4,096 complex points in three stages of 16",
      figure: 3_145_728,
      unit: "",
      direction: "equals",
      where: "section on the cost model: 16·N·ΣNᵢ",
    },
    skipped: {
      what: "share of the operations that is left in stages of 64 when half of the frequencies is kept",
      figure: 0.75,
      unit: "",
      direction: "equals",
      where: "definition: the blocks of one of two stages are half as many",
    },
    transform: {
      what: "relative error of transforms in two, three and four stages against one in double precision",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition",
    },
    causal: {
      what: "difference of a convolution in three stages from the causal sum, an impulse at the last position included",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-4,
      where: "definition",
    },
    mask: {
      what: "difference of a convolution with skipped blocks from one with a masked spectrum, double precision",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-6,
      where: "section on frequency-sparse convolutions",
    },
    direct: {
      what: "time of direct sums over that of two stages, 1,024 positions",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "our bound: faster from there on",
    },
    denseTime: {
      what: "time of one dense transform over that of two stages, 1,024 positions",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "our bound: faster from there on",
    },
    host: {
      what: "time of a fast transform in plain JavaScript over that of two stages, the longest signals",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "abstract: faster than common transforms; the peer is ours",
    },
    partial: {
      what: "time of whole filters over that of filters with a sixteenth of the taps, the longest signals",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "abstract: partial convolutions save work",
    },
    agreement: {
      what: "share of lengths whose fastest number of stages the fitted cost model names",
      figure: 0.75,
      unit: "",
      direction: "atLeast",
      where: "section on the cost model; the bound is ours",
    },
    quarterTaps: {
      what: "change of test loss with the first quarter of the taps, without training",
      figure: 0.01,
      unit: "nats",
      direction: "atMost",
      where: "table on partial convolutions: little is lost; the bound is ours",
    },
    oneTap: {
      what: "change of test loss with the first tap alone, without training",
      figure: 0.05,
      unit: "nats",
      direction: "atLeast",
      where: "our contrast: without filters no byte sees another",
    },
    halfFrequencies: {
      what: "change of test loss with the lower half of the frequencies, without training, as in the paper",
      figure: 0.01,
      unit: "nats",
      direction: "atMost",
      where: "table on frequency-sparse convolutions: nothing is lost; the bound is ours",
    },
    halfCausal: {
      what: "the same with filters that stay causal",
      figure: 0.01,
      unit: "nats",
      direction: "atMost",
      where: "our control",
    },
    fewFrequencies: {
      what: "change of test loss with the lowest twentieth of the frequencies, filters that stay causal",
      figure: 0.05,
      unit: "nats",
      direction: "atLeast",
      where: "our contrast: beyond 90 % of zeros it must show",
    },
    leak: {
      what: "largest change of a logit before the text changes, half of the frequencies as in the paper",
      figure: 1e-3,
      unit: "",
      direction: "atMost",
      where: "our question: is the frequency-sparse convolution still causal",
    },
  },
  seeds: { smoke: 1, small: 3, full: 3 },
  next: ["show fft-net", "run fft-net --scale small"],
  async run(context) {
    const setting = settings[context.scale];
    const { channels, short, long } = setting;
    const cubes = [16, 16, 16];
    const squares = [64, 64];
    const identities = {
      dense: exactly(transformOperations([4096])),
      order2: exactly(transformOperations(squares)),
      order3: exactly(transformOperations(cubes)),
      convolution: exactly(convolutionOperations({ factors: cubes })),
      skipped: exactly(
        convolutionOperations({ factors: squares, kept: 32 }) / convolutionOperations({ factors: squares }),
      ),
      transform: exactly(await transformError()),
      causal: exactly(await causalError()),
      mask: exactly(await maskError()),
    };
    const rows = await convolutionTimes(setting, context);
    drawConvolutions(context, rows, channels);
    const { rates, agreement } = fitCosts(rows, channels);
    const found = await shortenFilters(context);
    const rate = (perMillisecond: number, unit: string): string =>
      Number.isFinite(perMillisecond) ? `${(perMillisecond / 1e6).toPrecision(2)} ${unit}` : "no visible share";
    context.note(
      `The cost model, fitted to all timed transforms in one to three stages: ${rate(rates.operations, "GFLOP/s")} of products and ${rate(rates.floats, "billion floats/s")} of memory. It counts whole signals, while the first and the last stage here skip the half that is zeros. Nothing fuses on this runtime: every stage goes through memory, so what the paper gains by fusion is not measured.`,
    );
    context.note(
      "A filter with few frequencies, its spectrum cut as in the paper, also reaches before its first tap: the convolution is not strictly causal any more, and a language model sees later bytes a little. The control takes the frequencies from the filters instead and drops what reaches back; it keeps causality but skips no work. Filters begin with a jump at their first tap, whose spectrum falls off slowly: without the high frequencies it is the nearest bytes that blur.",
    );
    return {
      ...identities,
      direct: measured(timeRatio(rows, short, "direct sums", "two stages")),
      denseTime: measured(timeRatio(rows, short, "dense transform", "two stages")),
      host: measured(timeRatio(rows, long, "JavaScript FFT", "two stages")),
      partial: measured(timeRatio(rows, long, "tuned two stages", "a sixteenth of the taps")),
      agreement: withoutSpread(context.seeds, agreement, "one fit to one set of times"),
      quarterTaps: measured(shortenedBy(found, "taps", 1 / 4)),
      oneTap: measured(shortenedBy(found, "taps", 0)),
      halfFrequencies: measured(shortenedBy(found, "convolution frequencies", 0.5)),
      halfCausal: measured(shortenedBy(found, "filter frequencies", 0.5)),
      fewFrequencies: measured(shortenedBy(found, "filter frequencies", 0.05)),
      leak: measured(found.map(({ leak }) => leak)),
    };
  },
});
