/** What feed-forward layers read on real text, recorded for surgery that must know it. */
import type { TokenFile } from "../data/index.ts";
import { type Decoder, type DecoderParams, ffnPlaces } from "../models/index.ts";
import { recordActivations } from "../probe/index.ts";

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

/** Records what each feed-forward sublayer reads (after its norm) on windows spread evenly over a text. */
export async function recordFfnInputs(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  options: RecordOptions,
): Promise<readonly RecordedInputs[]> {
  const places = ffnPlaces(model.config).map(({ path, block, name }) => ({ path: `${path}.input`, block, name }));
  const paths = places.map(({ path }) => path);
  const rows = await recordActivations(model, params, text, paths, options);
  return places.map(({ path, ...place }) => ({ ...place, rows: rows[path] as Float32Array }));
}
