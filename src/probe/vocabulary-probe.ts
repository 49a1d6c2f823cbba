/** The probe `vocabulary`: what value vectors say, how much a few of them do, and where predictions settle. */
import { compile, key, normal, type Tensor, topK } from "../array/index.ts";
import type { DecoderParams, FfnPlace } from "../models/index.ts";
import { coherence, type DistributionalVectors, distributionalVectors, shareAbove } from "./coherence.ts";
import { chooseConfidence, exitByConfidence, scoreExit } from "./early-exit.ts";
import { chosenFfns, layerLabel } from "./layers.ts";
import { ffnOfBlocks, predictionTraces, type RecordedPrediction } from "./prediction-traces.ts";
import type { ProbeContext, ProbeResult } from "./probes.ts";
import { valueVectorLogits, vocabularyProjection } from "./value-vectors.ts";
import { saturationLayer } from "./vocabulary.ts";

export interface VocabularyOptions {
  /** Tokens that describe a vector. */
  readonly top: number;
  /** Share of predictions that early exit must leave as they are. */
  readonly agreement: number;
  readonly seed: number;
}

/** The `count` tokens that each value vector of a layer promotes most: int32 `[units, count]`, the most promoted first. */
export async function topTokens(
  { model, params }: Pick<ProbeContext, "model" | "params">,
  place: FfnPlace,
  count: number,
): Promise<Int32Array> {
  const run = compile((weights: DecoderParams) => topOf(valueVectorLogits(model.config, weights, place), count));
  return Int32Array.from((await run(params)).data as ArrayLike<number | bigint>, Number);
}

const topOf = (logits: Tensor, count: number): Tensor => topK(logits, count, { axis: -1 }).indices;

/** The same for vectors drawn from a normal distribution; their length does not matter. */
export async function topTokensOfRandom(
  { model, params }: Pick<ProbeContext, "model" | "params">,
  vectors: number,
  count: number,
  seed: number,
): Promise<Int32Array> {
  const { config } = model;
  const run = compile((weights: DecoderParams) =>
    topOf(vocabularyProjection(config, weights, normal(key(seed), [vectors, config.width])), count),
  );
  return Int32Array.from((await run(params)).data as ArrayLike<number | bigint>, Number);
}

/** The coherence of each list of `count` tokens. */
export const coherences = (vectors: DistributionalVectors, tokens: Int32Array, count: number): readonly number[] =>
  Array.from({ length: tokens.length / count }, (_, row) =>
    coherence(vectors, Array.from(tokens.subarray(row * count, (row + 1) * count))),
  );

/** Random vectors that a layer's are held against. */
const RANDOM = 1000;
/** Predictions that are followed. */
const TRACED = 8192;

const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
const percent = (share: number): number => Number((100 * share).toFixed(1));

/** The probe as the registry has it. */
export async function probeVocabulary(context: ProbeContext, options: VocabularyOptions): Promise<ProbeResult> {
  const { model, params, text, tokens, tokenizer, signal, onProgress } = context;
  const { top, agreement, seed } = options;
  const places = chosenFfns(model, context.layers);
  const stage = (name: string, unit: string) => (done: number, total: number) =>
    onProgress?.({ done, total, stage: name, unit });
  const onLayers = stage("reading value vectors", "layers");
  const company = distributionalVectors(text, { vocabulary: model.config.vocabulary });
  const random = coherences(company, await topTokensOfRandom(context, RANDOM, top, seed), top);
  const layers = [];
  for (const [i, place] of places.entries()) {
    signal?.throwIfAborted();
    onLayers(i, places.length);
    const promoted = await topTokens(context, place, top);
    layers.push({ place, promoted, coherence: coherences(company, promoted, top) });
  }
  onLayers(places.length, places.length);
  const traces = await predictionTraces(model, params, text, {
    tokens,
    every: Math.max(1, Math.floor(tokens / TRACED)),
    ...(signal ? { signal } : {}),
    onProgress: stage("following predictions", "tokens"),
  });
  const blocks = model.config.blocks.length;
  const settledAt = traces.map(({ tops }) => saturationLayer(tops));
  const atBlock = (place: FfnPlace) => lensAt(traces, settledAt, place.block, blocks);
  const half = Math.floor(traces.length / 2);
  const confidence = chooseConfidence(traces.slice(0, half), agreement);
  const exit = scoreExit(exitByConfidence(confidence), traces.slice(half));
  const shown = (units: Int32Array, unit: number): string =>
    Array.from(units.subarray(unit * top, unit * top + 10), (token) => JSON.stringify(tokenizer.decode([token]))).join(
      " ",
    );
  const last = new Set(ffnOfBlocks(model).map(({ path }) => path));
  return {
    summary: {
      kind: "table",
      title: "Value vectors by layer",
      caption: `Coherent: value vectors whose ${top} most promoted tokens keep closer company in the text than those of 95 % of random vectors. Ten largest: share of |coefficient|·length that a token's ten largest sub-updates have. Reads as final: predictions whose likeliest token after the layer is the final one; settled: from there on.`,
      columns: ["layer", "units", "coherent, %", "ten largest, %", "reads as final, %", "settled here, %"],
      rows: layers.map(({ place, coherence: own }) => {
        const { share, final, settled } = atBlock(place);
        const isLast = last.has(place.path);
        return [
          layerLabel(place),
          own.length,
          percent(shareAbove(own, random)),
          isLast ? percent(share) : "",
          isLast ? percent(final) : "",
          isLast ? percent(settled) : "",
        ];
      }),
    },
    notes: [
      `Early exit where the likeliest token has a probability of ${confidence > 1 ? "more than 1 (never)" : confidence.toFixed(2)}, chosen on one half of the predictions for ${percent(agreement)} % agreement, saves ${exit.saved.toFixed(2)} of ${blocks} layers on the other half and leaves ${percent(exit.agreement)} % as they are.`,
      `${traces.length.toLocaleString("en")} predictions were followed.`,
    ],
    figures: [
      {
        kind: "bars",
        title: "Where predictions settle",
        caption: "The layer from which on the likeliest token of the logit lens is the final one.",
        y: { label: "% of predictions" },
        bars: Array.from({ length: blocks }, (_, block) => ({
          group: `layer ${block}`,
          series: "settled",
          y: 100 * lensAt(traces, settledAt, block, blocks).settled,
        })),
      },
      {
        kind: "lines",
        title: "Coherence of value vectors",
        caption: "Value vectors of a layer in order of the coherence of their tokens, beside random vectors.",
        x: { label: "% of the vectors" },
        y: { label: "mean cosine of the tokens' company" },
        series: [
          ...layers.map(({ place, coherence: own }) => ({ name: `layer ${layerLabel(place)}`, points: curve(own) })),
          { name: "random vectors", points: curve(random) },
        ],
      },
      {
        kind: "table",
        title: "What the most coherent value vectors promote",
        columns: ["layer", "unit", "coherence", "tokens, the most promoted first"],
        rows: layers.flatMap(({ place, promoted, coherence: own }) =>
          Array.from(own.keys())
            .sort((a, b) => (own[b] as number) - (own[a] as number))
            .slice(0, 8)
            .map((unit) => [
              layerLabel(place),
              `${unit}`,
              Number((own[unit] as number).toFixed(3)),
              shown(promoted, unit),
            ]),
        ),
      },
    ],
    data: {
      random: { vectors: RANDOM, coherence: mean(random) },
      exit: { confidence: confidence > 1 ? null : confidence, ...exit, layers: blocks },
      predictions: traces.length,
      layers: layers.map(({ place, coherence: own }) => ({
        layer: place.path,
        units: own.length,
        coherence: mean(own),
        coherentShare: shareAbove(own, random),
        ...(last.has(place.path) ? atBlock(place) : {}),
      })),
    },
    arrays: Object.fromEntries(
      layers.flatMap(({ place, promoted, coherence: own }) => [
        [`${place.path}.top_tokens`, { dtype: "I32" as const, shape: [own.length, top], data: promoted }],
        [`${place.path}.coherence`, { dtype: "F64" as const, shape: [own.length], data: Float64Array.from(own) }],
      ]),
    ),
  };
}

/** What the lens shows after a block, as shares of the predictions. */
const lensAt = (
  traces: readonly RecordedPrediction[],
  settledAt: readonly number[],
  block: number,
  blocks: number,
) => ({
  share: mean(traces.map(({ topShare }) => topShare[block] as number)),
  final: mean(traces.map(({ tops }) => Number(tops[block] === tops[blocks - 1]))),
  settled: mean(settledAt.map((layer) => Number(layer === block))),
});

/** A rising curve of values at 41 of their quantiles. */
function curve(values: readonly number[]) {
  const sorted = [...values].sort((a, b) => a - b);
  return Array.from({ length: 41 }, (_, i) => ({
    x: (100 * i) / 40,
    y: sorted[Math.round((i / 40) * (sorted.length - 1))] as number,
  }));
}
