/** The data that pages read: what studies need of texts, images and models, as a folder that any server can serve. */
import { createHash, existsSync, join, mkdir, modelsFolder, packageFolders, readdir, readFile } from "#platform";
import type { ServedFile } from "../platform/served-files.ts";
import { findDataFile } from "./cache.ts";
import { coastlineSource } from "./coastlines.ts";
import { fileError, writeFileAtomic } from "./files.ts";
import { type DataFile, type DataSource, imageSources } from "./sources.ts";
import { corpusPackages } from "./text/books-and-speeches.ts";
import { timeSeriesSources } from "./time-series.ts";

/** A file for pages: where it is served, and where it lies on this machine. */
export interface PageFile extends ServedFile {
  readonly from: string;
}

/**
 * All files for pages that this machine has: the corpus of books and speeches, the embedded model, and the data sets
 * that are found without a download. Served below one address with `files.json`, which is this list without `from`.
 */
export async function pageData(): Promise<readonly PageFile[]> {
  const found: { readonly path: string; readonly from: string }[] = [];
  for (const name of Object.values(corpusPackages)) {
    const folder = join(packageFolders(name)[0] ?? name, "data");
    for (const file of await namesIn(folder))
      if (file.endsWith(".txt")) found.push({ path: `packages/${name}/data/${file}`, from: join(folder, file) });
  }
  for (const model of await namesIn(modelsFolder()))
    for (const file of await namesIn(join(modelsFolder(), model)))
      if (/\.(json|safetensors)$/.test(file))
        found.push({ path: `models/${model}/${file}`, from: join(modelsFolder(), model, file) });
  for (const [source, file] of dataFiles()) {
    const from = findDataFile(source, file);
    if (from !== null) found.push({ path: `${source.name}/${from.replaceAll("\\", "/").split("/").at(-1)}`, from });
  }
  const files: PageFile[] = [];
  for (const { path, from } of found) {
    const content = await readFile(from);
    files.push({ path, bytes: content.length, sha256: createHash("sha256").update(content).digest("hex"), from });
  }
  return files;
}

const dataFiles = (): readonly (readonly [DataSource, DataFile])[] => [
  ...Object.values(imageSources).flatMap((source) =>
    [source.train, source.test].flatMap(({ images, labels }) => [[source, images] as const, [source, labels] as const]),
  ),
  ...Object.values(timeSeriesSources).map((source) => [source, source.file] as const),
  ...coastlineSource.files.map((file) => [coastlineSource, file] as const),
];

const namesIn = async (folder: string): Promise<string[]> => (existsSync(folder) ? (await readdir(folder)).sort() : []);

/** What is served as `files.json`. */
export const pageFileList = (files: readonly PageFile[]): string =>
  JSON.stringify(files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 })));

/**
 * Writes the files for pages and their list into a folder, whose address pages then give to `runInBrowser`. Gives the
 * number of bytes. Throws one sentence if a file cannot be written.
 */
export async function writePageData(folder: string): Promise<number> {
  const files = await pageData();
  for (const { path, from } of files) {
    const target = join(folder, path);
    await mkdir(join(target, ".."), { recursive: true }).catch((error: unknown) => {
      throw fileError("make the folder", join(target, ".."), error);
    });
    await writeFileAtomic(target, await readFile(from));
  }
  await writeFileAtomic(join(folder, "files.json"), pageFileList(files));
  return files.reduce((total, { bytes }) => total + bytes, 0);
}
