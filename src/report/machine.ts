/** The machine a measurement was made on. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** Version of the runtime that executed the graphs. */
  readonly onnxruntime: string;
  readonly fourward: string;
}

const versionIn = (path: string): string => (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;

/** Describes this machine and the versions of what ran on it. */
export function describeMachine(): Machine {
  const require = createRequire(import.meta.url);
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    onnxruntime: versionIn(require.resolve("onnxruntime-node/package.json")),
    fourward: versionIn(fileURLToPath(new URL("../../package.json", import.meta.url))),
  };
}
