/** Text from data sets on the Hugging Face hub. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { listFiles } from "@huggingface/hub";
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  asyncBufferFromUrl,
  parquetMetadataAsync,
  parquetReadObjects,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { cacheFolder } from "../cache.ts";
import { download } from "../download.ts";
import { fileError, sha256File, writeFileAtomic } from "../files.ts";

/** Where the hub is: `HF_ENDPOINT`, as other tools of the hub have it, or the public one. */
const endpoint = (): string => (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");

/** A folder of Parquet files in a data set. */
export interface HubFolder {
  /** Owner and name of the data set. */
  readonly repo: string;
  readonly folder: string;
}

/** A file as the hub lists it. */
interface HubFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

type Parts = {
  readonly train: readonly string[];
  readonly validation: readonly string[];
  readonly test: readonly string[];
};

/**
 * The Parquet files of a folder. Their names, sizes and checksums are kept, so that a folder that was downloaded once
 * needs no connection. Throws one sentence if the hub cannot be reached or has no such folder.
 */
async function filesOf({ repo, folder }: HubFolder): Promise<readonly HubFile[]> {
  const kept = join(cacheFolder(), "hub", repo, folder, "files.json");
  if (existsSync(kept)) return JSON.parse(await readFile(kept, "utf8")) as HubFile[];
  const files: HubFile[] = [];
  try {
    const listed = listFiles({ repo: { type: "dataset", name: repo }, path: folder, hubUrl: endpoint() });
    for await (const { type, path, size, lfs } of listed)
      if (type === "file" && path.endsWith(".parquet") && lfs)
        files.push({ path, size: lfs.size ?? size, sha256: lfs.oid });
  } catch (error) {
    const { cause, message } = error as Error & { cause?: NodeJS.ErrnoException };
    throw new Error(
      `corpus ${repo}: it is not in the cache, and ${new URL(endpoint()).host} ${cause ? `cannot be reached (${cause.code ?? cause.message})` : `answered: ${message}`}; go online, or give a text file or folder of your own`,
    );
  }
  if (files.length === 0) throw new Error(`corpus ${repo}: the hub has no Parquet files in its folder ${folder}`);
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  await makeFolder(dirname(kept));
  await writeFileAtomic(kept, JSON.stringify(files));
  return files;
}

const makeFolder = (folder: string): Promise<unknown> =>
  mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError("make the folder", folder, error);
  });

const addressOf = (repo: string, path: string): string => `${endpoint()}/datasets/${repo}/resolve/main/${path}`;

/** A file of a data set in the cache, downloaded and checked against the hub's checksum if it is not there yet. */
async function cachedFile(repo: string, { path, size, sha256 }: HubFile): Promise<string> {
  const target = join(cacheFolder(), "hub", repo, path);
  if (existsSync(target)) return target;
  const check = async (part: string): Promise<Uint8Array | string> => {
    const found = await sha256File(part);
    return found === sha256 ? new Uint8Array() : `expected SHA-256 ${sha256}, got ${found}`;
  };
  const failure = await download([addressOf(repo, path)], target, { maxBytes: size, check });
  if (typeof failure !== "string") return target;
  throw new Error(`corpus ${repo}: ${path} could not be downloaded (${failure}); run it again to continue`);
}

/** Values of the column `text` between two rows. */
async function textRows(file: AsyncBuffer, rowStart?: number, rowEnd?: number): Promise<string[]> {
  const rows = await parquetReadObjects({
    file,
    columns: ["text"],
    compressors,
    ...(rowStart === undefined ? {} : { rowStart }),
    ...(rowEnd === undefined ? {} : { rowEnd }),
  });
  return rows.map(({ text }) => String(text ?? ""));
}

/** WikiText, whose rows are lines, cut into articles; its own parts are kept. Source: Merity et al. 2016, arXiv:1609.07843. */
export async function wikiText(set: HubFolder): Promise<Parts> {
  const files = await filesOf(set);
  const part = async (name: string): Promise<string[]> => {
    const articles: string[] = [];
    for (const file of files.filter(({ path }) => path.split("/").at(-1)?.startsWith(`${name}-`))) {
      for (const line of await textRows(await asyncBufferFromFile(await cachedFile(set.repo, file)))) {
        if (/^ = [^=].*[^=] = \s*$/.test(line) || articles.length === 0) articles.push("");
        articles[articles.length - 1] += line;
      }
    }
    if (articles.length === 0) throw new Error(`corpus ${set.repo}: the folder ${set.folder} has no part ${name}`);
    return articles.filter((article) => article.trim() !== "");
  };
  return { train: await part("train"), validation: await part("validation"), test: await part("test") };
}

/**
 * The first documents of a large data set, so many that their text has `megabytes`. Only the row groups that hold them
 * are fetched, by ranges of bytes; each is kept, so that a fetch that was cut goes on. A hash of a document says which
 * part it belongs to: 1 % each for validation and test.
 */
export async function sampleOf({ repo, folder }: HubFolder, megabytes: number): Promise<Parts> {
  if (!(megabytes > 0)) throw new RangeError(`corpus ${repo}: expected a size above 0 megabytes, got ${megabytes}`);
  const parts = { train: [] as string[], validation: [] as string[], test: [] as string[] };
  let left = megabytes * 1e6;
  for (const file of await filesOf({ repo, folder })) {
    for await (const documents of rowGroups(repo, file)) {
      for (const text of documents) {
        if (left <= 0) return parts;
        left -= Buffer.byteLength(text);
        const percent = createHash("sha256").update(text).digest().readUInt32LE(0) % 100;
        parts[percent < 98 ? "train" : percent === 98 ? "validation" : "test"].push(text);
      }
    }
  }
  return parts;
}

/** The documents of each row group of a file, from the cache or by ranges of the file's bytes. */
async function* rowGroups(repo: string, { path, size }: HubFile): AsyncGenerator<readonly string[]> {
  const keptAt = (group: number): string => join(cacheFolder(), "hub", repo, `${path}.${group}.jsonl`);
  let remote: { readonly buffer: AsyncBuffer; readonly ends: readonly number[] } | null = null;
  for (let group = 0; ; group++) {
    const kept = keptAt(group);
    if (existsSync(kept)) {
      yield await readLines(kept);
      continue;
    }
    remote ??= await openRemote(repo, path, size);
    const { buffer, ends } = remote;
    if (group >= ends.length) return;
    let documents: readonly string[];
    try {
      documents = await textRows(buffer, group === 0 ? 0 : ends[group - 1], ends[group]);
    } catch (error) {
      throw new Error(
        `corpus ${repo}: ${path} could not be read from the hub (${(error as Error).message}); run it again to continue`,
      );
    }
    await makeFolder(dirname(kept));
    await writeFileAtomic(kept, documents.map((text) => `${JSON.stringify(text)}\n`).join(""));
    yield documents;
  }
}

/** A file that stays on the hub, and the row after the last of each of its row groups. */
async function openRemote(repo: string, path: string, size: number) {
  try {
    const buffer = await asyncBufferFromUrl({ url: addressOf(repo, path), byteLength: size });
    const { row_groups } = await parquetMetadataAsync(buffer);
    let end = 0;
    return { buffer, ends: row_groups.map(({ num_rows }) => (end += Number(num_rows))) };
  } catch (error) {
    const { cause, message } = error as Error & { cause?: NodeJS.ErrnoException };
    throw new Error(
      `corpus ${repo}: ${path} could not be read from the hub (${cause?.code ?? message}); go online and run it again`,
    );
  }
}

async function readLines(path: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const line of createInterface({ input: createReadStream(path) })) texts.push(JSON.parse(line) as string);
  return texts;
}
