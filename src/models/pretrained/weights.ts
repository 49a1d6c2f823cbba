/** Weights of a checkpoint put into trees of parameters, and back, by the maps of names that architectures have. */
import { flatten, type Tensor, type Tree, tensor, toFloat16Bits } from "../../array/index.ts";
import type { Safetensors, TensorToWrite } from "../safetensors.ts";
import type { SafetensorsDType } from "../safetensors-header.ts";
import { openWeights } from "../sharded.ts";
import { asFloat32, fromStored, storedShape, toStored, type WeightPlace } from "./architecture.ts";

export interface ReadWeightsOptions {
  /**
   * Keeps matrices of F16 and BF16 as float16, which takes half the memory of float32 and makes each token slower, since
   * they are widened when they are used. False by default.
   */
  readonly keepHalf?: boolean;
}

/** The names of an architecture: what may stand before all of them, and where each weight stands. */
export interface WeightNames {
  readonly prefix?: string;
  readonly places: readonly WeightPlace[];
}

const fullName = (prefix: string, { name, outside }: WeightPlace): string => (outside ? name : prefix + name);

/** Names that a weight may have: with its prefix, with the end of it, or without, as different tools have saved it. */
function namesOf(prefix: string, { name, outside }: WeightPlace): readonly string[] {
  if (outside) return [name, `language_model.${name}`];
  const parts = prefix.split(".").slice(0, -1);
  const ends = parts.map((_, i) => `${parts.slice(i).join(".")}.${name}`);
  return [...ends, name, `model.${prefix}${name}`, `language_model.${prefix}${name}`];
}

/**
 * Opens the weights of a folder for `use`, and closes them. Throws one sentence if they hold fewer tensors than the model has
 * blocks: so many that building them would take long are looked at here.
 */
export async function withWeights<R>(
  folder: string,
  blocks: number,
  use: (file: Safetensors) => Promise<R>,
): Promise<R> {
  const file = await openWeights(folder);
  try {
    if (file.entries.size < blocks)
      throw new Error(
        `read ${folder}: config.json says ${blocks} layers, and the weights hold ${file.entries.size} tensors; do they belong together?`,
      );
    return await use(file);
  } finally {
    await file.close();
  }
}

/**
 * The parameters of a folder's checkpoint, in the form of `like`, whose tensors may be symbolic. Each byte is read once,
 * and memory is taken only for what is there in the right shape. Throws one sentence if a weight is missing or of another
 * shape; tensors that nothing uses are left out.
 */
export async function readWeights<T extends Tree>(
  folder: string,
  file: Safetensors,
  { prefix = "", places }: WeightNames,
  like: T,
  { keepHalf = false }: ReadWeightsOptions = {},
): Promise<T> {
  const { leaves, paths, rebuild } = flatten(like);
  const expected = new Map(paths.map((path, i) => [path, leaves[i] as Tensor]));
  const found = new Map<string, Tensor>();
  const known = places.map((place) => checkedPlace(folder, file, prefix, place, expected));
  for (const { place, stored, shapes, dtype, rank } of known) {
    const fill = (target: Float32Array | Uint16Array, from: number) => file.fill(stored, target, from);
    const parts =
      keepHalf && rank > 1 && (dtype === "F16" || dtype === "BF16")
        ? await fromStored(place, fill, shapes, (length) => new Uint16Array(length))
        : await fromStored(place, fill, shapes, (length) => new Float32Array(length));
    // A Uint16Array holds float16.
    for (const [i, part] of parts.entries())
      found.set(place.paths[i] as string, tensor(part, { shape: shapes[i] as readonly number[] }));
  }
  return rebuild(paths.map((path) => found.get(path) as Tensor));
}

/** A place and the tensor of the file that belongs there, which is looked at before any memory is taken. */
function checkedPlace(
  folder: string,
  { entries }: Safetensors,
  prefix: string,
  place: WeightPlace,
  expected: ReadonlyMap<string, Tensor>,
): {
  readonly place: WeightPlace;
  readonly stored: string;
  readonly shapes: readonly (readonly number[])[];
  readonly dtype: SafetensorsDType;
  readonly rank: number;
} {
  const stored = namesOf(prefix, place).find((name) => entries.has(name));
  const entry = entries.get(stored ?? "");
  if (stored === undefined || entry === undefined)
    throw new Error(
      `read ${folder}: there is no tensor ${fullName(prefix, place)} in its weights; do config.json and the weights belong together?`,
    );
  const shapes = place.paths.map((path) => (expected.get(path) as Tensor).shape);
  const wanted = storedShape(place, shapes);
  if (entry.shape.join() !== wanted.join())
    throw new Error(
      `read ${folder}: tensor ${stored} is [${entry.shape.join(", ")}], expected [${wanted.join(", ")}]; do config.json and the weights belong together?`,
    );
  return { place, stored, shapes, dtype: entry.dtype, rank: wanted.length };
}

/** The tensors of a checkpoint for parameters; each is made when it is written. */
export function tensorsOf(
  params: Tree,
  { prefix = "", places }: WeightNames,
  dtype: "float32" | "float16",
): Record<string, TensorToWrite> {
  const { leaves, paths } = flatten(params);
  const byPath = new Map(paths.map((path, i) => [path, leaves[i] as Tensor]));
  return Object.fromEntries(
    places.map((place): [string, TensorToWrite] => {
      const parts = place.paths.map((path) => byPath.get(path) as Tensor);
      const shapes = parts.map(({ shape }) => shape);
      const values = (): Float32Array =>
        toStored(
          place,
          parts.map((part) => asFloat32(part)),
          shapes,
        );
      return [
        fullName(prefix, place),
        {
          dtype: dtype === "float16" ? "F16" : "F32",
          shape: storedShape(place, shapes),
          data: dtype === "float16" ? () => Uint16Array.from(values(), toFloat16Bits) : values,
        },
      ];
    }),
  );
}
