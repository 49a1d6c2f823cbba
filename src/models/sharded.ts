/** Checkpoints in one safetensors file or in several with an index, as the Hugging Face layout has them. */

import { z } from "zod";
import { basename, existsSync, join, readdir, rm } from "#platform";
import { checked } from "../data/checked.ts";
import { fileError, readJsonFile, writeFileAtomic } from "../data/index.ts";
import { openSafetensors, type Safetensors, type TensorToWrite, writeSafetensors } from "./safetensors.ts";
import { byteLength, show } from "./safetensors-header.ts";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * Opens the weights of a folder: `model.safetensors`, or the files that `model.safetensors.index.json` names, each only
 * when a tensor of it is asked for. Throws one sentence if there are none, or if the index names a tensor that its file
 * does not have.
 */
export async function openWeights(folder: string): Promise<Safetensors> {
  const index = join(folder, INDEX);
  if (existsSync(join(folder, SINGLE))) return openSafetensors(join(folder, SINGLE));
  if (!existsSync(index)) return openSafetensors(join(folder, await onlyFile(folder)));
  const value = await readJsonFile(index, "the index of a checkpoint");
  const places = new Map(Object.entries(checked(indexSchema, value, index).weight_map));
  const files = new Map<string, Safetensors>();
  const close = async (): Promise<void> => {
    for (const file of files.values()) await file.close();
  };
  try {
    for (const name of new Set(places.values())) {
      // The index comes from outside; it must not lead out of the folder.
      if (basename(name) !== name || name.length > 200)
        throw new Error(`read ${index}: ${show(name)} is not the name of a file beside it`);
      files.set(name, await openSafetensors(join(folder, name)));
    }
    for (const [tensor, name] of places)
      if (!files.get(name)?.entries.has(tensor))
        throw new Error(`read ${index}: tensor ${show(tensor)} is not in ${show(name)}, where the index says it is`);
  } catch (error) {
    await close();
    throw error;
  }
  const fileOf = (tensor: string): Safetensors => {
    const file = files.get(places.get(tensor) ?? "");
    if (!file) throw new Error(`read ${index}: there is no tensor ${show(tensor)} in this checkpoint`);
    return file;
  };
  return {
    metadata: Object.assign({}, ...[...files.values()].map(({ metadata }) => metadata)),
    entries: new Map([...places.keys()].map((tensor) => [tensor, fileOf(tensor).entries.get(tensor) as never])),
    read: async (tensor, options) => fileOf(tensor).read(tensor, options),
    fill: async (tensor, target, from) => fileOf(tensor).fill(tensor, target, from),
    bytes: async (tensor, range) => fileOf(tensor).bytes(tensor, range),
    close,
  };
}

/** The one safetensors file of a folder, whatever its name; throws one sentence that says what there is instead. */
async function onlyFile(folder: string): Promise<string> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw fileError("read", join(folder, SINGLE), error);
  });
  const found = names.filter((name) => name.endsWith(".safetensors"));
  if (found.length === 1) return found[0] as string;
  if (found.length > 1)
    throw new Error(
      `read ${folder}: there are ${found.length} safetensors files and no ${INDEX} that says which tensor is where; get that file too`,
    );
  const pickled = names.find((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
  throw new Error(
    pickled === undefined
      ? `read ${folder}: there is no ${SINGLE} in it; is it the folder of a model?`
      : `read ${folder}: its weights are in ${pickled}, a pickle, which can hold programs and is not read here; save it as safetensors (model.save_pretrained of transformers does) or get a revision that has ${SINGLE}`,
  );
}

/**
 * Writes the weights of a folder: one file, or several of at most `maxBytes` (5 GB by default) with their index. A tensor
 * that is larger has a file of its own. Each file is replaced atomically, and the index comes last. Throws as
 * `writeSafetensors` does.
 */
export async function writeWeights(
  folder: string,
  tensors: Readonly<Record<string, TensorToWrite>>,
  {
    maxBytes = 5e9,
    metadata = {},
  }: { readonly maxBytes?: number; readonly metadata?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const shards: Record<string, TensorToWrite>[] = [{}];
  let filled = 0;
  let total = 0;
  for (const [name, tensor] of Object.entries(tensors)) {
    const size = byteLength(tensor.dtype, tensor.shape);
    if (filled > 0 && filled + size > maxBytes) {
      shards.push({});
      filled = 0;
    }
    (shards.at(-1) as Record<string, TensorToWrite>)[name] = tensor;
    filled += size;
    total += size;
  }
  if (shards.length === 1) return writeSafetensors(join(folder, SINGLE), tensors, metadata);
  const five = (n: number): string => String(n).padStart(5, "0");
  const nameOf = (i: number): string => `model-${five(i + 1)}-of-${five(shards.length)}.safetensors`;
  for (const [i, shard] of shards.entries()) await writeSafetensors(join(folder, nameOf(i)), shard, metadata);
  const map = shards.flatMap((shard, i) => Object.keys(shard).map((name) => [name, nameOf(i)] as const));
  const index = { metadata: { total_size: total }, weight_map: Object.fromEntries(map) };
  await writeFileAtomic(join(folder, INDEX), `${JSON.stringify(index, null, 2)}\n`);
  // A single file of an earlier checkpoint would be read instead.
  await rm(join(folder, SINGLE), { force: true });
}
