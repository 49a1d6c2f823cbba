/** How a published architecture describes a decoder and names its weights. */
import type { HostArray } from "../../array/index.ts";
import type { DecoderConfig } from "../transformer/decoder.ts";

/** A weight of a published checkpoint, and where its numbers stand in our parameters. */
export interface WeightPlace {
  /** Name of the tensor in the checkpoint. */
  readonly name: string;
  /** Dotted paths of ours; several stand side by side along the last axis. */
  readonly paths: readonly string[];
  /** True if the checkpoint has matrices as `[outputs, inputs]`; ours are `[inputs, outputs]`. */
  readonly transposed?: boolean;
}

/** An architecture of the Hugging Face layout. */
export interface Architecture {
  /** `model_type` of its `config.json`. */
  readonly modelType: string;
  /** Our configuration; throws one sentence if a field asks for what is not there. `fields` are those of the file. */
  toDecoder(fields: unknown, path: string): DecoderConfig;
  /** The fields of `config.json` for a decoder of ours, or null if this architecture has no such decoder. */
  toFields(config: Required<DecoderConfig>): { readonly [field: string]: unknown } | null;
  /** All weights of such a decoder. */
  weights(config: Required<DecoderConfig>): readonly WeightPlace[];
  /** What stands before all names in some checkpoints and is missing in others, e.g. `transformer.`. */
  readonly prefix?: string;
}

/** A matrix with rows and columns exchanged; vectors stay. */
export function transposedMatrix<T extends Float32Array>(data: T, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) result[j * rows + i] = data[i * columns + j] as number;
  return result;
}

/** Parts side by side along the last axis: each has `rows` rows. */
export function sideBySide(parts: readonly Float32Array[], rows: number): Float32Array {
  const widths = parts.map((part) => part.length / rows);
  const total = widths.reduce((sum, width) => sum + width, 0);
  const result = new Float32Array(rows * total);
  let first = 0;
  parts.forEach((part, p) => {
    const width = widths[p] as number;
    for (let i = 0; i < rows; i++) result.set(part.subarray(i * width, (i + 1) * width), i * total + first);
    first += width;
  });
  return result;
}

/** Cuts what `sideBySide` joins. */
export function cutColumns(data: Float32Array, rows: number, widths: readonly number[]): Float32Array[] {
  const total = data.length / rows;
  let first = 0;
  return widths.map((width) => {
    const part = new Float32Array(rows * width);
    for (let i = 0; i < rows; i++) part.set(data.subarray(i * total + first, i * total + first + width), i * width);
    first += width;
    return part;
  });
}

/** Values as float32, without a copy where they are. */
export const asFloat32 = (data: HostArray): Float32Array =>
  data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number>, Number);
