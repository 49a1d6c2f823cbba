/** How a published architecture describes a decoder and names its weights. */
import { fromFloat16Bits, type Tensor } from "../../array/index.ts";
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
  /** The shape in the checkpoint, where it has further axes of extent 1 or cuts an axis into several; numbers stand the same. */
  readonly shape?: readonly number[];
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

/** The shape that a weight has in the checkpoint, from the shapes of ours. */
export function storedShape(
  { transposed, unusedRows = 0, shape }: WeightPlace,
  shapes: readonly (readonly number[])[],
): readonly number[] {
  if (shape) return shape;
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
  place: WeightPlace,
  parts: readonly Float32Array[],
  shapes: readonly (readonly number[])[],
): Float32Array {
  const { transposed, unusedRows = 0 } = place;
  const [rows, columns] = [rowsOf(shapes), widthsOf(shapes).reduce((a, b) => a + b, 0)];
  // Most weights stand there as they do here.
  if (parts.length === 1 && !transposed && unusedRows === 0) return parts[0] as Float32Array;
  const result = new Float32Array((rows + unusedRows) * columns);
  for (const { part, column, at, count } of runsOf(place, shapes)) {
    const source = parts[part] as Float32Array;
    const width = widthsOf(shapes)[part] as number;
    if (transposed)
      transposeInto(
        { data: source, at: column, width, rows, columns: count },
        { data: result, at: at * rows, width: rows },
      );
    else
      for (let i = 0; i < rows; i++)
        result.set(source.subarray(i * width + column, i * width + column + count), (i + unusedRows) * columns + at);
  }
  return result;
}

/** Numbers, or bits of float16. */
type Values = Float32Array | Uint16Array;

/** Numbers that are read at a time where they are not put in place directly. */
const PIECE = 2 ** 20;

/**
 * Our numbers, from those of the checkpoint, each of which is read once: `fill` reads elements from number `from` on.
 * Beside the result only a piece of the tensor is in memory at a time.
 */
export async function fromStored<V extends Values>(
  place: WeightPlace,
  fill: (target: V, from: number) => Promise<void>,
  shapes: readonly (readonly number[])[],
  allocate: (length: number) => V,
): Promise<V[]> {
  const { transposed, unusedRows = 0 } = place;
  const [rows, widths] = [rowsOf(shapes), widthsOf(shapes)];
  const parts = widths.map((width) => allocate(rows * width));
  if (parts.length === 1 && !transposed) {
    await fill(parts[0] as V, unusedRows * (widths[0] as number));
    return parts;
  }
  const runs = runsOf(place, shapes);
  const columns = widths.reduce((a, b) => a + b, 0);
  // Pieces are whole rows of the checkpoint: of a transposed weight, columns of ours.
  const [length, all] = transposed ? [rows, columns] : [columns, rows];
  const step = Math.max(1, Math.floor(PIECE / length));
  // While one piece is put in place, the next is read.
  const buffers = [0, 1].map(() => allocate(Math.min(step, all) * length)) as [V, V];
  const pieces = transposed
    ? runs.flatMap(({ part, column, at, count }) =>
        slices(count, step).map(([from, n]) => ({ part, column: column + from, from: at + from, n })),
      )
    : slices(rows, step).map(([from, n]) => ({ part: 0, column: 0, from, n }));
  const read = async (i: number): Promise<V> => {
    const { from, n } = pieces[i] as (typeof pieces)[number];
    const piece = (buffers[i % 2] as V).subarray(0, n * length) as V;
    await fill(piece, (from + unusedRows) * length);
    return piece;
  };
  let next = pieces.length > 0 ? read(0) : undefined;
  for (const [i, { part, column, from, n }] of pieces.entries()) {
    const piece = (await next) as V;
    if (i + 1 < pieces.length) next = read(i + 1);
    if (transposed)
      transposeInto(
        { data: piece, at: 0, width: rows, rows: n, columns: rows },
        { data: parts[part] as V, at: column, width: widths[part] as number },
      );
    else
      for (const run of runs)
        for (let i = 0; i < n; i++)
          (parts[run.part] as V).set(
            piece.subarray(i * columns + run.at, i * columns + run.at + run.count),
            (from + i) * (widths[run.part] as number) + run.column,
          );
  }
  return parts;
}

/** Begin and length of the pieces of at most `step` that `count` things are cut into. */
const slices = (count: number, step: number): readonly (readonly [number, number])[] =>
  Array.from({ length: Math.ceil(count / step) }, (_, i) => [i * step, Math.min(step, count - i * step)]);

/** Sides of the squares that are transposed at a time: the lines of memory of both sides stay in the cache. */
const SQUARE = 32;

/** Writes a matrix that begins at `at` of a wider one, transposed, to a place in another. */
function transposeInto(
  from: { data: Values; at: number; width: number; rows: number; columns: number },
  to: { data: Values; at: number; width: number },
): void {
  const { data: source, at: start, width, rows, columns } = from;
  const { data: target, at: begin, width: step } = to;
  for (let i0 = 0; i0 < rows; i0 += SQUARE)
    for (let j0 = 0; j0 < columns; j0 += SQUARE) {
      const [i1, j1] = [Math.min(rows, i0 + SQUARE), Math.min(columns, j0 + SQUARE)];
      for (let j = j0; j < j1; j++) {
        const row = begin + j * step;
        for (let i = i0; i < i1; i++) target[row + i] = source[start + i * width + j] as number;
      }
    }
}

/** Rows of a weight of ours: a vector is one row, further axes before the last are rows. */
const rowsOf = ([shape = []]: readonly (readonly number[])[]): number =>
  shape.slice(0, -1).reduce((rows, length) => rows * length, 1);

const widthsOf = (shapes: readonly (readonly number[])[]): readonly number[] =>
  shapes.map((shape) => shape.at(-1) as number);

/** Columns in a row that stand together in the checkpoint, from `at` on, and in one of our parts, from `column` on. */
function runsOf({ interleaved = 1 }: WeightPlace, shapes: readonly (readonly number[])[]) {
  let at = 0;
  return Array.from({ length: interleaved }, (_, piece) =>
    widthsOf(shapes).map((width, part) => {
      const count = width / interleaved;
      const run = { part, column: piece * count, at, count };
      at += count;
      return run;
    }),
  ).flat();
}

/** Values as float32, without a copy where they are. */
export const asFloat32 = ({ data, dtype }: Tensor): Float32Array =>
  data instanceof Float32Array
    ? data
    : Float32Array.from(data as ArrayLike<number>, dtype === "float16" ? fromFloat16Bits : Number);
