/**
 * The safetensors format: 8 bytes with the length of a JSON header (little-endian), the header, which gives each tensor
 * a dtype, a shape and a byte range, and the bytes of the tensors without gap or overlap.
 * Source: https://github.com/huggingface/safetensors#format
 */
import { type FileHandle, open, readFile } from "#platform";
import type { DType, HostArray } from "../array/index.ts";
import { fileError, writeFileAtomic } from "../data/index.ts";
import {
  byteLength,
  elementTypes,
  formatHeader,
  parseHeader,
  type SafetensorsDType,
  type SafetensorsEntry,
  show,
} from "./safetensors-header.ts";
import { checkFloating, DecodeError, decode, fillFloats, fillHalves } from "./safetensors-values.ts";

/** The file's name of each of our element types. */
export const safetensorsDType: Readonly<Record<DType, SafetensorsDType>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  int64: "I64",
  int32: "I32",
  uint8: "U8",
  bool: "BOOL",
};

/** The element type that `read` gives for a file's one; null where only bytes can be had. */
export const elementTypeOf = (dtype: SafetensorsDType): DType | null => elementTypes[dtype].dtype;

/** A tensor's values in host memory. */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: HostArray;
}

/** An open file whose header has been checked; tensors are read when they are asked for. */
export interface Safetensors {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of the header. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  /**
   * A tensor in its own type, or the narrowest of ours that holds its values exactly: float32 for BF16 and F8, int32 and
   * int64 for integers that are narrower. `as: "float32"` converts all that are floating-point and throws for others.
   * Types whose values have no such place throw; their bytes can be read.
   */
  read(name: string, options?: { readonly as?: "float32" }): Promise<HostTensor>;
  /**
   * Fills `target` with the elements of a floating-point tensor from number `from` on, as float32, or, of F16 and BF16,
   * as bits of float16 (see `fillHalves`). Nothing else of the tensor is read, and no memory is taken that grows with it.
   */
  fill(name: string, target: Float32Array | Uint16Array, from?: number): Promise<void>;
  /** The raw little-endian bytes of a tensor of any type, or only those from `start` to before `end` of them. */
  bytes(name: string, range?: { readonly start?: number; readonly end?: number }): Promise<Uint8Array>;
  /** Closes the file. */
  close(): Promise<void>;
}

/** The reference implementation refuses longer headers as well. */
const maxHeaderBytes = 100_000_000;

/** Opens a file for reading tensor by tensor. Throws one sentence if it is missing, truncated, damaged or foreign. */
export async function openSafetensors(path: string): Promise<Safetensors> {
  let file: FileHandle | null = null;
  try {
    file = await open(path);
    const opened = file;
    const { size } = await file.stat();
    const read: ReadBytes = (begin, end, into) => readRange(opened, path, begin, into ?? new Uint8Array(end - begin));
    return await openSource(path, size, read, () => opened.close());
  } catch (error) {
    await file?.close();
    throw fileError("read", path, error);
  }
}

/** Reads a file that is wholly in memory; `name` is used in errors. Tensors are views of `bytes` where aligned. */
export function parseSafetensors(bytes: Uint8Array, name = "safetensors data"): Promise<Safetensors> {
  return openSource(
    name,
    bytes.length,
    async (begin, end, into) => {
      into?.set(bytes.subarray(begin, end));
      return into ?? bytes.subarray(begin, end);
    },
    async () => {},
  );
}

/** Reads a whole file at once. Throws like `openSafetensors`. */
export async function readSafetensors(path: string): Promise<Safetensors> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError("read", path, error);
  });
  return parseSafetensors(bytes, path);
}

async function readRange(file: FileHandle, path: string, begin: number, bytes: Uint8Array): Promise<Uint8Array> {
  // One system call reads less than 2 GB.
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(bytes.length - done, 2 ** 30), begin + done);
    if (bytesRead === 0) throw new Error(`read ${path}: the file became shorter while it was read; read it again`);
    done += bytesRead;
  }
  return bytes;
}

/** Reads a range of bytes, into memory of that length if it is given. */
type ReadBytes = (begin: number, end: number, into?: Uint8Array) => Promise<Uint8Array>;

/** Bytes that are read at a time where they must be converted. */
const PIECE = 4 * 2 ** 20;

async function openSource(
  path: string,
  size: number,
  read: ReadBytes,
  close: () => Promise<void>,
): Promise<Safetensors> {
  if (size < 8) throw new Error(`read ${path}: expected a safetensors file, got only ${size} bytes`);
  const prefix = await read(0, 8);
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > size - 8) {
    throw new Error(
      `read ${path}: it claims a header of ${length} bytes in a file of ${size}; it is truncated or not a safetensors file`,
    );
  }
  if (length > maxHeaderBytes) {
    throw new Error(
      `read ${path}: a header of ${length} bytes is over the limit of ${maxHeaderBytes}; is it a safetensors file?`,
    );
  }
  const start = 8 + Number(length);
  const { entries, metadata } = parseHeader(path, await read(8, start), size - start);

  const entryOf = (name: string): SafetensorsEntry => {
    const entry = entries.get(name);
    if (entry) return entry;
    throw new Error(`read ${path}: there is no tensor ${show(name)}; it has ${listNames([...entries.keys()])}`);
  };
  const bytesOf = async (name: string, first = 0, last?: number): Promise<Uint8Array> => {
    const { begin, end } = entryOf(name);
    const stop = last ?? end - begin;
    if (!(Number.isInteger(first) && Number.isInteger(stop) && 0 <= first && first <= stop && stop <= end - begin)) {
      throw new Error(
        `read ${path}: tensor ${show(name)} has ${end - begin} bytes, bytes ${first} to ${stop} were asked for`,
      );
    }
    return read(start + begin + first, start + begin + stop);
  };
  /** Says of which tensor a failure to decode speaks. */
  const named = async <R>(name: string, work: () => Promise<R>): Promise<R> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof DecodeError) throw new Error(`read ${path}: tensor ${show(name)} ${error.message}`);
      throw error;
    }
  };
  return {
    metadata,
    entries,
    close,
    bytes: (name, range) => bytesOf(name, range?.start, range?.end),
    async read(name, { as } = {}) {
      const { dtype, shape } = entryOf(name);
      return named(name, async () => ({ shape, ...decode(await bytesOf(name), dtype, as) }));
    },
    fill: (name, target, from = 0) =>
      named(name, async () => {
        const { dtype, begin, end } = entryOf(name);
        checkFloating(dtype);
        const { bytes: size } = elementTypes[dtype];
        if (!(Number.isInteger(from) && from >= 0 && (from + target.length) * size <= end - begin))
          throw new RangeError(
            `read ${path}: tensor ${show(name)} has ${(end - begin) / size} elements, ${target.length} from ${from} on were asked for`,
          );
        const first = start + begin + from * size;
        const inHalves = target instanceof Uint16Array;
        if (inHalves && dtype !== "F16" && dtype !== "BF16")
          throw new DecodeError(`is ${dtype}, which 16-bit floats do not hold`);
        if (dtype === "F32" || (inHalves && dtype === "F16")) {
          const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
          await read(first, first + bytes.length, bytes);
          return;
        }
        const step = PIECE / size;
        const piece = new Uint8Array(Math.min(PIECE, target.length * size));
        for (let done = 0; done < target.length; done += step) {
          const part = target.subarray(done, done + step);
          const at = first + done * size;
          const bytes = piece.subarray(0, part.length * size);
          const found = await read(at, at + bytes.length, bytes);
          if (part instanceof Uint16Array) fillHalves(part, found, dtype);
          else fillFloats(part, found, dtype);
        }
      }),
  };
}

/** `"a", "b" and 7 more`, for errors. */
function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 5).map(show);
  if (shown.length === 0) return "none";
  return shown.join(", ") + (names.length > shown.length ? ` and ${names.length - shown.length} more` : "");
}

/**
 * A tensor to write: row-major little-endian elements in a typed array or in bytes, or a function that makes them when they
 * are written, so that not all need be in memory.
 */
export interface TensorToWrite {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView | (() => ArrayBufferView);
}

/**
 * Writes a file, atomically (see `writeFileAtomic`). The layout depends only on the contents: tensors by falling element
 * size, then by name, so that all are aligned and equal contents give equal files. The data must not change meanwhile.
 * Throws one sentence, and leaves what was there, if a tensor's data do not fit its shape.
 */
export async function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, TensorToWrite>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const sorted = Object.entries(tensors).sort(([a, { dtype: x }], [b, { dtype: y }]) => {
    return elementTypes[y].bytes - elementTypes[x].bytes || (a < b ? -1 : 1);
  });
  const entries = new Map<string, SafetensorsEntry>();
  let begin = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    if (name === "__metadata__")
      throw new Error(`write ${path}: a tensor cannot have the name "__metadata__"; rename it`);
    const size = byteLength(dtype, shape);
    if (typeof data !== "function") checkSize(path, name, tensors[name] as TensorToWrite, data);
    entries.set(name, { dtype, shape, begin, end: begin + size });
    begin += size;
  }
  const parts = function* (): Generator<Uint8Array> {
    yield formatHeader({ metadata, entries });
    for (const [name, tensor] of sorted) {
      const data = typeof tensor.data === "function" ? tensor.data() : tensor.data;
      checkSize(path, name, tensor, data);
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    }
  };
  await writeFileAtomic(path, parts());
}

function checkSize(
  path: string,
  name: string,
  { dtype, shape }: TensorToWrite,
  { byteLength: found }: ArrayBufferView,
) {
  const size = byteLength(dtype, shape);
  if (size !== found)
    throw new Error(
      `write ${path}: tensor ${show(name)}, ${dtype} of shape ${show(shape)}, needs ${size} bytes, got ${found}`,
    );
}
