/** Models that verbs are given, with progress while one is downloaded. */
import { findModel } from "../models/index.ts";
import { ProgressLine } from "./progress.ts";

/** The folder of a model by a path, a name of this package, or a name on the hub; see `findModel`. */
export async function foundModel(nameOrPath: string, signal?: AbortSignal): Promise<string> {
  const line = new ProgressLine();
  try {
    return await findModel(nameOrPath, {
      ...(signal ? { signal } : {}),
      onProgress: ({ file, received, total }) =>
        line.update({
          stage: `downloading ${file}`,
          done: received / 1e6,
          total: (total ?? received) / 1e6,
          unit: "MB",
        }),
    });
  } finally {
    line.end();
  }
}
