/** Parameter trees on disk: a safetensors file whose tensor names are the dotted paths of the tree. */
import { type Flat, flatten, type Tensor, type Tree, type TreeLike, tensor } from "../array/index.ts";
import {
  elementTypeOf,
  openSafetensors,
  type Safetensors,
  safetensorsDType,
  type TensorToWrite,
  writeSafetensors,
} from "./safetensors.ts";
import { show } from "./safetensors-header.ts";

/** A tree read from a file, and the strings that were saved with it. */
export interface Checkpoint<T> {
  readonly tree: T;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Saves the tensors of a tree, atomically, under their dotted paths (`layers.0.weight`); static leaves are not saved.
 * Equal trees and metadata give byte-identical files. Throws one sentence, leaving a previous file untouched, if the
 * file cannot be written or if two tensors have the same path.
 */
export async function saveTree(
  path: string,
  tree: TreeLike,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { leaves, paths } = flatten(tree);
  const tensors: Record<string, TensorToWrite> = Object.create(null);
  leaves.forEach(({ dtype, shape, data }, i) => {
    const name = paths[i] as string;
    if (name in tensors)
      throw new Error(`write ${path}: two tensors of the tree have the path ${show(name)}; rename one`);
    tensors[name] = { dtype: safetensorsDType[dtype], shape, data };
  });
  await writeSafetensors(path, tensors, metadata);
}

/**
 * Loads a tree saved by `saveTree`, or any safetensors file with dotted names.
 *
 * With `like` (whose tensors may be symbolic), the result has its structure and its static leaves, and the file must
 * hold exactly its tensors: the first missing, different or superfluous one is named in a one-sentence error. Without
 * it, names are taken apart at the dots, and an object whose keys are 0, 1, 2, ... becomes an array.
 */
export async function loadTree(path: string): Promise<Checkpoint<Tree>>;
export async function loadTree<T extends TreeLike>(path: string, like: T): Promise<Checkpoint<T>>;
export async function loadTree(path: string, like?: TreeLike): Promise<Checkpoint<TreeLike>> {
  const file = await openSafetensors(path);
  try {
    const flat = like === undefined ? null : flatten(like);
    if (flat) checkAgainst(path, file, flat);
    const names = flat?.paths ?? [...file.entries.keys()];
    const tensors: Tensor[] = [];
    for (const name of names) tensors.push(await readTensor(file, name));
    return { tree: flat ? flat.rebuild(tensors) : unflatten(path, names, tensors), metadata: file.metadata };
  } finally {
    await file.close();
  }
}

async function readTensor(file: Safetensors, name: string): Promise<Tensor> {
  const { dtype, shape, data } = await file.read(name);
  return tensor(data, { shape, dtype });
}

function checkAgainst(path: string, { entries }: Safetensors, { leaves, paths }: Flat<unknown>): void {
  leaves.forEach((leaf, i) => {
    const name = paths[i] as string;
    const entry = entries.get(name);
    if (!entry)
      throw new Error(`load ${path}: tensor ${show(name)} is not in the file; is it a checkpoint of another model?`);
    const found = `${elementTypeOf(entry.dtype) ?? entry.dtype}[${entry.shape.join(", ")}]`;
    const expected = `${leaf.dtype}[${leaf.shape.join(", ")}]`;
    if (found !== expected)
      throw new Error(`load ${path}: tensor ${show(name)} is ${found} in the file, expected ${expected}`);
  });
  const known = new Set(paths);
  const extra = [...entries.keys()].find((name) => !known.has(name));
  if (extra !== undefined) {
    throw new Error(
      `load ${path}: tensor ${show(extra)} of the file is not in the model; is it a checkpoint of another one?`,
    );
  }
}

interface Branch {
  readonly children: Map<string, Branch>;
  leaf: Tensor | null;
}

function unflatten(path: string, names: readonly string[], tensors: readonly Tensor[]): Tree {
  const root: Branch = { children: new Map(), leaf: null };
  names.forEach((name, i) => {
    let branch = root;
    const keys = name === "" ? [] : name.split(".");
    if (keys.length > 100)
      throw new Error(`load ${path}: the name ${show(name)} has over 100 parts; the file is damaged`);
    for (const key of keys) {
      const child = branch.children.get(key) ?? { children: new Map(), leaf: null };
      branch.children.set(key, child);
      branch = child;
    }
    branch.leaf = tensors[i] as Tensor;
  });
  const build = ({ children, leaf }: Branch, at: string): Tree => {
    if (leaf && children.size > 0) {
      throw new Error(
        `load ${path}: ${show(at)} names both a tensor and a group of tensors; read the file with openSafetensors`,
      );
    }
    if (leaf) return leaf;
    const built = [...children].map(([key, child]) => [key, build(child, at === "" ? key : `${at}.${key}`)] as const);
    const isList = built.length > 0 && built.every(([key]) => /^(0|[1-9]\d*)$/.test(key) && Number(key) < built.length);
    if (!isList) return Object.fromEntries(built);
    return built.sort(([a], [b]) => Number(a) - Number(b)).map(([, item]) => item);
  };
  return build(root, "");
}
