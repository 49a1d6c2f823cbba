/** What this package asks of the platform that it runs on, as Node gives it; `browser.ts` has the same names. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export { createHash } from "node:crypto";
export {
  closeSync,
  createReadStream,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  type Stats,
  writeSync,
} from "node:fs";
export { type FileHandle, mkdir, open, readdir, readFile, realpath, rename, rm, stat, unlink } from "node:fs/promises";
export { homedir } from "node:os";
export { basename, dirname, join, relative, resolve } from "node:path";
export { default as process } from "node:process";
export { setImmediate as nextTurn } from "node:timers/promises";
export { fileURLToPath } from "node:url";
export { isDeepStrictEqual } from "node:util";
export { constants, gunzipSync } from "node:zlib";

/** In Node there are files: whoever wants a page's data calls this by mistake. */
export async function serveFrom(address: string): Promise<void> {
  throw new Error(`data ${address}: this is for pages; in Node, FOURWARD_DATA names the folder of data`);
}

/** Bytes as text in base 64. */
export const toBase64 = ({ buffer, byteOffset, byteLength }: ArrayBufferView): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString("base64");

/** The bytes of a text in base 64, in memory of their own. */
export const fromBase64 = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, "base64"));

/** The folder of models that come with this package. */
export const modelsFolder = (): string => fileURLToPath(new URL("../../models/", import.meta.url));

/** The folders in which an installed package is found, as seen from this package and from the working folder. */
export const packageFolders = (name: string): readonly string[] =>
  [import.meta.url, join(process.cwd(), "package.json")].flatMap((from) => {
    try {
      return [dirname(createRequire(from).resolve(`${name}/package.json`))];
    } catch {
      return [];
    }
  });

const versionIn = (path: string): string => (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;

/** Describes this machine and the versions of what runs on it. */
export const machine = () => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: availableParallelism(),
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  system: `${platform()} ${release()}`,
  node: process.version,
  onnxruntime: versionIn(createRequire(import.meta.url).resolve("onnxruntime-node/package.json")),
  fourward: versionIn(fileURLToPath(new URL("../../package.json", import.meta.url))),
});
