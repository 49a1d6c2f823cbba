/** Text of the user's own: a file, or a folder of files. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileError } from "../files.ts";

interface Parts {
  readonly train: readonly string[];
  readonly validation: readonly string[];
  readonly test: readonly string[];
}

/** Of a hundred characters, or files, so many are for training; the rest is shared by validation and test. */
const TRAIN_PERCENT = 90;

/**
 * The text of a file, cut at ends of lines into the first 90 % for training and 5 % each for validation and test; or of
 * all `.txt` and `.md` files in a folder, each wholly in the part that a hash of its name says. Throws one sentence if
 * there is nothing, or what is there is empty or not UTF-8 text.
 */
export async function readTextPath(path: string): Promise<Parts> {
  const info = await stat(path).catch((error: unknown) => {
    throw fileError("read", path, error);
  });
  return info.isDirectory() ? readFolder(path) : cutFile(path, await readText(path));
}

/** What is surely below the longest string of the engine, whatever the letters. */
const MAX_BYTES = 500e6;

/** The text of a file; one sentence if it is empty, larger than 500 MB or not UTF-8 text. */
export async function readText(path: string): Promise<string> {
  const info = await stat(path).catch((error: unknown) => {
    throw fileError("read", path, error);
  });
  // Devices and pipes may have no end.
  if (!info.isFile() && !info.isDirectory())
    throw new Error(`read ${path}: it is a device or a pipe; write its text to a file first`);
  if (info.size > MAX_BYTES)
    throw new Error(
      `read ${path}: ${Math.round(info.size / 1e6)} MB are too many for one file; cut it into files of up to 500 MB in a folder`,
    );
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError("read", path, error);
  });
  if (bytes.length === 0) throw new Error(`read ${path}: the file is empty; give a file with text`);
  if (bytes.includes(0))
    throw new Error(`read ${path}: it holds zero bytes, so it is not text; give a UTF-8 text file`);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (text.trim() === "") throw new Error("blank");
    return text;
  } catch (error) {
    if ((error as Error).message === "blank") throw new Error(`read ${path}: the file holds nothing but blanks`);
    throw new Error(`read ${path}: it is not UTF-8 text; convert it first`);
  }
}

function cutFile(path: string, text: string): Parts {
  const rest = (100 - TRAIN_PERCENT) / 2;
  // At the next end of a line, else at a blank, else (not all languages have blanks) between two letters.
  const cut = (percent: number): number => {
    const wanted = Math.floor((text.length * percent) / 100);
    const near = (at: number): boolean => at >= 0 && Math.abs(at - wanted) < text.length / 50;
    const [line, blank] = [text.indexOf("\n", wanted), text.lastIndexOf(" ", wanted)];
    if (near(line)) return line + 1;
    if (near(blank)) return blank + 1;
    // Never between the halves of a letter.
    return wanted + (/[\uDC00-\uDFFF]/.test(text.charAt(wanted)) ? 1 : 0);
  };
  const [first, second] = [cut(TRAIN_PERCENT), cut(TRAIN_PERCENT + rest)];
  const parts = { train: text.slice(0, first), validation: text.slice(first, second), test: text.slice(second) };
  const missing = Object.entries(parts).find(([, part]) => part.trim() === "");
  if (missing)
    throw new Error(`read ${path}: ${text.length} characters are too few to be cut into three parts; give more text`);
  return { train: [parts.train], validation: [parts.validation], test: [parts.test] };
}

async function readFolder(folder: string): Promise<Parts> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    throw fileError("read", folder, error);
  });
  const paths = entries
    .filter((entry) => (entry.isFile() || entry.isSymbolicLink()) && /\.(txt|md)$/i.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (paths.length === 0) throw new Error(`read ${folder}: there is no .txt or .md file in it`);
  const parts = { train: [] as string[], validation: [] as string[], test: [] as string[] };
  for (const path of paths) parts[partOf(relative(folder, path).replaceAll("\\", "/"))].push(await readText(path));
  for (const part of ["train", "validation", "test"] as const) {
    if (parts[part].length > 0) continue;
    // Few files can leave a part without any: then all of their text is cut by position.
    const all = Object.values(parts).flat();
    return cutFile(folder, all.join("\n"));
  }
  return parts;
}

/** The part of a file, by a hash of its name, so that it does not change when other files come and go. */
function partOf(name: string): keyof Parts {
  const percent = createHash("sha256").update(name).digest().readUInt32LE(0) % 100;
  if (percent < TRAIN_PERCENT) return "train";
  return percent < (100 + TRAIN_PERCENT) / 2 ? "validation" : "test";
}
