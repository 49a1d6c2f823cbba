/**
 * Files of a page: those that are written live in memory and go with the page; those of the page's data address are
 * fetched when they are first read. Functions have the names, the meaning and the error codes of Node's.
 */
import { dirname, resolve } from "./paths.ts";
import { isServed, readServed, servedBelow, servedSize } from "./served-files.ts";

interface File {
  bytes: Uint8Array;
  /** Longer than the content while it grows. */
  length: number;
}

const files = new Map<string, File>();
const folders = new Set(["/"]);
const descriptors = new Map<number, File>();
let nextDescriptor = 3;

const fail = (code: string, action: string, path: string): never => {
  throw Object.assign(new Error(`${code}: ${action} '${path}'`), { code, path });
};

const isFolder = (path: string): boolean =>
  folders.has(path) || servedBelow(path).length > 0 || [...files.keys()].some((file) => file.startsWith(`${path}/`));

const contentOf = ({ bytes, length }: File): Uint8Array => bytes.subarray(0, length);

function make(path: string): File {
  if (isFolder(path)) fail("EISDIR", "open", path);
  if (!isFolder(dirname(path))) fail("ENOENT", "open", path);
  const file = { bytes: new Uint8Array(), length: 0 };
  files.set(path, file);
  return file;
}

function append(file: File, added: Uint8Array): void {
  if (file.length + added.length > file.bytes.length) {
    const longer = new Uint8Array(Math.max(file.length + added.length, 2 * file.bytes.length));
    longer.set(contentOf(file));
    file.bytes = longer;
  }
  file.bytes.set(added, file.length);
  file.length += added.length;
}

function read(file: File, into: Uint8Array, offset: number, length: number, position: number): number {
  const part = contentOf(file).subarray(position, position + length);
  into.set(part, offset);
  return part.length;
}

/** A file of memory, or one of the data address, fetched if need be. */
async function load(path: string): Promise<File> {
  const known = files.get(path);
  if (known) return known;
  if (isFolder(path)) fail("EISDIR", "read", path);
  if (!isServed(path)) fail("ENOENT", "open", path);
  const bytes = await readServed(path);
  return { bytes, length: bytes.length };
}

export interface Stats {
  readonly size: number;
  readonly mode: number;
  readonly mtimeMs: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

const statsOf = (size: number, file: boolean): Stats => ({
  size,
  mode: 0o666,
  mtimeMs: 0,
  isFile: () => file,
  isDirectory: () => !file,
});

const asBytes = (data: Uint8Array | string): Uint8Array =>
  typeof data === "string" ? new TextEncoder().encode(data) : data;

export const existsSync = (given: string): boolean => {
  const path = resolve(given);
  return files.has(path) || isServed(path) || isFolder(path);
};

export async function stat(given: string): Promise<Stats> {
  const path = resolve(given);
  const size = files.get(path)?.length ?? servedSize(path);
  if (size !== undefined) return statsOf(size, true);
  return isFolder(path) ? statsOf(0, false) : fail("ENOENT", "stat", path);
}

export async function realpath(path: string): Promise<string> {
  return existsSync(path) ? resolve(path) : fail("ENOENT", "realpath", path);
}

export async function readFile(path: string): Promise<Uint8Array<ArrayBuffer>>;
export async function readFile(path: string, encoding: "utf8"): Promise<string>;
export async function readFile(path: string, encoding?: "utf8"): Promise<Uint8Array<ArrayBuffer> | string> {
  const bytes = contentOf(await load(resolve(path)));
  return encoding ? new TextDecoder().decode(bytes) : new Uint8Array(bytes);
}

export async function mkdir(given: string, _: { readonly recursive: true }): Promise<void> {
  for (let path = resolve(given); path !== "/"; path = dirname(path)) {
    if (files.has(path)) fail("ENOTDIR", "mkdir", path);
    folders.add(path);
  }
}

/** Names in a folder. */
export async function readdir(given: string): Promise<string[]> {
  const path = resolve(given);
  if (!isFolder(path)) fail("ENOENT", "scandir", path);
  const start = path === "/" ? "/" : `${path}/`;
  const below = [...files.keys(), ...folders, ...servedBelow(path)].filter((name) => name.startsWith(start));
  return [...new Set(below.map((name) => name.slice(start.length).split("/")[0] as string))].filter(Boolean).sort();
}

export async function rm(given: string, _: { readonly recursive: true; readonly force: true }): Promise<void> {
  const path = resolve(given);
  for (const known of [files, folders])
    for (const name of [...known.keys()]) if (name === path || name.startsWith(`${path}/`)) known.delete(name);
}

export async function unlink(given: string): Promise<void> {
  if (!files.delete(resolve(given))) fail("ENOENT", "unlink", given);
}

export async function rename(from: string, to: string): Promise<void> {
  const file = files.get(resolve(from)) ?? fail("ENOENT", "rename", from);
  files.set(resolve(to), file);
  files.delete(resolve(from));
}

/** What `open` gives. */
export interface FileHandle {
  stat(): Promise<Stats>;
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  writeFile(data: Uint8Array | string): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a file to read it, or a new one to write it. */
export async function open(given: string, flags: "r" | "wx" = "r"): Promise<FileHandle> {
  const path = resolve(given);
  if (flags === "wx" && existsSync(path)) fail("EEXIST", "open", path);
  const file = flags === "wx" ? make(path) : isFolder(path) ? { bytes: new Uint8Array(), length: 0 } : await load(path);
  return {
    stat: async () => statsOf(file.length, true),
    read: async (into, offset, length, position) => ({ bytesRead: read(file, into, offset, length, position) }),
    writeFile: async (data) => append(file, asBytes(data)),
    sync: async () => {},
    close: async () => {},
  };
}

const opened = (descriptor: number): File => descriptors.get(descriptor) ?? fail("EBADF", "use", String(descriptor));

/** Opens a file of memory: to read it, or to append to it, which makes it if need be. */
export function openSync(given: string, flags: "r" | "a+"): number {
  const path = resolve(given);
  const file = files.get(path) ?? (flags === "a+" ? make(path) : fail("ENOENT", "open", path));
  descriptors.set(nextDescriptor, file);
  return nextDescriptor++;
}

export const closeSync = (descriptor: number): void => {
  descriptors.delete(descriptor);
};
export const fstatSync = (descriptor: number): Stats => statsOf(opened(descriptor).length, true);
export const readFileSync = (descriptor: number): Uint8Array => contentOf(opened(descriptor)).slice();
export const readSync = (
  descriptor: number,
  into: Uint8Array,
  offset: number,
  length: number,
  position: number,
): number => read(opened(descriptor), into, offset, length, position);
export const ftruncateSync = (descriptor: number, length: number): void => {
  opened(descriptor).length = length;
};
export const fsyncSync = (_: number): void => {};
/** Appends bytes, from number `offset` on. */
export function writeSync(descriptor: number, data: Uint8Array, offset = 0): number {
  append(opened(descriptor), data.subarray(offset));
  return data.length - offset;
}

/** A file in pieces; here in one. */
export async function* createReadStream(
  path: string,
  _: { readonly highWaterMark: number },
): AsyncGenerator<Uint8Array> {
  yield await readFile(path);
}
