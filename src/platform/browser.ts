/** What this package asks of the platform that it runs on, as a browser gives it; `node.ts` has the same names. */
import { env } from "onnxruntime-common";
import { existsSync } from "./memory-files.ts";
import { join } from "./paths.ts";
import { SERVED } from "./served-files.ts";
import { VERSION } from "./version.ts";

export { constants, gunzipSync } from "./gzip.ts";
export { createHash } from "./hash.ts";
export {
  closeSync,
  createReadStream,
  existsSync,
  type FileHandle,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdir,
  open,
  openSync,
  readdir,
  readFile,
  readFileSync,
  readSync,
  realpath,
  rename,
  rm,
  type Stats,
  stat,
  unlink,
  writeSync,
} from "./memory-files.ts";
export { basename, dirname, join, relative, resolve } from "./paths.ts";
export { serveFrom } from "./served-files.ts";

export const homedir = (): string => "/home";

/** There is one process, whose environment is the page's data. */
export const process = {
  env: { FOURWARD_DATA: SERVED } as { readonly [name: string]: string | undefined },
  pid: 1,
  cwd: (): string => "/",
  kill: (): boolean => true,
};

/** Lets other work of the thread have its turn. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** The path of a file's address; of other addresses what stands after the host. */
export const fileURLToPath = (address: string | URL): string => decodeURIComponent(new URL(address).pathname);

/** Whether two values of plain data are the same. */
export function isDeepStrictEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isDeepStrictEqual(a[key as never], b[key as never]))
  );
}

/** Letters that are put together at once; more arguments than that a call may not have. */
const RUN = 0x8000;

/** Bytes as text in base 64. */
export function toBase64({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  let text = "";
  for (let at = 0; at < byteLength; at += RUN)
    text += String.fromCharCode(...new Uint8Array(buffer, byteOffset + at, Math.min(RUN, byteLength - at)));
  return btoa(text);
}

/** The bytes of a text in base 64, in memory of their own. */
export const fromBase64 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** The folder of models that the data address may have. */
export const modelsFolder = (): string => join(SERVED, "models");

/** The folder in which the files of a package stand, if the data address has them. */
export const packageFolders = (name: string): readonly string[] =>
  [join(SERVED, "packages", name)].filter((folder) => existsSync(folder));

/** Describes this browser, as far as it lets pages know, and the versions of what runs on it. */
export function machine() {
  const {
    hardwareConcurrency: cores,
    userAgent,
    deviceMemory = 0,
  } = navigator as Navigator & { deviceMemory?: number };
  const [, browser = userAgent] = /((?:Edg|Chrome|Firefox|Version)\/[\d.]+)/.exec(userAgent) ?? [];
  return {
    cpu: "a processor that browsers do not name",
    cores,
    memoryGiB: deviceMemory,
    system: /\(([^)]*)\)/.exec(userAgent)?.[1] ?? "unknown",
    browser,
    onnxruntime: env.versions.common,
    fourward: VERSION,
  };
}
