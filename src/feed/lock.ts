/** A folder that one process at a time may use. */
import { link, mkdir, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileError, isRunning } from "../data/files.ts";

/**
 * Makes this process the only one that uses a folder, which is made if it is not there. Gives what ends that. A lock whose
 * process is gone is taken over. Throws one sentence that names the process which has it.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "lock");
  const own = join(folder, `lock.${process.pid}.${locks++}`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(own, String(process.pid));
    for (;;) {
      try {
        // A link is made whole or not at all, and never over another.
        await link(own, path);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const holder = await holderOf(path);
      if (holder !== null && holder > 0 && isRunning(holder))
        throw new Error(
          `${folder} is in use by process ${holder}; end that first (if it is no Fourward, remove ${path}), or set DATABASE_URL to a PostgreSQL server, which many can use at once`,
        );
      // Whoever renames it away may try again; the others find it gone.
      if (holder !== null) await takeAway(path, `${own}.stale`, holder);
    }
  } catch (error) {
    await unlink(own).catch(() => {});
    throw fileError("lock", folder, error);
  }
  await unlink(own);
  return () => unlink(path).catch(() => {});
}

let locks = 0;

/** The process that a lock names; null if there is no lock now. */
async function holderOf(path: string): Promise<number | null> {
  try {
    return Number(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Removes a dead process's lock, unless a living one has taken its place in the meantime: that is put back. */
async function takeAway(path: string, aside: string, dead: number): Promise<void> {
  await rename(path, aside).catch(() => {});
  if ((await holderOf(aside)) !== dead) await link(aside, path).catch(() => {});
  await unlink(aside).catch(() => {});
}
