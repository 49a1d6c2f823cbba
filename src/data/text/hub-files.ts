/** Parquet files of data sets on the Hugging Face hub: found on this machine, downloaded whole, or read by ranges. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { listFiles } from "@huggingface/hub";
import { type AsyncBuffer, asyncBufferFromFile, asyncBufferFromUrl } from "hyparquet";
import { cacheFolder } from "../cache.ts";
import { type DownloadOptions, download } from "../download.ts";
import { fileError, sha256File, writeFileAtomic } from "../files.ts";

/** A folder of Parquet files in a data set. */
export interface HubFolder {
  /** Owner and name of the data set. */
  readonly repo: string;
  readonly folder: string;
}

/** A file of a folder: one that the user put there, or one that the hub lists. */
export type HubFile =
  | { readonly path: string; readonly local: string }
  | { readonly path: string; readonly local?: undefined; readonly size: number; readonly sha256: string };

/** Where the hub is: `HF_ENDPOINT`, as other tools of the hub have it, or the public one. */
function endpoint(): string {
  const address = (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  if (URL.canParse(address)) return address;
  throw new Error(`HF_ENDPOINT: expected the address of a hub such as https://huggingface.co, got ${address}`);
}

/** Where a file or list of a data set is kept. */
export const keptAt = ({ repo }: HubFolder, path: string): string => join(cacheFolder(), "hub", repo, path);

const listKeptAt = (set: HubFolder): string => keptAt(set, `${set.folder}/files.json`);

/** What to do if the hub does not help. */
const waysToSupply = ({ repo, folder }: HubFolder): string =>
  `go online and run it again, or put the Parquet files of https://huggingface.co/datasets/${repo}/tree/main/${folder} into a folder ${repo}/${folder} and set FOURWARD_DATA to the folder that holds it`;

/** Why something of the hub could not be had, in words that stand behind "hub". */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error & { cause?: NodeJS.ErrnoException };
  const host = new URL(endpoint()).host;
  return cause ? `${host} cannot be reached (${cause.code ?? cause.message})` : `${host} answered: ${message}`;
}

/**
 * The Parquet files of a folder in the order of their names: those in `<FOURWARD_DATA>/<repo>/<folder>` if there are
 * any, else those that the hub lists. The hub's list, with sizes and checksums, is kept, so that a folder that was
 * downloaded once needs no connection. Throws one sentence if the hub cannot be reached or has no such folder.
 */
export async function filesOf(set: HubFolder, options: DownloadOptions): Promise<readonly HubFile[]> {
  const { repo, folder } = set;
  const own = await ownFiles(set);
  if (own.length > 0) return own;
  const kept = listKeptAt(set);
  if (existsSync(kept)) return JSON.parse(await readFile(kept, "utf8")) as HubFile[];
  const files: HubFile[] = [];
  const hubUrl = endpoint();
  try {
    const listed = listFiles({
      repo: { type: "dataset", name: repo },
      path: folder,
      hubUrl,
      fetch: (address, init) => fetch(address, { ...init, ...signalOf(options) }),
    });
    for await (const { type, path, size, lfs } of listed) {
      // A path becomes a path in the cache, which it must not leave.
      const inside = path.startsWith(`${folder}/`) && !path.split("/").includes("..");
      if (type === "file" && inside && path.endsWith(".parquet") && lfs)
        files.push({ path, size: lfs.size ?? size, sha256: lfs.oid });
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new Error(`corpus ${repo}: ${folder} is not on this machine, and ${reasonOf(error)}; ${waysToSupply(set)}`);
  }
  if (files.length === 0) throw new Error(`corpus ${repo}: the hub has no Parquet files in its folder ${folder}`);
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  await makeFolder(dirname(kept));
  await writeFileAtomic(kept, JSON.stringify(files));
  return files;
}

async function ownFiles({ repo, folder }: HubFolder): Promise<HubFile[]> {
  if (!process.env.FOURWARD_DATA) return [];
  const own = join(process.env.FOURWARD_DATA, repo, folder);
  if (!existsSync(own)) return [];
  const names = await readdir(own).catch((error: unknown) => {
    throw fileError("read", own, error);
  });
  const found = names.filter((name) => name.endsWith(".parquet")).sort();
  return found.map((name) => ({ path: `${folder}/${name}`, local: join(own, name) }));
}

/** Makes a folder and those above it. */
export const makeFolder = (folder: string): Promise<unknown> =>
  mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError("make the folder", folder, error);
  });

const addressOf = ({ repo }: HubFolder, path: string): string =>
  `${endpoint()}/datasets/${repo}/resolve/main/${path.split("/").map(encodeURIComponent).join("/")}`;

/**
 * A whole file: the user's own, or the one in the cache, downloaded unless it is there with the checksum that the hub
 * lists. A download that was cut is continued by the next call.
 */
export async function wholeFile(set: HubFolder, file: HubFile, options: DownloadOptions): Promise<AsyncBuffer> {
  if (file.local !== undefined) return asyncBufferFromFile(file.local);
  const { path, size, sha256 } = file;
  const target = keptAt(set, path);
  if (existsSync(target) && (await sha256File(target)) === sha256) return asyncBufferFromFile(target);
  const check = async (part: string): Promise<Uint8Array | string> => {
    const found = await sha256File(part);
    return found === sha256 ? new Uint8Array() : `expected SHA-256 ${sha256}, got ${found}`;
  };
  const failure = await download([addressOf(set, path)], target, { maxBytes: size, check }, options);
  if (typeof failure !== "string") return asyncBufferFromFile(target);
  // The hub may have other files by now: the next call asks for their list again.
  await rm(listKeptAt(set), { force: true });
  throw new Error(`corpus ${set.repo}: ${path} could not be downloaded (${failure}); ${waysToSupply(set)}`);
}

/** A file of which only ranges are fetched as they are read, or the user's own. */
export function rangesOf(set: HubFolder, file: HubFile, options: DownloadOptions): Promise<AsyncBuffer> {
  if (file.local !== undefined) return asyncBufferFromFile(file.local);
  const url = addressOf(set, file.path);
  return asyncBufferFromUrl({ url, byteLength: file.size, requestInit: signalOf(options) });
}

/** Turns a failure to read Parquet into one sentence: the user's file is wrong, or the hub did not give what was asked. */
export function readingError(set: HubFolder, file: HubFile, error: unknown, { signal }: DownloadOptions): Error {
  signal?.throwIfAborted();
  if (file.local !== undefined)
    return new Error(`corpus ${set.repo}: ${file.local} could not be read as Parquet (${(error as Error).message})`);
  return new Error(`corpus ${set.repo}: ${file.path} could not be read, ${reasonOf(error)}; ${waysToSupply(set)}`);
}

const signalOf = ({ signal }: DownloadOptions) => (signal ? { signal } : {});
