/** Batches of windows of a tokenized text. */
import { type Tensor, tensor } from "../array/index.ts";
import { permutation, type TokenFile } from "../data/index.ts";
import type { BatchSource } from "./loop.ts";

/** Windows of tokens: int32 `[batch, context + 1]`, of which the first `context` are inputs and the last are targets. */
export type TokenBatch = { readonly tokens: Tensor };

export interface TokenBatchOptions {
  /** Windows in a batch. */
  readonly batch: number;
  /** Tokens of a window that are predicted. */
  readonly context: number;
  /** Seed of the order; 0 by default. */
  readonly seed?: number;
}

/**
 * Batches for training: in an epoch, windows that lie side by side from a random start, in a random order. A pure
 * function of the step; an epoch sees no token twice and leaves out those that fill no window or batch. Progress counts
 * predicted tokens. Throws one sentence if the text is shorter than one batch of windows needs.
 */
export function tokenBatches(
  file: TokenFile,
  { batch, context, seed = 0 }: TokenBatchOptions,
): BatchSource<TokenBatch> & { readonly stepsPerEpoch: number } {
  checkLength(file, context);
  if (!Number.isInteger(batch) || batch < 1)
    throw new RangeError(`tokenBatches: batch must be a whole number from 1, got ${batch}`);
  // The start moves by up to a window, which must be left at the end.
  const windows = Math.floor((file.length - context) / context);
  const stepsPerEpoch = Math.floor(windows / batch);
  if (stepsPerEpoch === 0)
    throw new RangeError(
      `tokenBatches: a text of ${file.length} tokens has ${windows} windows of ${context} with a moving start, fewer than the ${batch} of a batch; give more text, a smaller batch or a shorter context`,
    );
  const epochs = new Map<number, { readonly order: Uint32Array; readonly start: number }>();
  const epochOf = (epoch: number) => {
    const known = epochs.get(epoch);
    if (known) return known;
    const start = (permutation(context, seed, 2 * epoch + 1)[0] as number) % (file.length - windows * context);
    const made = { order: permutation(windows, seed, 2 * epoch), start };
    // Steps are asked for in order, so one older epoch is all that may be needed again.
    for (const old of epochs.keys()) if (old < epoch - 1) epochs.delete(old);
    epochs.set(epoch, made);
    return made;
  };
  return {
    stepsPerEpoch,
    examples: batch * context,
    at: (step, steps) => {
      const starts = Array.from({ length: steps * batch }, (_, i) => {
        const at = step + Math.floor(i / batch);
        const { order, start } = epochOf(Math.floor(at / stepsPerEpoch));
        const place = (at % stepsPerEpoch) * batch + (i % batch);
        return start + (order[place] as number) * context;
      });
      return { tokens: tensor(windowsAt(file, starts, context), { shape: [steps, batch, context + 1] }) };
    },
  };
}

/** Windows that lie side by side and cover a text once. */
export interface EvaluationWindows {
  readonly count: number;
  /** The windows of these numbers: int32 `[windows, context + 1]`. */
  take(windows: readonly number[]): Tensor;
}

/**
 * The windows of a text for scoring, each of `context` predicted tokens; those after the last whole window are left out.
 * Throws one sentence if the text is shorter than a window.
 */
export function evaluationWindows(file: TokenFile, context: number): EvaluationWindows {
  checkLength(file, context);
  return {
    count: Math.floor((file.length - 1) / context),
    take: (windows) =>
      tensor(
        windowsAt(
          file,
          windows.map((window) => window * context),
          context,
        ),
        { shape: [windows.length, context + 1] },
      ),
  };
}

/** Windows that lie over each other, so that tokens have others before them. */
export interface StridedWindows {
  readonly count: number;
  /** Tokens that are scored in all. */
  readonly scored: number;
  /** Windows `start` to before `start + size`; of each only the predictions from place `from`, int32 `[windows]`, on count. */
  batch(start: number, size: number): TokenBatch & { readonly from: Tensor };
}

/**
 * Windows of `context` predicted tokens, each `stride` further than the one before, of which the predictions that those
 * before it have made do not count: every token after the first is scored once, with at least `context - stride` tokens
 * before it but for those of the first window. The last window ends at the end of the text. With `windows`, at most so
 * many of them, spread evenly. Throws one sentence if the text is shorter than a window or the stride is out of range.
 */
export function stridedWindows(
  file: TokenFile,
  {
    context,
    stride,
    windows = Number.POSITIVE_INFINITY,
  }: { readonly context: number; readonly stride: number; readonly windows?: number },
): StridedWindows {
  checkLength(file, context);
  if (!Number.isInteger(stride) || stride < 1 || stride > context)
    throw new RangeError(`tokens: stride must be a whole number from 1 to the context of ${context}, got ${stride}`);
  const last = file.length - 1 - context;
  const all = Math.ceil(last / stride) + 1;
  const count = Math.min(all, windows);
  const startOf = (window: number): number => Math.min(window * stride, last);
  const numberOf = (i: number): number => Math.floor((i * all) / count);
  const fromOf = (window: number): number => (window === 0 ? 0 : startOf(window - 1) + context - startOf(window));
  let scored = 0;
  for (let i = 0; i < count; i++) scored += context - fromOf(numberOf(i));
  return {
    count,
    scored,
    batch: (start, size) => {
      const chosen = Array.from({ length: size }, (_, i) => numberOf(start + i));
      return {
        tokens: tensor(windowsAt(file, chosen.map(startOf), context), { shape: [size, context + 1] }),
        from: tensor(Int32Array.from(chosen, fromOf)),
      };
    },
  };
}

/** Windows spread evenly over a text, as examples of `totalOver`. */
export interface SpreadWindows {
  readonly count: number;
  /** Windows `start` to before `start + size` of them. */
  batch(start: number, size: number): TokenBatch;
}

/**
 * At most so many of the windows of `evaluationWindows`, spread evenly over the text; all by default. Throws one sentence
 * if the text is shorter than a window.
 */
export function spreadWindows(
  file: TokenFile,
  { context, windows = Number.POSITIVE_INFINITY }: { readonly context: number; readonly windows?: number },
): SpreadWindows {
  const all = evaluationWindows(file, context);
  const count = Math.min(all.count, windows);
  return {
    count,
    batch: (start, size) => ({
      tokens: all.take(Array.from({ length: size }, (_, i) => Math.floor(((start + i) * all.count) / count))),
    }),
  };
}

function checkLength(file: TokenFile, context: number): void {
  if (!Number.isInteger(context) || context < 1)
    throw new RangeError(`tokens: context must be a whole number from 1, got ${context}`);
  if (file.length <= context)
    throw new RangeError(
      `tokens: a text of ${file.length} tokens is shorter than one window of ${context} and the token after it; give more text or a shorter context`,
    );
}

function windowsAt(file: TokenFile, starts: readonly number[], context: number): Int32Array {
  const tokens = new Int32Array(starts.length * (context + 1));
  starts.forEach((start, i) => {
    tokens.set(file.read(start, context + 1), i * (context + 1));
  });
  return tokens;
}
