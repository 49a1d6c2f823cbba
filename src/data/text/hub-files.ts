/** Parquet files of data sets on the Hugging Face hub: found on this machine, downloaded whole, or read by ranges. */
import { existsSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type AsyncBuffer, asyncBufferFromFile, asyncBufferFromUrl } from "hyparquet";
import { cacheFolder } from "../cache.ts";
import type { DownloadOptions } from "../download.ts";
import { fileError, sha256File, writeFileAtomic } from "../files.ts";
import {
  downloadHubFile,
  type HubEntry,
  type HubRepo,
  hubAddress,
  hubFiles,
  hubPage,
  hubReason,
  makeFolder,
} from "../hub.ts";

/** A folder of Parquet files in a data set. */
export interface HubFolder {
  /** Owner and name of the data set. */
  readonly repo: string;
  readonly folder: string;
}

/** A file of a folder: one that the user put there, or one that the hub lists. */
export type HubFile = { readonly path: string; readonly local: string } | (HubEntry & { readonly local?: undefined });

const repoOf = ({ repo }: HubFolder): HubRepo => ({ type: "dataset", name: repo });

/** Where a file or list of a data set is kept. */
export const keptAt = ({ repo }: HubFolder, path: string): string => join(cacheFolder(), "hub", repo, path);

const listKeptAt = (set: HubFolder): string => keptAt(set, `${set.folder}/files.json`);

/** What to do if the hub does not help. */
const waysToSupply = ({ repo, folder }: HubFolder): string =>
  `go online and run it again, or put the Parquet files of ${hubPage({ type: "dataset", name: repo }, folder)} into a folder ${repo}/${folder} and set FOURWARD_DATA to the folder that holds it`;

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
  let listed: readonly HubEntry[];
  try {
    listed = await hubFiles(repoOf(set), folder, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new Error(`corpus ${repo}: ${folder} is not on this machine, and ${hubReason(error)}; ${waysToSupply(set)}`);
  }
  const files = listed.filter(({ path, hash }) => path.endsWith(".parquet") && hash.kind === "sha256");
  if (files.length === 0) throw new Error(`corpus ${repo}: the hub has no Parquet files in its folder ${folder}`);
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

/**
 * A whole file: the user's own, or the one in the cache, downloaded unless it is there with the checksum that the hub
 * lists. A download that was cut is continued by the next call.
 */
export async function wholeFile(set: HubFolder, file: HubFile, options: DownloadOptions): Promise<AsyncBuffer> {
  if (file.local !== undefined) return asyncBufferFromFile(file.local);
  const { path, hash } = file;
  const target = keptAt(set, path);
  if (existsSync(target) && (await sha256File(target)) === hash.hex) return asyncBufferFromFile(target);
  const failure = await downloadHubFile(repoOf(set), file, target, options);
  if (failure === null) return asyncBufferFromFile(target);
  // The hub may have other files by now: the next call asks for their list again.
  await rm(listKeptAt(set), { force: true });
  throw new Error(`corpus ${set.repo}: ${path} could not be downloaded (${failure}); ${waysToSupply(set)}`);
}

/** A file of which only ranges are fetched as they are read, or the user's own. */
export function rangesOf(set: HubFolder, file: HubFile, options: DownloadOptions): Promise<AsyncBuffer> {
  if (file.local !== undefined) return asyncBufferFromFile(file.local);
  const url = hubAddress(repoOf(set), file.path);
  return asyncBufferFromUrl({ url, byteLength: file.size, requestInit: signalOf(options) });
}

/** Turns a failure to read Parquet into one sentence: the user's file is wrong, or the hub did not give what was asked. */
export function readingError(set: HubFolder, file: HubFile, error: unknown, { signal }: DownloadOptions): Error {
  signal?.throwIfAborted();
  if (file.local !== undefined)
    return new Error(`corpus ${set.repo}: ${file.local} could not be read as Parquet (${(error as Error).message})`);
  return new Error(`corpus ${set.repo}: ${file.path} could not be read, ${hubReason(error)}; ${waysToSupply(set)}`);
}

const signalOf = ({ signal }: DownloadOptions) => (signal ? { signal } : {});
