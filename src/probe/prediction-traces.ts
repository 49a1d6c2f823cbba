/** Predictions followed through the layers of a model, recorded on text. */
import { arange, argMax, cast, div, exp, max, sub, sum, type Tensor, take, topK } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { type Decoder, type DecoderParams, type FfnPlace, ffnPlaces } from "../models/index.ts";
import { unitsOf } from "./activity.ts";
import type { PredictionTrace } from "./early-exit.ts";
import { type OverTextOptions, overText } from "./record.ts";
import { NotApplicableError, valueVectors } from "./value-vectors.ts";
import { logitLens, shareOfLargest, subUpdateContribution } from "./vocabulary.ts";

/** What is recorded at a token. */
export interface RecordedPrediction extends PredictionTrace {
  /** Share of the sum of contributions that the ten largest sub-updates have, by layer. */
  readonly topShare: readonly number[];
}

export interface TraceOptions extends OverTextOptions {
  /** Every so many positions of a window one is kept; 1 by default. */
  readonly every?: number;
  /** For each feed-forward layer the cluster of each unit's value vector; without them, traces hold units instead. */
  readonly clusters?: ReadonlyMap<string, Int32Array>;
}

/** Sub-updates that are looked at for each token and layer. */
export const LARGEST = 10;

/** The feed-forward layer that stands for each block: the last one in it. Throws `NotApplicableError` if a block has none. */
export function ffnOfBlocks(model: Decoder): readonly FfnPlace[] {
  const places = ffnPlaces(model.config);
  return model.config.blocks.map((_, block) => {
    const own = places.filter((place) => place.block === block).at(-1);
    if (!own) throw new NotApplicableError(`predictions: block ${block} has no feed-forward layer`);
    // Throws where there are no hidden units to look at.
    unitsOf(own);
    return own;
  });
}

/**
 * Follows predictions through the blocks of a model: after each, the likeliest token of the logit lens with its
 * probability, and the ten sub-updates of its feed-forward layer with the largest (signed) coefficients.
 */
export async function predictionTraces(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  { every = 1, clusters, ...options }: TraceOptions = {},
): Promise<readonly RecordedPrediction[]> {
  const places = ffnOfBlocks(model);
  const streams = places.map(({ block }) => `blocks.${block}.stream`);
  const hidden = places.map(({ path }) => `${path}.hidden`);
  const batches = overText(
    model,
    params,
    text,
    [...streams, ...hidden],
    ({ activations, tokens }) => ({
      // Of other positions no logits are computed.
      layers: places.map((place, l) => {
        const kept = arange({ start: every - 1, stop: tokens.shape[1] as number, step: every }, "int32");
        const at = (name: string | undefined): Tensor => take(activations[name as string] as Tensor, kept, { axis: 1 });
        const logits = logitLens(model, params, at(streams[l]));
        const highest = max(logits, { axis: -1, keepDims: true });
        const units = at(hidden[l]);
        return {
          top: cast(argMax(logits, { axis: -1 }), "int32"),
          // The probability of the likeliest token: 1 over the sum of exp(logit - highest).
          confidence: div(1, sum(exp(sub(logits, highest)), { axis: -1 })),
          largest: cast(topK(units, LARGEST, { axis: -1 }).indices, "int32"),
          share: shareOfLargest(subUpdateContribution(units, valueVectors(params, place)), LARGEST),
        };
      }),
    }),
    options,
  );
  const traces: RecordedPrediction[] = [];
  for await (const { layers } of batches) {
    const count = layers[0]?.top.size ?? 0;
    for (let at = 0; at < count; at++) {
      const numbers = (of: (layer: (typeof layers)[number]) => Tensor) =>
        layers.map((layer) => Number(of(layer).data[at]));
      traces.push({
        tops: numbers(({ top }) => top),
        confidence: numbers(({ confidence }) => confidence),
        topShare: numbers(({ share }) => share),
        clusters: layers.map(({ largest }, l) => {
          const units = (largest.data as Int32Array).subarray(at * LARGEST, (at + 1) * LARGEST);
          const own = clusters?.get((places[l] as FfnPlace).path);
          return own ? units.map((unit) => own[unit] as number) : units.slice();
        }),
      });
    }
  }
  return traces;
}
