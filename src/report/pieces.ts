/** Results of parts of a study, kept on disk so that an interrupted run continues. */
import { createHash, fromBase64, join, mkdir, readFile, rm, toBase64 } from "#platform";
import { fileError, writeFileAtomic } from "../data/files.ts";

/** One kept result. */
export interface Piece {
  readonly value: unknown;
  /** How long it took to compute. */
  readonly seconds: number;
}

/** A folder of results by key. */
export interface Pieces {
  /** What was kept under a key; undefined if there is nothing or the file cannot be read. */
  read(key: string): Promise<Piece | undefined>;
  /** Keeps a result; throws one sentence if it is not data or cannot be written. */
  write(key: string, piece: Piece): Promise<void>;
  clear(): Promise<void>;
}

/** Opens a folder of results; `about` names what all of them depend on, e.g. version and device. */
export async function openPieces(folder: string, about: string): Promise<Pieces> {
  const create = () =>
    mkdir(folder, { recursive: true }).catch((error: unknown) => {
      throw fileError("create", folder, error);
    });
  const identify = (key: string) => `${about}: ${key}`;
  const pathOf = (key: string) =>
    join(folder, `${createHash("sha256").update(identify(key)).digest("hex").slice(0, 24)}.json`);
  await create();
  return {
    async read(key) {
      try {
        const found = decodePiece(await readFile(pathOf(key), "utf8")) as Piece & { readonly key: string };
        return found.key === identify(key) ? found : undefined;
      } catch {
        // A file that is missing or damaged is the same: the result is computed again.
        return undefined;
      }
    },
    async write(key, piece) {
      const text = encodePiece({ key: identify(key), ...piece });
      await create();
      await writeFileAtomic(pathOf(key), text);
    },
    clear: () => rm(folder, { recursive: true, force: true }),
  };
}

const arrays = { Float32Array, Float64Array, Int32Array, Uint8Array, Uint16Array, Uint32Array, BigInt64Array } as const;

/** The name under which an object stands for what JSON has no word for. */
const MARK = "$fourward";

/**
 * JSON that gives back what went in, typed arrays and non-finite numbers included. Throws for what it would silently
 * lose: maps, sets, functions, instances of classes.
 */
export function encodePiece(value: unknown): string {
  return JSON.stringify(value, function (this: Readonly<Record<string, unknown>>, name) {
    // Not the second argument: there a Buffer has already become an object.
    const item = this[name];
    if (typeof item === "number" && !Number.isFinite(item)) return { [MARK]: String(item) };
    if (ArrayBuffer.isView(item)) {
      const type = Object.keys(arrays).find((known) => item instanceof arrays[known as keyof typeof arrays]);
      if (type === undefined) throw lost(name, item);
      return { [MARK]: type, bytes: toBase64(item) };
    }
    if (typeof item === "function" || typeof item === "bigint" || typeof item === "symbol") throw lost(name, item);
    if (typeof item === "object" && item !== null && !Array.isArray(item)) {
      const prototype = Object.getPrototypeOf(item);
      if (prototype !== Object.prototype && prototype !== null) throw lost(name, item);
    }
    return item;
  });
}

/** The value of `encodePiece`'s text. */
export function decodePiece(text: string): unknown {
  return JSON.parse(text, (_, item: unknown) => {
    if (typeof item !== "object" || item === null || !(MARK in item)) return item;
    const type = item[MARK] as string;
    if (!(type in arrays)) return Number(type);
    return new arrays[type as keyof typeof arrays](fromBase64((item as unknown as { bytes: string }).bytes).buffer);
  });
}

function lost(name: string, item: unknown): Error {
  const kind = typeof item === "object" ? ((item as object).constructor?.name ?? "object") : typeof item;
  return new TypeError(
    `remember: expected numbers, text, lists, plain objects and typed arrays, got a ${kind} at "${name}"; convert it first`,
  );
}
