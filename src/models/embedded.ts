/** The model that comes with this package. */
import { existsSync, join, modelsFolder } from "#platform";

/** Its name, and that of its folder under `models`. */
export const EMBEDDED_MODEL = "fourward-4m";

/** The folder of a model: a path of the user's, or the name of one that comes with this package. */
export function modelFolder(nameOrPath: string): string {
  const own = join(modelsFolder(), nameOrPath);
  return !existsSync(nameOrPath) && /^[\w.-]+$/.test(nameOrPath) && existsSync(own) ? own : nameOrPath;
}
