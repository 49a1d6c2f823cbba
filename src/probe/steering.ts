/** What a model says made more or less by switching hidden units on or off. */
import { softmax, sum, type Tensor, take, tensor } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { type Decoder, type DecoderParams, intervene, type Replacement } from "../models/index.ts";
import { type OverTextOptions, totalOverText, windowsOf } from "./record.ts";
import { setUnits } from "./vocabulary.ts";

/** A hidden unit of a model. */
export interface UnitAt {
  /** The layer: `blocks.0.ffn`. */
  readonly path: string;
  readonly unit: number;
}

/**
 * How much each value vector promotes the listed tokens: the mean of their logits, in standard deviations of the vector's
 * logits above their mean. `logits: [units, vocabulary]`, see `valueVectorLogits`.
 */
export function listScores(logits: Float32Array, vocabulary: number, list: readonly number[]): Float64Array {
  return Float64Array.from({ length: logits.length / vocabulary }, (_, unit) => {
    const row = logits.subarray(unit * vocabulary, (unit + 1) * vocabulary);
    let [total, squares] = [0, 0];
    for (const logit of row) {
      total += logit;
      squares += logit * logit;
    }
    const mean = total / vocabulary;
    const deviation = Math.sqrt(Math.max(squares / vocabulary - mean * mean, 1e-30));
    const listed = list.reduce((sum, token) => sum + (row[token] as number), 0) / list.length;
    return (listed - mean) / deviation;
  });
}

/**
 * The same model with these units set to a value at every position: before their activation (`preactivation`), as the
 * source does, or after it (`hidden`), where 0 switches them off.
 * Source: Geva et al. 2022, arXiv:2203.14680, section 6.1.
 */
export function steer(
  model: Decoder,
  units: readonly UnitAt[],
  { at, value }: { readonly at: "preactivation" | "hidden"; readonly value: number },
): Decoder {
  const byPath = new Map<string, number[]>();
  for (const { path, unit } of units) byPath.set(path, [...(byPath.get(path) ?? []), unit]);
  const changes: Record<string, Replacement> = {};
  for (const [path, own] of byPath) changes[`${path}.${at}`] = setUnits(own, value);
  return intervene(model, changes);
}

/** The probability that a model gives to the listed tokens together, on average over the tokens of a text. */
export async function listProbability(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  list: readonly number[],
  options: OverTextOptions = {},
): Promise<number> {
  const total = await totalOverText(
    model,
    params,
    text,
    ["logits"],
    ({ activations }) => {
      const listed: Tensor = take(softmax(activations.logits), tensor(Int32Array.from(list)), { axis: -1 });
      return { listed: sum(listed) };
    },
    options,
  );
  return Number(total.listed.data[0]) / windowsOf(model, text, options).tokens;
}

/** Pieces of a text that stand right before a listed token, spread evenly over where there are some: prompts that ask for one. */
export function promptsBefore(
  text: TokenFile,
  list: readonly number[],
  { count, length }: { readonly count: number; readonly length: number },
): readonly Int32Array[] {
  const wanted = new Set(list);
  const tokens = text.read(0, text.length);
  const places = Array.from(tokens.keys()).filter((at) => at >= length && wanted.has(tokens[at] as number));
  const taken = Math.min(count, places.length);
  return Array.from({ length: taken }, (_, i) => {
    const at = places[Math.floor((i * places.length) / taken)] as number;
    return Int32Array.from(tokens.subarray(at - length, at));
  });
}
