/**
 * The safetensors format: 8 bytes with the length of a JSON header (little-endian), the header, which gives each tensor
 * a dtype, a shape and a byte range, and the bytes of the tensors without gap or overlap.
 * Source: https://github.com/huggingface/safetensors#format
 */
import { type FileHandle, open, readFile } from "node:fs/promises";
import { type DType, fromFloat16Bits, type HostArray } from "../array/index.ts";
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

/** The element type that `read` gives for a file's one (BF16 as float32); null where only bytes can be had. */
export const elementTypeOf = (dtype: SafetensorsDType): DType | null =>
  dtype === "BF16" ? "float32" : elementTypes[dtype].dtype;

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
   * A tensor in its own type. `as: "float32"` converts F64, F16 and BF16; BF16 and the other types that have no
   * counterpart here throw without it, as do all others that are not floating-point with it.
   */
  read(name: string, options?: { readonly as?: "float32" }): Promise<HostTensor>;
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
    const read = (begin: number, end: number) => readRange(opened, path, begin, end);
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
    async (begin, end) => bytes.subarray(begin, end),
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

async function readRange(file: FileHandle, path: string, begin: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - begin);
  // One system call reads less than 2 GB.
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(bytes.length - done, 2 ** 30), begin + done);
    if (bytesRead === 0) throw new Error(`read ${path}: the file became shorter while it was read; read it again`);
    done += bytesRead;
  }
  return bytes;
}

type ReadBytes = (begin: number, end: number) => Promise<Uint8Array>;

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
  return {
    metadata,
    entries,
    close,
    bytes: (name, range) => bytesOf(name, range?.start, range?.end),
    async read(name, { as } = {}) {
      const { dtype, shape } = entryOf(name);
      try {
        return { shape, ...decode(await bytesOf(name), dtype, as) };
      } catch (error) {
        if (error instanceof DecodeError) throw new Error(`read ${path}: tensor ${show(name)} ${error.message}`);
        throw error;
      }
    },
  };
}

/** `"a", "b" and 7 more`, for errors. */
function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 5).map(show);
  if (shown.length === 0) return "none";
  return shown.join(", ") + (names.length > shown.length ? ` and ${names.length - shown.length} more` : "");
}

/** A tensor that has no such reading; says so as a verb phrase. */
class DecodeError extends Error {}

function decode(
  bytes: Uint8Array,
  type: SafetensorsDType,
  as: "float32" | undefined,
): Pick<HostTensor, "dtype" | "data"> {
  // Typed arrays need aligned memory, which tensors of other writers and bytes in the middle of a buffer may lack.
  const { buffer, byteOffset, length } =
    bytes.byteOffset % elementTypes[type].bytes === 0 ? bytes : Uint8Array.from(bytes);
  const count = length / elementTypes[type].bytes;
  if (as === "float32") return { dtype: "float32", data: toFloat32(buffer, byteOffset, count, type) };
  switch (type) {
    case "F64":
      return { dtype: "float64", data: new Float64Array(buffer, byteOffset, count) };
    case "F32":
      return { dtype: "float32", data: new Float32Array(buffer, byteOffset, count) };
    case "F16":
      return { dtype: "float16", data: new Uint16Array(buffer, byteOffset, count) };
    case "I64":
      return { dtype: "int64", data: new BigInt64Array(buffer, byteOffset, count) };
    case "I32":
      return { dtype: "int32", data: new Int32Array(buffer, byteOffset, count) };
    case "U8":
      return { dtype: "uint8", data: new Uint8Array(buffer, byteOffset, count) };
    case "BOOL":
      if (bytes.some((byte) => byte > 1))
        throw new DecodeError("is BOOL but holds bytes other than 0 and 1; the file is damaged");
      return { dtype: "bool", data: new Uint8Array(buffer, byteOffset, count) };
    case "BF16":
      throw new DecodeError('is BF16, which has no tensor type here; read it with { as: "float32" }');
    default:
      throw new DecodeError(`is ${type}, which has no tensor type here; read its bytes`);
  }
}

function toFloat32(buffer: ArrayBufferLike, offset: number, count: number, type: SafetensorsDType): Float32Array {
  if (type === "F32") return new Float32Array(buffer, offset, count);
  if (type === "F64") return Float32Array.from(new Float64Array(buffer, offset, count));
  if (type === "F16") return Float32Array.from(new Uint16Array(buffer, offset, count), fromFloat16Bits);
  if (type !== "BF16") throw new DecodeError(`is ${type}, which is not floating-point; read it in its own type`);
  // A bfloat16 is the upper half of a float32.
  const words = Uint32Array.from(new Uint16Array(buffer, offset, count), (half) => half << 16);
  return new Float32Array(words.buffer);
}

/** A tensor to write: row-major little-endian elements in a typed array or in bytes. */
export interface TensorToWrite {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

/**
 * Writes a file, atomically (see `writeFileAtomic`). The layout depends only on the contents: tensors by falling element
 * size, then by name, so that all are aligned and equal contents give equal files. The data must not change meanwhile.
 * Throws one sentence, before anything is written, if a tensor's data do not fit its shape.
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
    if (size !== data.byteLength) {
      throw new Error(
        `write ${path}: tensor ${show(name)}, ${dtype} of shape ${show(shape)}, needs ${size} bytes, got ${data.byteLength}`,
      );
    }
    entries.set(name, { dtype, shape, begin, end: begin + size });
    begin += size;
  }
  const parts = sorted.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  await writeFileAtomic(path, [formatHeader({ metadata, entries }), ...parts]);
}
