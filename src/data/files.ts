/** Files that survive crashes: atomic replacement, append-only metrics, checksums, and file errors in one sentence. */
import {
  basename,
  closeSync,
  createHash,
  createReadStream,
  dirname,
  existsSync,
  type FileHandle,
  fsyncSync,
  ftruncateSync,
  join,
  open,
  openSync,
  process,
  readdir,
  readFile,
  readFileSync,
  realpath,
  rename,
  resolve,
  type Stats,
  stat,
  unlink,
  writeSync,
} from "#platform";

/** Bytes or text to write: whole, or in parts that are written in order without being held together in memory. */
export type FileData = Uint8Array | string | Iterable<Uint8Array | string> | AsyncIterable<Uint8Array | string>;

/**
 * Writes a file so that `path` holds either all of the new content or all of the old, whatever happens in between:
 * the data goes to a temporary file in the same folder, which is synced and then renamed over `path`, and the folder
 * is synced where the platform can. A symbolic link is followed; an existing file keeps its permissions.
 *
 * On failure the temporary file is removed, the previous file is untouched, and one sentence says what went wrong
 * (disk full, no permission, no such folder). A temporary file left by a killed process is removed by the next write
 * of the same file.
 */
export async function writeFileAtomic(path: string, data: FileData): Promise<void> {
  const target = await realpath(path).catch(() => resolve(path));
  const previous = await stat(target).catch(() => null);
  if (previous && !previous.isFile()) {
    throw new Error(
      `write ${path}: expected a file or a free name, but it is ${kindOf(previous)}; choose another path`,
    );
  }
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.${writes++}.tmp`);
  let handle: FileHandle | null = null;
  try {
    handle = await open(temporary, "wx", previous ? previous.mode & 0o777 : 0o666);
    for await (const part of isWhole(data) ? [data] : data) await handle.writeFile(part);
    await handle.sync();
    await handle.close();
    await rename(temporary, target);
  } catch (error) {
    if (handle) {
      await handle.close().catch(() => {});
      await unlink(temporary).catch(() => {});
    }
    throw fileError("write", path, error);
  }
  await syncFolder(dirname(target));
  await removeOrphans(target);
}

let writes = 0;

const isWhole = (data: FileData): data is Uint8Array | string => typeof data === "string" || data instanceof Uint8Array;

const kindOf = (stats: Stats): string => (stats.isDirectory() ? "a folder" : "a device or a pipe");

/** Makes a rename durable. Windows and some network file systems cannot sync a folder: there the rename must do. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => null);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

/**
 * Removes temporary files of `target` whose writer is gone. The age guards a writer on another machine of a shared
 * folder, whose process number means nothing here but whose file is being touched.
 */
async function removeOrphans(target: string): Promise<void> {
  const prefix = `.${basename(target)}.`;
  for (const name of await readdir(dirname(target)).catch(() => [])) {
    const pid = name.startsWith(prefix) ? /^(\d+)\.\d+\.tmp$/.exec(name.slice(prefix.length))?.[1] : undefined;
    if (pid === undefined || isRunning(Number(pid))) continue;
    const orphan = join(dirname(target), name);
    const age = await stat(orphan)
      .then((stats) => Date.now() - stats.mtimeMs)
      .catch(() => 0);
    if (age > 60_000) await unlink(orphan).catch(() => {});
  }
}

/** True if a process of this number is alive on this machine. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

/** An append-only file of one JSON object a line. */
export interface JsonlWriter {
  /**
   * Appends one row; when it returns, the row is with the operating system and survives the death of this process.
   * JSON has no non-finite numbers: they are written as the strings "NaN", "Infinity" and "-Infinity".
   */
  write(row: Readonly<Record<string, unknown>>): void;
  /** Syncs the rows to disk and closes the file. */
  close(): void;
}

/**
 * Opens a metrics file for appending rows that carry their `step`.
 *
 * Crash behaviour: a row is one write, so killing the process leaves at most one torn line, the last; losing power can
 * lose rows written since the last `close`. With `resumeAt`, an existing file is continued: a torn last line and
 * everything from the first row with `step > resumeAt` on are cut off, so a run resumed from the checkpoint of that
 * step writes the file that an unbroken run would have written. Without it the file starts empty.
 * Throws one sentence, changing nothing, if the file to continue is not JSONL.
 */
export function jsonlWriter(path: string, options: { readonly resumeAt?: number } = {}): JsonlWriter {
  const { resumeAt } = options;
  const file = attempt("open", path, () => openSync(path, "a+"));
  let length = 0;
  try {
    if (resumeAt !== undefined) length = keptLength(path, readFileSync(file), resumeAt);
    ftruncateSync(file, length);
  } catch (error) {
    closeSync(file);
    throw fileError("open", path, error);
  }
  return {
    write(row) {
      const line = new TextEncoder().encode(`${JSON.stringify(row, spellNonFinite)}\n`);
      try {
        for (let done = 0; done < line.length; ) done += writeSync(file, line, done);
        length += line.length;
      } catch (error) {
        // Half a row must not stay: the next one would be glued to it.
        ftruncateSync(file, length);
        throw fileError("append to", path, error);
      }
    },
    close() {
      attempt("close", path, () => {
        fsyncSync(file);
        closeSync(file);
      });
    },
  };
}

const spellNonFinite = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;

/** Bytes of `content` up to the torn last line or the first row past `resumeAt`, whichever comes first. */
function keptLength(path: string, content: Uint8Array, resumeAt: number): number {
  let start = 0;
  for (let line = 1; ; line++) {
    const end = content.indexOf(10, start);
    if (end < 0) return start;
    let row: unknown;
    try {
      row = JSON.parse(new TextDecoder().decode(content.subarray(start, end)));
    } catch {
      throw new Error(
        `resume ${path}: line ${line} is not JSON, so this is not a metrics file; move it away and retry`,
      );
    }
    const step = typeof row === "object" && row !== null && "step" in row ? row.step : undefined;
    if (typeof step === "number" && step > resumeAt) return start;
    start = end + 1;
  }
}

/** The SHA-256 of a file's bytes in lower-case hexadecimal, read in pieces. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  } catch (error) {
    throw fileError("read", path, error);
  }
  return hash.digest("hex");
}

/** The text of a file in UTF-8. Throws one sentence if it cannot be read. */
export const readTextFile = (path: string): Promise<string> =>
  readFile(path, "utf8").catch((error: unknown) => {
    throw fileError("read", path, error);
  });

/**
 * The content of a JSON file. Throws one sentence if it cannot be read or is not JSON, which asks whether it is `kind`,
 * such as `the index of a checkpoint`.
 */
export async function readJsonFile(path: string, kind: string): Promise<unknown> {
  const text = await readTextFile(path);
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`read ${path}: it is not JSON; is it ${kind}?`);
  }
}

/** `readJsonFile` of what must be an object, and neither null nor a list. */
export async function readJsonObject(path: string, kind: string): Promise<{ readonly [field: string]: unknown }> {
  const value = await readJsonFile(path, kind);
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as { readonly [field: string]: unknown };
  throw new Error(`read ${path}: it is not a JSON object; is it ${kind}?`);
}

/**
 * Turns an operating system error into one sentence that names the action, the path, the reason and the next step; the
 * original is its `cause`. Errors that do not come from the operating system pass unchanged.
 */
export function fileError(action: string, path: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  const folder = dirname(resolve(path));
  const reasons: Readonly<Record<string, string>> = {
    ENOSPC: "the disk is full; free some space or choose another folder",
    EDQUOT: "the disk quota is used up; free some space or choose another folder",
    EFBIG: "the file would be larger than this system allows; choose another folder",
    EACCES: "permission denied; change the permissions or choose another folder",
    EPERM: "permission denied; change the permissions or choose another folder",
    EROFS: "the file system is read-only; choose another folder",
    ENOENT: existsSync(folder)
      ? "no such file; check the path"
      : `the folder ${folder} does not exist; create it first`,
    ENOTDIR: `${folder} is not a folder; check the path`,
    EISDIR: "it is a folder, not a file; choose another path",
    ENAMETOOLONG: "the name is too long for this file system; choose a shorter one",
    EMFILE: "too many files are open; raise the limit (ulimit -n)",
    EIO: "the disk reports an input/output error; check the disk",
  };
  return new Error(`${action} ${path}: ${reasons[code] ?? (error as Error).message}`, { cause: error });
}

/** The code of an operating system error, e.g. `ENOSPC`. Node's own argument errors (`ERR_...`) have none here. */
function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^E(?!RR_)[A-Z0-9]+$/.test(code) ? code : undefined;
}

function attempt<R>(action: string, path: string, work: () => R): R {
  try {
    return work();
  } catch (error) {
    throw fileError(action, path, error);
  }
}
