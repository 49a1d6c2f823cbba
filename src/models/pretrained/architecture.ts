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
  /** Several paths are cut into so many equal pieces, and pieces of the same number stand together. */
  readonly interleaved?: number;
  /** Rows at the beginning of the checkpoint's table that nothing uses. */
  readonly unusedRows?: number;
  /** True for a name without the architecture's prefix. */
  readonly outside?: boolean;
}

/** An architecture of the Hugging Face layout. */
export interface Architecture {
  /** `model_type` of its `config.json`. */
  readonly modelType: string;
  /** Our configuration; throws one sentence if a field asks for what is not there. `fields` are those of the file. */
  toDecoder(fields: unknown, path: string): DecoderConfig;
  /**
   * The fields of `config.json` for a decoder of ours, or null if it has none. Whoever asks must check that they describe
   * that very decoder: `toDecoder` of them gives the same configuration.
   */
  toFields(config: Required<DecoderConfig>): { readonly [field: string]: unknown } | null;
  /** All weights of such a decoder. */
  weights(config: Required<DecoderConfig>): readonly WeightPlace[];
  /** What stands before all names in some checkpoints and is missing in others, e.g. `transformer.`. */
  readonly prefix?: string;
}

/** Rows and columns of a weight of ours: a vector is one row, further axes before the last are rows. */
const extents = (shape: readonly number[]): readonly [rows: number, columns: number] => [
  shape.slice(0, -1).reduce((a, b) => a * b, 1),
  shape.at(-1) as number,
];

/** The shape that a weight has in the checkpoint, from the shapes of ours. */
export function storedShape(
  { transposed, unusedRows = 0 }: WeightPlace,
  shapes: readonly (readonly number[])[],
): readonly number[] {
  const [first] = shapes as [readonly number[]];
  const columns = shapes.reduce((total, shape) => total + (shape.at(-1) as number), 0);
  if (first.length === 1) return [columns];
  // Only matrices are turned; stacks of them, as of experts, stand as they are.
  if (first.length > 2) return [...first.slice(0, -1), columns];
  const rows = (first[0] as number) + unusedRows;
  return transposed ? [columns, rows] : [rows, columns];
}

/** Numbers as they stand in the checkpoint, from ours. */
export function toStored(
  { transposed, interleaved = 1, unusedRows = 0 }: WeightPlace,
  parts: readonly Float32Array[],
  shapes: readonly (readonly number[])[],
): Float32Array {
  const columns = columnOrder(shapes, interleaved);
  const [rows] = extents(shapes[0] as readonly number[]);
  const total = columns.length;
  const result = new Float32Array((rows + unusedRows) * total);
  columns.forEach(([part, column], j) => {
    const source = parts[part] as Float32Array;
    const width = (shapes[part] as readonly number[]).at(-1) as number;
    for (let i = 0; i < rows; i++) {
      const value = source[i * width + column] as number;
      result[transposed ? j * rows + i : (i + unusedRows) * total + j] = value;
    }
  });
  return result;
}

/** Our numbers, from those of the checkpoint. */
export function fromStored(
  place: WeightPlace,
  stored: Float32Array,
  shapes: readonly (readonly number[])[],
): Float32Array[] {
  const { transposed, interleaved = 1, unusedRows = 0 } = place;
  const [rows] = extents(shapes[0] as readonly number[]);
  if (shapes.length === 1 && !transposed) {
    const width = (shapes[0] as readonly number[]).at(-1) as number;
    return [unusedRows === 0 ? stored : stored.slice(unusedRows * width)];
  }
  const columns = columnOrder(shapes, interleaved);
  const parts = shapes.map((shape) => new Float32Array(shape.reduce((a, b) => a * b, 1)));
  columns.forEach(([part, column], j) => {
    const target = parts[part] as Float32Array;
    const width = (shapes[part] as readonly number[]).at(-1) as number;
    for (let i = 0; i < rows; i++)
      target[i * width + column] = stored[transposed ? j * rows + i : (i + unusedRows) * columns.length + j] as number;
  });
  return parts;
}

/** Which part and column of ours each column of the checkpoint is. */
function columnOrder(
  shapes: readonly (readonly number[])[],
  pieces: number,
): readonly (readonly [part: number, column: number])[] {
  const widths = shapes.map((shape) => shape.at(-1) as number);
  return Array.from({ length: pieces }, (_, piece) =>
    widths.flatMap((width, part) => {
      const each = width / pieces;
      return Array.from({ length: each }, (_, i) => [part, piece * each + i] as const);
    }),
  ).flat();
}

/** Values as float32, without a copy where they are. */
export const asFloat32 = (data: HostArray): Float32Array =>
  data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number>, Number);
