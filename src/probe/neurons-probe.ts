/** The probe `neurons`: dead units, detectors of tokens and n-grams, positional units, layer by layer. */
import { evaluate } from "../array/index.ts";
import type { TensorToWrite } from "../models/index.ts";
import type { LinePlot, Point, Table } from "../report/index.ts";
import { type Activity, countActivity } from "./activity.ts";
import {
  type Detector,
  detectedTokens,
  ngramDetectors,
  type Suppression,
  tokenDetectors,
  triggerSuppression,
} from "./detectors.ts";
import { chosenFfns, layerLabel } from "./layers.ts";
import {
  deadNeurons,
  frequencies,
  informationBias,
  type PositionalKind,
  positionalInformation,
  positionalKind,
  positionFrequencies,
  ruleOfThree,
} from "./neurons.ts";
import type { ProbeContext, ProbeResult } from "./probes.ts";
import { valueVectorLogits } from "./value-vectors.ts";

/** So many nats of information on the position, above what chance gives, make a unit positional. Source: Voita et al. 2023. */
export const POSITIONAL = 0.05;
/** Rarer units than this are asked for n-grams: a number is kept for each of their activations. */
const RARE = 0.01;

export interface NeuronOptions {
  /** For units that are never off; see `ActivityOptions`. */
  readonly threshold?: number | undefined;
  /** Tokens that a detector may have at most. */
  readonly triggers: number;
  /** The longest n-grams that rare units are asked for; 1 for none. */
  readonly ngrams: number;
}

/** What was found in one layer. */
export interface LayerNeurons {
  readonly activity: Activity;
  readonly dead: readonly number[];
  readonly frequency: Float64Array;
  /** Information on the position of each unit, in nats. */
  readonly information: Float64Array;
  readonly positional: readonly { readonly unit: number; readonly nats: number; readonly kind: PositionalKind }[];
  readonly detectors: readonly Detector[];
  /** Tokens that are detected here and in no earlier layer that was looked at. */
  readonly newTokens: number;
  readonly suppression: Suppression;
  /** Units that n-grams of each length explain, from 2 on. */
  readonly ngrams: readonly (readonly Detector[])[];
}

/** Looks at the units of the feed-forward layers. */
export async function analyzeNeurons(context: ProbeContext, options: NeuronOptions): Promise<readonly LayerNeurons[]> {
  const { model, params, text, tokens, signal, onProgress } = context;
  const places = chosenFfns(model, context.layers);
  const overText = {
    tokens,
    ...(signal ? { signal } : {}),
    ...(options.threshold === undefined ? {} : { threshold: options.threshold }),
  };
  const follow = (stage: string) => ({
    ...overText,
    onProgress: (done: number, total: number) => onProgress?.({ done, total, stage, unit: "tokens" }),
  });
  const counted = await countActivity(model, params, text, places, follow("counting activations"));
  const seen = new Set<number>();
  const layers: Omit<LayerNeurons, "ngrams">[] = [];
  for (const activity of counted) {
    signal?.throwIfAborted();
    const detectors = tokenDetectors(activity, { most: options.triggers });
    const own = detectedTokens(detectors);
    const newTokens = [...own].filter((token) => !seen.has(token)).length;
    for (const token of own) seen.add(token);
    layers.push({
      activity,
      detectors,
      newTokens,
      dead: deadNeurons(activity),
      frequency: frequencies(activity),
      ...positionalUnits(activity),
      suppression: await suppressionOf(context, activity, detectors),
    });
  }
  const candidates = layers.map(({ activity, detectors, frequency }) => {
    const known = new Set(detectors.map(({ unit }) => unit));
    const units = Array.from(frequency).flatMap((f, unit) => (f > 0 && f < RARE && !known.has(unit) ? [unit] : []));
    return { place: activity.place, units };
  });
  const ngrams: (readonly (readonly Detector[])[])[] = [];
  if (candidates.some(({ units }) => units.length > 0))
    for (let length = 2; length <= options.ngrams; length++)
      ngrams.push(
        await ngramDetectors(model, params, text, candidates, { length, ...follow(`sequences of ${length} tokens`) }),
      );
  return layers.map((layer, i) => ({ ...layer, ngrams: ngrams.map((found) => found[i] ?? []) }));
}

function positionalUnits(activity: Activity): Pick<LayerNeurons, "information" | "positional"> {
  const information = Float64Array.from({ length: activity.units }, (_, unit) =>
    positionalInformation(positionFrequencies(activity, unit)),
  );
  const bound = POSITIONAL + informationBias(activity.byPosition.length / activity.units - 1, activity.tokens);
  const positional = Array.from(information).flatMap((nats, unit) =>
    nats > bound ? [{ unit, nats, kind: positionalKind(positionFrequencies(activity, unit)) }] : [],
  );
  return { information, positional: positional.sort((a, b) => b.nats - a.nats) };
}

async function suppressionOf(
  { model, params }: ProbeContext,
  { place }: Activity,
  detectors: readonly Detector[],
): Promise<Suppression> {
  if (detectors.length === 0) return { own: [], control: [] };
  const logits = await evaluate(valueVectorLogits(model.config, params, place));
  return triggerSuppression(logits.data as Float32Array, model.config.vocabulary, detectors);
}

const percent = (part: number, whole: number): number => Number(((100 * part) / whole).toFixed(2));

/** The probe as the registry has it. */
export async function probeNeurons(context: ProbeContext, options: NeuronOptions): Promise<ProbeResult> {
  const layers = await analyzeNeurons(context, options);
  const decode = (trigger: readonly number[]): string => context.tokenizer.decode(trigger);
  return {
    summary: summaryOf(layers, options.ngrams > 1),
    notes: [
      `Information on the position is estimated too high by up to ${biasOf(layers[0] as LayerNeurons).toExponential(1)} nats.`,
    ],
    figures: [frequencyPlot(layers), positionalPlot(layers), detectorTable(layers, decode)],
    data: layers.map((layer) => dataOf(layer, decode)),
    arrays: Object.fromEntries(layers.flatMap(arraysOf)),
  };
}

type Decode = (tokens: readonly number[]) => string;

const label = ({ activity }: LayerNeurons): string => layerLabel(activity.place);
const activeShare = ({ frequency }: LayerNeurons): number =>
  frequency.reduce((sum, f) => sum + f, 0) / frequency.length;
const biasOf = ({ activity: { byPosition, units, tokens } }: LayerNeurons): number =>
  informationBias(byPosition.length / units - 1, tokens);

function summaryOf(layers: readonly LayerNeurons[], withNgrams: boolean): Table {
  const { tokens } = (layers[0] as LayerNeurons).activity;
  const lowered = ({ own, control }: Suppression): number => own.filter((p, i) => p < (control[i] as number)).length;
  return {
    kind: "table",
    title: "Units by layer",
    caption: `${tokens.toLocaleString("en")} tokens. A unit is dead if it was never active: rarer than ${ruleOfThree(tokens).toExponential(1)} at 95 % confidence. Triggers lowered: detectors whose value vector ranks their own tokens below where other units of the layer rank them. Positional: more than ${POSITIONAL} nats on the position above what chance gives.`,
    columns: [
      ...["layer", "units", "dead, %", "active for a token, %", "token detectors", "tokens detected", "of these new"],
      ...["triggers lowered", ...(withNgrams ? ["n-gram detectors"] : []), "positional"],
    ],
    rows: layers.map((layer) => [
      label(layer),
      layer.activity.units,
      percent(layer.dead.length, layer.activity.units),
      percent(activeShare(layer), 1),
      layer.detectors.length,
      detectedTokens(layer.detectors).size,
      layer.newTokens,
      layer.detectors.length === 0 ? "" : `${lowered(layer.suppression)} of ${layer.detectors.length}`,
      ...(withNgrams ? [layer.ngrams.reduce((sum, found) => sum + found.length, 0)] : []),
      layer.positional.length,
    ]),
  };
}

const frequencyPlot = (layers: readonly LayerNeurons[]): LinePlot => ({
  kind: "lines",
  title: "How often units are active",
  caption: "Units of a layer in order of their frequency; dead units are left out.",
  x: { label: "% of the units of the layer" },
  y: { label: "% of tokens", log: true },
  series: layers.map((layer) => ({ name: `layer ${label(layer)}`, points: quantiles(layer.frequency) })),
});

const positionalPlot = (layers: readonly LayerNeurons[]): LinePlot => ({
  kind: "lines",
  title: "Positional units",
  caption: "Frequency by position of the units that know most of it, from position 1 on, in groups of positions.",
  x: { label: "position" },
  y: { label: "% of tokens" },
  series: layers
    .flatMap((layer) => layer.positional.map((unit) => ({ layer, ...unit })))
    .sort((a, b) => b.nats - a.nats)
    .slice(0, 6)
    .map(({ layer, unit, nats }) => ({
      name: `layer ${label(layer)}, unit ${unit} (${nats.toFixed(2)} nats)`,
      points: grouped(positionFrequencies(layer.activity, unit)),
    })),
});

const detectorTable = (layers: readonly LayerNeurons[], decode: Decode): Table => ({
  kind: "table",
  title: "Token detectors",
  caption:
    "The most active ones. Standing: where the triggers stand among the logits of the unit's value vector, from 0 (lowest) to 100; beside it the same for units that are no detectors.",
  columns: ["layer", "unit", "activations", "covered, %", "triggers", "standing", "others"],
  rows: layers
    .flatMap((layer) => layer.detectors.map((detector, i) => ({ layer, detector, i })))
    .sort((a, b) => b.detector.activations - a.detector.activations)
    .slice(0, 40)
    .map(({ layer, detector, i }) => [
      label(layer),
      `${detector.unit}`,
      detector.activations,
      percent(detector.covered, 1),
      detector.triggers.map((trigger) => JSON.stringify(decode(trigger))).join(" "),
      Number((layer.suppression.own[i] as number).toFixed(1)),
      Number((layer.suppression.control[i] as number).toFixed(1)),
    ]),
});

function dataOf(layer: LayerNeurons, decode: Decode) {
  const { activity, dead, detectors, suppression, ngrams, positional } = layer;
  const withText = (detector: Detector) => ({ ...detector, text: detector.triggers.map(decode) });
  return {
    layer: activity.place.path,
    units: activity.units,
    tokens: activity.tokens,
    dead,
    deadBelow: ruleOfThree(activity.tokens),
    activeShare: activeShare(layer),
    detectors: detectors.map((detector, i) => ({
      ...withText(detector),
      standing: suppression.own[i],
      standingOfOthers: suppression.control[i],
    })),
    ngramDetectors: ngrams.map((found, n) => ({ length: n + 2, units: found.map(withText) })),
    positional,
    informationBias: biasOf(layer),
  };
}

function arraysOf({ activity, information }: LayerNeurons): [string, TensorToWrite][] {
  const { place, units, total, byPosition } = activity;
  const list = (data: Float64Array, ...shape: number[]): TensorToWrite => ({ dtype: "F64", shape, data });
  return [
    [`${place.path}.activations`, list(total, units)],
    [`${place.path}.information`, list(information, units)],
    [`${place.path}.activations_by_position`, list(byPosition, byPosition.length / units, units)],
  ];
}

/** A rising curve of values above 0, as percentages, at 41 of their quantiles. */
function quantiles(values: Float64Array): readonly Point[] {
  const sorted = values.filter((value) => value > 0).sort();
  const last = sorted.length - 1;
  return Array.from({ length: last < 0 ? 0 : 41 }, (_, i) => ({
    x: (100 * i) / 40,
    y: 100 * (sorted[Math.round((i / 40) * last)] as number),
  }));
}

/** Frequencies from position 1 on as percentages, averaged over at most 64 groups of positions. */
function grouped(values: Float64Array): readonly Point[] {
  const size = Math.ceil(values.length / 64);
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) => {
    const part = values.subarray(i * size, (i + 1) * size);
    return { x: 1 + i * size + (part.length - 1) / 2, y: (100 * part.reduce((a, b) => a + b, 0)) / part.length };
  });
}
