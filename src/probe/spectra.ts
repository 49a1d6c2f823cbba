/** Spectra of the activations of a model on real text, layer by layer. */
import { nextTurn } from "#platform";
import type { TokenFile } from "../data/index.ts";
import { activationsOf, type Decoder, type DecoderParams } from "../models/index.ts";
import { covarianceOf, type Moments, momentsOf } from "./covariance.ts";
import { symmetricEigenvalues } from "./eigenvalues.ts";
import { type OverTextOptions, type SeenText, totalOverText } from "./record.ts";
import { participationRatioOf, type SpectralScores, spectralScores } from "./spectrum.ts";

/** The spectrum of one activation over the tokens of a text. */
export interface ActivationSpectrum {
  /** Of the activation, such as `blocks.0.ffn.hidden`. */
  readonly name: string;
  /** Tokens that it was measured on. */
  readonly count: number;
  /** Of the covariance. */
  readonly scores: SpectralScores;
  /** Hard rank of the mean of products, from which the mean is not taken. */
  readonly rawHardRank: number;
  /** Eigenvalues of the covariance, from the largest. */
  readonly eigenvalues: Float64Array;
}

export interface ActivationSpectraOptions extends OverTextOptions {
  /** Called after the eigenvalues of each activation with the activations that are done. */
  readonly onSpectrum?: (done: number, total: number) => void;
}

/** Sums of products that are gathered in one pass over the text, in numbers: half a gibibyte of them. */
const MOST = 2 ** 26;

/**
 * Spectra of activations `[batch, time, width]` by name. Passes over the text once, or more often where the sums of
 * products of all layers would not fit memory. Tokens should be ten times the width of the widest; throws one sentence if
 * they are fewer than the width, or an activation does not vary.
 * Source: arXiv:2510.00537.
 */
export async function activationSpectra(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  names: readonly string[],
  { onSpectrum, ...options }: ActivationSpectraOptions = {},
): Promise<readonly ActivationSpectrum[]> {
  const spectra: ActivationSpectrum[] = [];
  for (const group of groupsOf(model, names)) {
    const measure = ({ activations }: SeenText) =>
      Object.fromEntries(group.map((name) => [name, momentsOf(activations[name] as SeenText["tokens"])]));
    const totals: { readonly [name: string]: Moments } = await totalOverText(
      model,
      params,
      text,
      group,
      measure,
      options,
    );
    for (const name of group) {
      options.signal?.throwIfAborted();
      spectra.push(spectrumOf(name, totals[name] as Moments));
      onSpectrum?.(spectra.length, names.length);
      // Eigenvalues keep the processor to themselves: a moment for Ctrl-C to arrive.
      await nextTurn();
    }
  }
  return spectra;
}

function spectrumOf(name: string, moments: Moments): ActivationSpectrum {
  const { matrix, width, count } = covarianceOf(moments, { name });
  const eigenvalues = symmetricEigenvalues(matrix, width);
  const raw = covarianceOf(moments, { name, centred: false });
  return {
    name,
    count,
    scores: spectralScores(eigenvalues),
    rawHardRank: participationRatioOf(raw.matrix, width),
    eigenvalues,
  };
}

/** Names in order, cut into groups whose sums fit memory together. */
function groupsOf(model: Decoder, names: readonly string[]): readonly (readonly string[])[] {
  const shapes = activationsOf(model);
  const groups: string[][] = [];
  let held = 0;
  for (const name of names) {
    const products = (shapes.get(name)?.at(-1) ?? 0) ** 2;
    if (groups.length === 0 || held + products > MOST) {
      groups.push([]);
      held = 0;
    }
    groups.at(-1)?.push(name);
    held += products;
  }
  return groups;
}

/** Names of the hidden units that the last map of each feed-forward sublayer reads. */
export const hiddenUnits = (model: Decoder): readonly string[] =>
  [...activationsOf(model).keys()].filter((name) => /\.ffn\d*\.hidden$/.test(name));
