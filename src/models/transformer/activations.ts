/**
 * Looking into a decoder: activations by name, and the same model with some of them replaced. A tap of the mode sees each
 * one as it is computed, so an activation that is asked for is one more output of the graph, and one that nobody asks
 * for costs nothing. Names are those of the model's parts:
 *
 * - `embedding`, what enters the first block;
 * - `blocks.0.mixer.input` and `.output`, `blocks.0.ffn.input` and `.output` (further ones in a block are `ffn2`, …): what
 *   a layer reads, after its norm where norms stand before layers, and what it adds to the stream;
 * - `blocks.0.ffn.preactivation` and `.hidden`: the hidden units before and after their activation, of a gated layer the
 *   gate before its activation and the units times their gates; for kinds that have hidden units of their own;
 * - `blocks.0.stream`, the stream of vectors after a block;
 * - `final`, after the last norm, and `logits`.
 */
import { key, type Shape, type Tensor, zeros } from "../../array/index.ts";
import type { Mode, Tap } from "../../nn/index.ts";
import type { Decoder, DecoderParams } from "./decoder.ts";

/** Names of a model's activations in the order in which they are computed, with their shapes after `[batch, time]`. */
export function activationsOf(model: Decoder): ReadonlyMap<string, Shape> {
  const found = new Map<string, Shape>();
  const tap: Tap = (name, x) => {
    found.set(name, x.shape.slice(2));
    return x;
  };
  // Traced for the names alone: nothing is computed.
  model.apply(model.init(key(0)), zeros([1, 1], "int32"), { training: false, tap });
  return found;
}

/**
 * Activations by name for tokens `[batch, time]`: each `[batch, time, …]`. A function of the array language: inside
 * `compile`, only what the named ones depend on is computed. Throws one sentence that lists the names there are if one
 * is unknown.
 */
export function observe<N extends string>(
  model: Decoder,
  params: DecoderParams,
  tokens: Tensor,
  names: readonly N[],
): { readonly [name in N]: Tensor } {
  checkNames("observe", model, names);
  const seen = new Map<string, Tensor>();
  const tap: Tap = (name, x) => {
    seen.set(name, x);
    return x;
  };
  model.apply(params, tokens, { training: false, tap });
  return Object.fromEntries(names.map((name) => [name, seen.get(name)])) as never;
}

/** What an activation becomes: a function in the array language, from a tensor to one of the same shape. */
export type Replacement = (x: Tensor) => Tensor;

/**
 * The same model with activations replaced by functions of themselves while it is applied, also token by token in
 * generation. The parameters are those of the model, and the model itself is not touched. Throws one sentence that lists
 * the names there are if one is unknown; when it is applied, if a replacement changes a shape.
 */
export function intervene(model: Decoder, changes: { readonly [name: string]: Replacement }): Decoder {
  checkNames("intervene", model, Object.keys(changes));
  const tapped = (mode: Mode = { training: false }): Mode => ({
    ...mode,
    tap: (name, x) => {
      const change = Object.hasOwn(changes, name) ? changes[name] : undefined;
      const after = change ? checkedShape(name, x, change(x)) : x;
      return mode.tap?.(name, after) ?? after;
    },
  });
  return {
    ...model,
    apply: (params, tokens, mode) => model.apply(params, tokens, tapped(mode)),
    hidden: (params, tokens, mode) => model.hidden(params, tokens, tapped(mode)),
    finish: (params, stream, mode) => model.finish(params, stream, tapped(mode)),
    logits: (params, hidden, mode) => model.logits(params, hidden, tapped(mode)),
    extend: (params, tokens, cache, seen, mode) => model.extend(params, tokens, cache, seen, tapped(mode)),
  };
}

function checkNames(operation: string, model: Decoder, names: readonly string[]): void {
  const known = activationsOf(model);
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new RangeError(
      `${operation}: the model has no activation ${JSON.stringify(unknown)}; it has ${[...known.keys()].join(", ")}`,
    );
}

function checkedShape(name: string, x: Tensor, after: Tensor): Tensor {
  if (after.shape.join() !== x.shape.join() || after.dtype !== x.dtype)
    throw new TypeError(
      `intervene: the replacement of ${name} must stay ${x.dtype} [${x.shape.join(", ")}], got ${after.dtype} [${after.shape.join(", ")}]`,
    );
  return after;
}
