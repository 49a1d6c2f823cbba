/** The `config.json` of a model's folder. */
import { join } from "#platform";
import { readJsonObject } from "../../data/index.ts";
import { show } from "../safetensors-header.ts";

/** The fields of a folder's `config.json` (or another file of it) and its path. A field that is null is left out. */
export async function readFields(
  folder: string,
  name = "config.json",
): Promise<{ readonly fields: { readonly [field: string]: unknown }; readonly path: string }> {
  const path = join(folder, name);
  const fields = await readJsonObject(path, "the configuration of a model");
  return { fields: Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== null)), path };
}

/** The architecture that `model_type` names. */
export function byModelType<A extends { readonly modelType: string }>(
  known: readonly A[],
  { model_type: name }: { readonly [field: string]: unknown },
  path: string,
): A {
  const found = known.find(({ modelType }) => modelType === name);
  if (found) return found;
  const names = known.map(({ modelType }) => modelType).join(", ");
  throw new Error(`read ${path}: unknown model_type ${show(name)}; known are ${names}`);
}

/** What `build` makes of a configuration; its errors name the file. */
export function described<R>(path: string, build: () => R): R {
  try {
    return build();
  } catch (error) {
    throw new Error(`read ${path}: it describes no model: ${(error as Error).message}`, { cause: error });
  }
}
