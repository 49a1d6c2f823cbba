import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";

/** Runs `work` on a freshly mounted file system of 256 kB; where mounting is not permitted, says so and skips it. */
export async function onSmallDisk(folder: string, work: () => Promise<void>): Promise<void> {
  mkdirSync(folder, { recursive: true });
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]).status !== 0) {
    console.log("skipped: mounting a small tmpfs is not permitted here");
    return;
  }
  try {
    await work();
  } finally {
    spawnSync("umount", [folder]);
  }
}
