/** What feed-forward layers read on real text, recorded for surgery that must know it. */
import { compile, reshape, type Tensor } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import type { Decoder, DecoderParams } from "../models/index.ts";
import { evaluationWindows, inputsAndTargets } from "../train/index.ts";

/** Inputs of one feed-forward sublayer. */
export interface RecordedInputs {
  readonly block: number;
  /** Its name in the block: `ffn`, `ffn2`, … */
  readonly name: string;
  /** A row for each token: `[tokens, width]`. */
  readonly rows: Float32Array;
}

export interface RecordOptions {
  /** Tokens to record, rounded up to whole windows; as many as there are if fewer. */
  readonly tokens: number;
  readonly signal?: AbortSignal;
}

/** Windows that go through the model at once. */
const BATCH = 8;

/** Records what each feed-forward sublayer reads (after its norm) on windows spread evenly over a text. */
export async function recordFfnInputs(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  { tokens, signal }: RecordOptions,
): Promise<readonly RecordedInputs[]> {
  const context = Math.min(model.config.context, text.length - 1);
  const all = evaluationWindows(text, context);
  const count = Math.min(all.count, Math.ceil(tokens / context));
  const places: { block: number; name: string }[] = [];
  const run = compile((weights: DecoderParams, windows: Tensor) => {
    const inputs: Tensor[] = [];
    places.length = 0;
    model.observe(weights, inputsAndTargets(windows)[0], ({ block, name, input }) => {
      if (!name.startsWith("ffn")) return;
      places.push({ block, name });
      inputs.push(reshape(input, [-1, model.config.width]));
    });
    return inputs;
  });
  const parts: Float32Array[][] = [];
  for (let first = 0; first < count; first += BATCH) {
    signal?.throwIfAborted();
    const numbers = Array.from({ length: Math.min(BATCH, count - first) }, (_, i) =>
      Math.floor(((first + i) * all.count) / count),
    );
    const inputs = await run(params, all.take(numbers));
    inputs.forEach(({ data }, i) => {
      parts[i] ??= [];
      parts[i].push(data as Float32Array);
    });
  }
  return parts.map((list, i) => ({ ...(places[i] as { block: number; name: string }), rows: joined(list) }));
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
