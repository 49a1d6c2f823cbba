/** Activations of a model on real text: summed in the graph, streamed to the host window by window, or kept as rows. */
import { reshape, type Tensor, type Tree } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { type Decoder, type DecoderParams, observe } from "../models/index.ts";
import { eachPiece, inputsAndTargets, spreadWindows, type TokenBatch, totalOver } from "../train/index.ts";

/** Which tokens of a text a model is run on, and how. */
export interface OverTextOptions {
  /** Tokens at most, rounded up to whole windows spread evenly over the text; all by default. */
  readonly tokens?: number;
  /** Tokens of a window; all positions of the model by default, or the text's length if that is less. */
  readonly context?: number;
  /** Windows that go through the model at once; 8 by default. It changes time and memory, and no result. */
  readonly batch?: number;
  /** Stops between batches, once it is aborted, by rejecting with its reason. */
  readonly signal?: AbortSignal;
  /** Called after each batch with the tokens that are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A batch of windows as a probe sees it in the graph. */
export interface SeenText<N extends string = string> {
  /** The activations that were asked for, each `[batch, time, …]`; see `observe`. */
  readonly activations: { readonly [name in N]: Tensor };
  /** The tokens that were read, int32 `[batch, time]`. */
  readonly tokens: Tensor;
  /** The token after each. */
  readonly targets: Tensor;
}

/** The windows that `overText` and its relatives take of a text. */
export function windowsOf(model: Decoder, text: TokenFile, { tokens, context: given }: OverTextOptions) {
  const context = given ?? Math.max(1, Math.min(model.config.context, text.length - 1));
  const windows = tokens === undefined ? {} : { windows: Math.ceil(tokens / context) };
  const spread = spreadWindows(text, { context, ...windows });
  return { ...spread, context, tokens: spread.count * context };
}

/** What eachPiece and totalOver need to run over a text. */
function piecesOf(model: Decoder, text: TokenFile, options: OverTextOptions) {
  const { signal, onProgress, batch: piece = 8 } = options;
  const { count, context, batch } = windowsOf(model, text, options);
  return {
    count,
    piece: Math.min(piece, count),
    batch,
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress: (done: number, total: number) => onProgress(done * context, total * context) } : {}),
  };
}

/** `measure` of what is seen in a batch, as a function of parameters and windows. */
const measured =
  <N extends string, R extends Tree>(
    model: Decoder,
    names: readonly N[],
    measure: (seen: SeenText<N>, params: DecoderParams) => R,
  ) =>
  (params: DecoderParams, { tokens: windows }: TokenBatch): R => {
    const [tokens, targets] = inputsAndTargets(windows);
    return measure({ activations: observe(model, params, tokens, names), tokens, targets }, params);
  };

/**
 * What `measure` gives for each batch of windows of a text, one after the other, so that nothing need be held that is
 * larger than a batch. `measure` is traced: a function in the array language.
 */
export async function* overText<N extends string, R extends Tree>(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  names: readonly N[],
  measure: (seen: SeenText<N>, params: DecoderParams) => R,
  options: OverTextOptions = {},
): AsyncGenerator<R> {
  const pieces = eachPiece(measured(model, names, measure), params, piecesOf(model, text, options));
  for await (const { result } of pieces) yield result;
}

/** What `measure` gives for a text, summed over batches in float64: counts and moments of any size of text. */
export const totalOverText = <N extends string, R extends Tree>(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  names: readonly N[],
  measure: (seen: SeenText<N>, params: DecoderParams) => R,
  options: OverTextOptions = {},
): Promise<R> => totalOver(measured(model, names, measure), params, piecesOf(model, text, options));

/** Activations of a text by name, each with a row for each token: `[tokens, extent]` in row order. All stay in memory. */
export async function recordActivations<N extends string>(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  names: readonly N[],
  options: OverTextOptions = {},
): Promise<{ readonly [name in N]: Float32Array }> {
  const parts = names.map((): Float32Array[] => []);
  const rowsOf = ({ activations }: SeenText<N>): Tensor[] => names.map((name) => reshape(activations[name], [-1]));
  for await (const rows of overText(model, params, text, names, rowsOf, options))
    rows.forEach(({ data }, i) => {
      parts[i]?.push(data as Float32Array);
    });
  return Object.fromEntries(names.map((name, i) => [name, joined(parts[i] ?? [])])) as never;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const result = new Float32Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
