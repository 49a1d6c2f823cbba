/** Checkpoints of training: all that a run needs to go on as if it had never stopped. */
import { existsSync, join, mkdir } from "#platform";
import type { Tree } from "../array/index.ts";
import { fileError } from "../data/index.ts";
import { loadTree, saveTree } from "../models/index.ts";

/** State of training after `step` steps. */
export interface Progressed<S extends Tree> {
  readonly state: S;
  readonly step: number;
}

/** The checkpoint file of a folder. */
export const checkpointPath = (dir: string): string => join(dir, "checkpoint.safetensors");

/**
 * Saves a checkpoint in `dir`, which is made if need be. The file is replaced atomically: a process killed at any
 * moment, or a full disk, leaves the previous checkpoint whole. Randomness and the place in the data follow from seed
 * and step, so nothing else is kept.
 */
export async function saveCheckpoint<S extends Tree>(
  dir: string,
  { state, step }: Progressed<S>,
  seed: number,
): Promise<void> {
  await mkdir(dir, { recursive: true }).catch((error: unknown) => {
    throw fileError("make the folder", dir, error);
  });
  await saveTree(checkpointPath(dir), state, { format: "fourward training 1", step: String(step), seed: String(seed) });
}

/**
 * The checkpoint in `dir`, or null if there is none. `like` gives the structure of the state. Throws one sentence if
 * the file is damaged or belongs to another model, optimizer or seed.
 */
export async function loadCheckpoint<S extends Tree>(
  dir: string,
  like: S,
  seed: number,
): Promise<Progressed<S> | null> {
  const path = checkpointPath(dir);
  if (!existsSync(path)) return null;
  const { tree, metadata } = await loadTree(path, like);
  const step = Number(metadata.step);
  if (metadata.format !== "fourward training 1" || !Number.isSafeInteger(step) || step < 0) {
    throw new Error(`resume ${path}: this is not a checkpoint of training; choose another folder`);
  }
  if (metadata.seed !== String(seed)) {
    throw new Error(
      `resume ${path}: it was made with seed ${metadata.seed}, this run has seed ${seed}; choose another folder or the same seed`,
    );
  }
  return { state: tree as S, step };
}
