/** Data that simulations make, kept on disk. */

import { createHash, join, mkdir, nextTurn } from "#platform";
import { cacheFolder, fileError } from "../../data/index.ts";
import { readSafetensors, writeSafetensors } from "../../models/index.ts";

/** Numbers of many examples, one after the other. */
export interface Fields {
  /** `[examples, ...shape of one]` */
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface SimulatedOptions<N extends string> {
  /** What the data is called, in letters, digits and dashes. */
  readonly name: string;
  /** Everything that the data depends on beside the index of an example: seed, equation, grid, version of the simulation. */
  readonly recipe: { readonly [name: string]: string | number | boolean };
  readonly count: number;
  /** Shape of each array of one example. */
  readonly shapes: { readonly [K in N]: readonly number[] };
  /** Makes the example of an index, from nothing but the recipe and the index. */
  readonly make: (index: number) => { readonly [K in N]: ArrayLike<number> };
  /** Folder of the cache; `simulations` in `cacheFolder()` by default. */
  readonly folder?: string;
  /** Stops between examples, once it is aborted, by rejecting with its reason; pieces that are complete are kept. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Examples in a file. */
const PIECE = 50;

/** Part of every recipe: another format is another file. */
const FORMAT = "fourward simulation 1";

/**
 * Examples of a simulation, read from the cache or made and kept there, 50 in a file, so that more examples of a recipe
 * only add to it and a run that was interrupted goes on. Files are `<folder>/<name>-<hash>/<piece>.safetensors`: a float32
 * tensor `[examples, ...]` for each name, and the metadata `format`, `name`, `piece` and `recipe` (JSON). A file that is
 * damaged or has another recipe is made again.
 */
export async function simulated<N extends string>(
  options: SimulatedOptions<N>,
): Promise<{ readonly [K in N]: Fields }> {
  const { name, recipe, count, shapes, signal } = options;
  if (!/^[a-z0-9-]+$/.test(name))
    throw new RangeError(`simulated: a name has letters, digits and dashes, got "${name}"`);
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`simulated: count must be a whole number of at least 1, got ${count}`);
  const text = JSON.stringify({ ...recipe, shapes });
  const hash = createHash("sha256").update(`${FORMAT} ${text}`).digest("hex").slice(0, 12);
  const folder = join(options.folder ?? join(cacheFolder(), "simulations"), `${name}-${hash}`);
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError("create", folder, error);
  });
  const names = Object.keys(shapes) as N[];
  const sizes = Object.fromEntries(names.map((key) => [key, sizeOf(shapes[key])])) as { [K in N]: number };
  const all = Object.fromEntries(names.map((key) => [key, new Float32Array(count * sizes[key])])) as {
    [K in N]: Float32Array;
  };
  for (let first = 0; first < count; first += PIECE) {
    const path = join(folder, `${String(first / PIECE).padStart(4, "0")}.safetensors`);
    const examples = Math.min(PIECE, count - first);
    const metadata = { format: FORMAT, name, piece: String(first / PIECE), recipe: text };
    const known = await readPiece(path, metadata, names, sizes);
    const piece = known && known.examples >= examples ? known : await makePiece(options, sizes, first, examples, known);
    if (piece !== known) {
      const tensors = names.map(
        (key) =>
          [key, { dtype: "F32" as const, shape: [piece.examples, ...shapes[key]], data: piece.arrays[key] }] as const,
      );
      await writeSafetensors(path, Object.fromEntries(tensors), metadata);
    }
    for (const key of names) all[key].set(piece.arrays[key].subarray(0, examples * sizes[key]), first * sizes[key]);
    signal?.throwIfAborted();
    options.onProgress?.(first + examples, count);
  }
  const fields = names.map((key) => [key, { shape: [count, ...shapes[key]], data: all[key] }] as const);
  return Object.fromEntries(fields) as unknown as { readonly [K in N]: Fields };
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((total, n) => total * n, 1);

interface Piece<N extends string> {
  readonly examples: number;
  readonly arrays: { readonly [K in N]: Float32Array };
}

/** The examples of a file; null if it is missing, damaged or of another recipe, which are all the same. */
async function readPiece<N extends string>(
  path: string,
  expected: { readonly [name: string]: string },
  names: readonly N[],
  sizes: { readonly [K in N]: number },
): Promise<Piece<N> | null> {
  try {
    const file = await readSafetensors(path);
    if (Object.entries(expected).some(([key, value]) => file.metadata[key] !== value)) return null;
    const arrays = {} as { [K in N]: Float32Array };
    for (const key of names) arrays[key] = (await file.read(key)).data as Float32Array;
    const examples = arrays[names[0] as N].length / sizes[names[0] as N];
    return names.every((key) => arrays[key].length === examples * sizes[key]) ? { examples, arrays } : null;
  } catch {
    return null;
  }
}

/** The examples of a file, those that are known already and the others made. */
async function makePiece<N extends string>(
  { make, name, count, signal, onProgress }: SimulatedOptions<N>,
  sizes: { readonly [K in N]: number },
  first: number,
  examples: number,
  known: Piece<N> | null,
): Promise<Piece<N>> {
  const names = Object.keys(sizes) as N[];
  const arrays = Object.fromEntries(names.map((key) => [key, new Float32Array(examples * sizes[key])])) as {
    [K in N]: Float32Array;
  };
  for (const key of names) if (known) arrays[key].set(known.arrays[key]);
  for (let i = known?.examples ?? 0; i < examples; i++) {
    // Solvers hold the thread for long: signals are heard between examples.
    await nextTurn();
    signal?.throwIfAborted();
    const example = make(first + i);
    for (const key of names) {
      if (example[key].length !== sizes[key])
        throw new RangeError(
          `simulated: ${name} gave ${example[key].length} numbers for "${key}", expected ${sizes[key]}`,
        );
      arrays[key].set(example[key], i * sizes[key]);
    }
    onProgress?.(first + i + 1, count);
  }
  return { examples, arrays };
}
