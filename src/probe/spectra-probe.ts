/** The probe `spectra`: how many dimensions of each feed-forward layer its activations fill. */
import { activationsOf } from "../models/index.ts";
import { type Figure, fitPowerLaw, type Point } from "../report/index.ts";
import { chosenFfns, layerLabel } from "./layers.ts";
import type { ProbeContext, ProbeResult } from "./probes.ts";
import { type ActivationSpectrum, activationSpectra } from "./spectra.ts";
import { componentsFor } from "./spectrum.ts";
import { NotApplicableError } from "./value-vectors.ts";

/** Activations of a feed-forward layer that have a spectrum. */
export const spectrumPoints = ["hidden", "preactivation", "input", "output"] as const;

export interface SpectraOptions {
  readonly at: (typeof spectrumPoints)[number];
}

/** Fewer tokens for each dimension make ranks too small by more than a tenth. */
const ENOUGH = 10;

/** The probe as the registry has it. */
export async function probeSpectra(context: ProbeContext, { at }: SpectraOptions): Promise<ProbeResult> {
  const { model, params, text, tokens, signal, onProgress } = context;
  const known = activationsOf(model);
  const all = chosenFfns(model, context.layers);
  const places = all.filter(({ path }) => known.has(`${path}.${at}`));
  if (places.length === 0)
    throw new NotApplicableError(
      `spectra: no feed-forward layer shows its ${at}; kinds are ${all.map(({ ffn }) => ffn.kind).join(", ")}`,
    );
  const labels = places.map(layerLabel);
  const spectra = await activationSpectra(
    model,
    params,
    text,
    places.map(({ path }) => `${path}.${at}`),
    {
      tokens,
      ...(signal ? { signal } : {}),
      onProgress: (done, total) => onProgress?.({ done, total, stage: "covariances", unit: "tokens" }),
      onSpectrum: (done, total) => onProgress?.({ done, total, stage: "eigenvalues", unit: "layers" }),
    },
  );
  return {
    summary: {
      kind: "table",
      title: `Ranks of ${at === "hidden" ? "hidden units" : `the ${at}`} by layer`,
      caption: `${(spectra[0] as ActivationSpectrum).count.toLocaleString("en")} tokens, the mean taken off. Hard rank: participation ratio of the eigenvalues of the covariance; soft rank: exponential of their entropy; utilizations: these over the width; concentration: Gini coefficient of the eigenvalues; index: harmonic mean of the utilizations. Raw: without taking the mean off.`,
      columns: [
        "layer",
        "width",
        "hard rank",
        "soft rank",
        "hard utilization, %",
        "soft utilization, %",
        "concentration",
        "utilization index, %",
        "components for 95 %",
        "hard rank, raw",
      ],
      rows: spectra.map(({ scores, rawHardRank, eigenvalues }, i) => [
        labels[i] as string,
        scores.width,
        shown(scores.hardRank),
        shown(scores.softRank),
        shown(100 * scores.hardUtilization),
        shown(100 * scores.softUtilization),
        shown(scores.concentration),
        shown(100 * scores.utilizationIndex),
        componentsFor(eigenvalues, 0.95),
        shown(rawHardRank),
      ]),
    },
    notes: [...sampleNotes(spectra), ...lawNotes(spectra)],
    figures: figuresOf(spectra, labels),
    data: spectra.map(({ name, count, scores, rawHardRank, eigenvalues }) => ({
      activation: name,
      tokens: count,
      ...scores,
      components95: componentsFor(eigenvalues, 0.95),
      rawHardRank,
    })),
    arrays: Object.fromEntries(
      spectra.map(({ name, eigenvalues }) => [
        `${name}.eigenvalues`,
        { dtype: "F64" as const, shape: [eigenvalues.length], data: eigenvalues },
      ]),
    ),
  };
}

const shown = (value: number): number => Number(value.toPrecision(4));

function sampleNotes(spectra: readonly ActivationSpectrum[]): readonly string[] {
  const short = spectra.filter(({ count, scores }) => count < ENOUGH * scores.width);
  if (short.length === 0) return [];
  const need = ENOUGH * Math.max(...short.map(({ scores }) => scores.width));
  return [
    `There are fewer than ${ENOUGH} tokens for each dimension of ${short.length} of ${spectra.length} layers, which makes their ranks too small; --tokens ${need} is enough.`,
  ];
}

/** Power laws of the ranks, where layers differ in width, as after surgery. */
function lawNotes(spectra: readonly ActivationSpectrum[]): readonly string[] {
  const points = (rank: "hardRank" | "softRank") => spectra.map(({ scores }) => ({ x: scores.width, y: scores[rank] }));
  if (new Set(spectra.map(({ scores }) => scores.width)).size < 3) return [];
  return (["softRank", "hardRank"] as const).map((rank) => {
    const { exponent, rSquared } = fitPowerLaw(points(rank));
    return `Over the layers the ${rank === "softRank" ? "soft" : "hard"} rank grows as the width to the power of ${exponent.toFixed(2)} (R² ${rSquared.toFixed(2)}).`;
  });
}

function figuresOf(spectra: readonly ActivationSpectrum[], labels: readonly string[]): readonly Figure[] {
  const utilization = (name: string, fn: (spectrum: ActivationSpectrum) => number) => ({
    name,
    points: spectra.map((spectrum, i): Point => ({ x: i, y: 100 * fn(spectrum) })),
  });
  return [
    {
      kind: "lines",
      title: "Shares of the variance by component",
      caption: "From the component with the most variance; a straight line is a power law.",
      x: { label: "component", log: true },
      y: { label: "% of the variance", log: true },
      series: spectra.map(({ eigenvalues }, i) => ({ name: `layer ${labels[i]}`, points: decayOf(eigenvalues) })),
    },
    {
      kind: "lines",
      title: "Utilization by depth",
      x: { label: "feed-forward layer, in order" },
      y: { label: "% of the width" },
      series: [
        utilization("soft", ({ scores }) => scores.softUtilization),
        utilization("hard", ({ scores }) => scores.hardUtilization),
        utilization("hard, raw", ({ rawHardRank, scores }) => rawHardRank / scores.width),
      ],
    },
  ];
}

/** What is less than this share of the variance says more of rounding than of the model. */
const LEAST = 1e-9;

/** Shares of the variance in percent, at as many components as a logarithmic axis shows. */
export function decayOf(eigenvalues: Float64Array, most = 60): readonly Point[] {
  const total = eigenvalues.reduce((sum, v) => sum + v, 0);
  const ranks = new Set(Array.from({ length: most }, (_, i) => Math.round(eigenvalues.length ** (i / (most - 1)))));
  return [...ranks]
    .map((rank) => ({ x: rank, y: (100 * (eigenvalues[rank - 1] as number)) / total }))
    .filter(({ y }) => y > 100 * LEAST);
}
