/** The model that comes with this package. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Its name, and that of its folder under `models`. */
export const EMBEDDED_MODEL = "fourward-4m";

const folders = fileURLToPath(new URL("../../models/", import.meta.url));

/** The folder of a model: a path of the user's, or the name of one that comes with this package. */
export function modelFolder(nameOrPath: string): string {
  const own = join(folders, nameOrPath);
  return !existsSync(nameOrPath) && /^[\w.-]+$/.test(nameOrPath) && existsSync(own) ? own : nameOrPath;
}
