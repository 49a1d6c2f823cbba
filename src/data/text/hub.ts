/** Text from data sets on the Hugging Face hub. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { DownloadOptions } from "../download.ts";
import { writeFileAtomic } from "../files.ts";
import { makeFolder } from "../hub.ts";
import { filesOf, type HubFile, type HubFolder, keptAt, rangesOf, readingError, wholeFile } from "./hub-files.ts";

type Parts = {
  readonly train: readonly string[];
  readonly validation: readonly string[];
  readonly test: readonly string[];
};

/** Values of the column `text`, of all rows or of those between two. */
async function textRows(
  file: AsyncBuffer,
  rows: { readonly metadata?: FileMetaData; readonly rowStart?: number; readonly rowEnd?: number } = {},
): Promise<string[]> {
  const found = await parquetReadObjects({ file, columns: ["text"], compressors, ...rows });
  return found.map(({ text }) => String(text ?? ""));
}

/**
 * WikiText, whose rows are lines, cut into articles; its own parts are kept. Throws one sentence if it is not on this
 * machine and cannot be downloaded. Source: Merity et al. 2016, arXiv:1609.07843.
 */
export async function wikiText(set: HubFolder, options: DownloadOptions = {}): Promise<Parts> {
  const files = await filesOf(set, options);
  const part = async (name: string): Promise<string[]> => {
    const articles: string[] = [];
    for (const file of files.filter(({ path }) => path.split("/").at(-1)?.startsWith(`${name}-`))) {
      const buffer = await wholeFile(set, file, options);
      const lines = await textRows(buffer).catch((error: unknown) => {
        throw readingError(set, file, error, options);
      });
      for (const line of lines) {
        // Sections have more than one sign of equality on each side.
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
 * part it belongs to: 1 % each for validation and test. Progress counts bytes of text.
 */
export async function sampleOf(set: HubFolder, megabytes: number, options: DownloadOptions = {}): Promise<Parts> {
  if (!(megabytes > 0)) throw new RangeError(`corpus ${set.repo}: expected a size above 0 megabytes, got ${megabytes}`);
  const parts = { train: [] as string[], validation: [] as string[], test: [] as string[] };
  const total = megabytes * 1e6;
  let received = 0;
  for (const file of await filesOf(set, options)) {
    for await (const documents of rowGroups(set, file, options)) {
      for (const text of documents) {
        received += Buffer.byteLength(text);
        const percent = createHash("sha256").update(text).digest().readUInt32LE(0) % 100;
        parts[percent < 98 ? "train" : percent === 98 ? "validation" : "test"].push(text);
        if (received >= total) return parts;
      }
      options.onProgress?.({ file: file.path, received, total });
    }
  }
  return parts;
}

/** The documents of each row group of a file, from the cache or by ranges of the file's bytes. */
async function* rowGroups(set: HubFolder, file: HubFile, options: DownloadOptions): AsyncGenerator<readonly string[]> {
  let opened: Opened | undefined;
  for (let group = 0; ; group++) {
    const kept = keptAt(set, `${file.path}.${group}.jsonl`);
    if (file.local === undefined && existsSync(kept)) {
      yield await readLines(kept);
      continue;
    }
    let documents: readonly string[];
    try {
      opened ??= await open(await rangesOf(set, file, options));
      const { buffer, metadata, ends } = opened;
      if (group >= ends.length) return;
      const [rowStart, rowEnd] = [group === 0 ? 0 : (ends[group - 1] as number), ends[group] as number];
      documents = await textRows(buffer, { metadata, rowStart, rowEnd });
    } catch (error) {
      throw readingError(set, file, error, options);
    }
    if (file.local === undefined) {
      await makeFolder(dirname(kept));
      await writeFileAtomic(kept, documents.map((text) => `${JSON.stringify(text)}\n`).join(""));
    }
    yield documents;
  }
}

/** A file with its table of contents, which is megabytes long in large files, and the row after each row group. */
interface Opened {
  readonly buffer: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly ends: readonly number[];
}

async function open(buffer: AsyncBuffer): Promise<Opened> {
  const metadata = await parquetMetadataAsync(buffer);
  let end = 0;
  return { buffer, metadata, ends: metadata.row_groups.map(({ num_rows }) => (end += Number(num_rows))) };
}

async function readLines(path: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const line of createInterface({ input: createReadStream(path) })) texts.push(JSON.parse(line) as string);
  return texts;
}
