/** Paper 72: angular power spectra on the flat sky, beside the full sky and Limber's approximation. */
import { exactly, measured, paper } from "../report/index.ts";
import {
  type Compared,
  compareAll,
  comparisonFigures,
  convergence,
  errorOf,
  large,
  smaller,
  type Way,
  worst,
} from "./angular-comparison.ts";

export default paper({
  number: 72,
  slug: "flat-sky-spectra",
  title: "Flat-sky Angular Power Spectra Revisited",
  year: 2023,
  source: "Gao, Vlah, Challinor; arXiv:2307.13768",
  abstract:
    "Angular power spectra of projected fields are usually computed by Limber's approximation, which drops the modes along the line of sight, or by integrals of products of Bessel functions. On the flat sky these modes can be kept: the power spectrum is expanded in complex power laws, for each of which they sum up in closed form. The result is within percents of the full sky on large scales and closer on smaller ones, for wide and narrow windows, at equal and unequal times, for clustering and lensing.",
  claims: {
    large: {
      what: "largest error of the flat sky, degrees 2 to 10, windows at equal distances",
      figure: 1,
      unit: "%",
      direction: "atMost",
      where: "abstract: percent agreement on large scales",
    },
    smaller: {
      what: "largest error of the flat sky, degrees from 20, windows at equal distances",
      figure: 1,
      unit: "%",
      direction: "atMost",
      where: "abstract: sub-percent on intermediate and small scales",
    },
    unequal: {
      what: "largest error of the flat sky, all degrees, windows two widths apart",
      figure: 1,
      unit: "%",
      direction: "atMost",
      where: "abstract: unequal times",
    },
    lensingLarge: {
      what: "largest error of the flat sky, degrees 2 to 10, lensing",
      figure: 1,
      unit: "%",
      direction: "atMost",
      where: "abstract: percent agreement on large scales, for lensing too",
    },
    lensingSmaller: {
      what: "largest error of the flat sky, degrees from 20, lensing",
      figure: 1,
      unit: "%",
      direction: "atMost",
      where: "abstract: sub-percent on intermediate and small scales",
    },
    limber: {
      what: "largest error of Limber over that of the flat sky, degrees 2 to 10, windows at equal distances",
      figure: 10,
      unit: "x",
      direction: "atLeast",
      where: "our bound on: better than Limber for wide and narrow windows",
    },
    limberLensing: {
      what: "largest error of Limber over that of the flat sky, degrees 2 to 10, lensing",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "abstract: better than Limber",
    },
    separation: {
      what: "largest error with differences of distances over that with logarithms, all pairs of windows",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "our question: logarithms are exact for P = 1/k²",
    },
    settled: {
      what: "largest change of the flat sky with another bias, range and grid of the power laws",
      figure: 0.1,
      unit: "%",
      direction: "atMost",
      where: "our bound on: the expansion does not matter",
    },
    reference: {
      what: "largest change of the full sky with twice the wavenumbers and points",
      figure: 0.01,
      unit: "%",
      direction: "atMost",
      where: "our bound on: the reference is exact",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  async run(context) {
    const runs = await context.overSeeds((seed) => compareAll(context, seed));
    const first = runs[0] as Compared[];
    for (const figure of comparisonFigures(first)) context.figure(figure);
    const [settled, reference] = await context.remember("settled", () => convergence(context.scale));
    const any = () => true;
    const error = (way: Way, kinds: readonly Compared["kind"][], isMeant: (degree: number) => boolean) =>
      measured(runs.map((results) => worst(results, way, kinds, isMeant)));
    const over = (
      [above, below]: readonly [Way, Way],
      kinds: readonly Compared["kind"][],
      isMeant: (degree: number) => boolean,
    ) => measured(runs.map((results) => worst(results, above, kinds, isMeant) / worst(results, below, kinds, isMeant)));
    context.note(
      "The linear power spectrum is the fitting formula of Eisenstein and Hu, which the tests hold against a Boltzmann code's table (within 5 %). Seeds are cosmologies: matter, baryons, expansion and tilt are drawn around the observed ones. The figures show the first.",
    );
    const lensing = first.at(-1) as Compared;
    context.note(
      `Lensing is the convergence as half the curvature of the potential on the sphere against the flat form with the density: at degree ${lensing.degrees[0]} the flat form is ${errorOf(lensing, "flat", 0).toPrecision(3)} % off with logarithms of distances, ${errorOf(lensing, "difference", 0).toPrecision(3)} % with differences, and Limber ${errorOf(lensing, "limber", 0).toPrecision(3)} %.`,
    );
    return {
      large: error("flat", ["equal"], large),
      smaller: error("flat", ["equal"], smaller),
      unequal: error("flat", ["unequal"], any),
      lensingLarge: error("flat", ["lensing"], large),
      lensingSmaller: error("flat", ["lensing"], smaller),
      limber: over(["limber", "flat"], ["equal"], large),
      limberLensing: over(["limber", "flat"], ["lensing"], large),
      separation: over(["difference", "flat"], ["equal", "unequal"], any),
      settled: exactly(settled),
      reference: exactly(reference),
    };
  },
});
