/** IDX files, the format of MNIST and its relatives: a big-endian array of any rank, raw or gzipped. */
import { constants, gunzipSync, readFile } from "#platform";
import { fileError } from "./files.ts";

/** The element types of IDX with their array types, by type code (third byte of the file). */
const types = {
  8: { dtype: "uint8", bytes: 1, array: Uint8Array },
  9: { dtype: "int8", bytes: 1, array: Int8Array },
  11: { dtype: "int16", bytes: 2, array: Int16Array },
  12: { dtype: "int32", bytes: 4, array: Int32Array },
  13: { dtype: "float32", bytes: 4, array: Float32Array },
  14: { dtype: "float64", bytes: 8, array: Float64Array },
} as const;

type Type = (typeof types)[keyof typeof types];

/** The array that an IDX file holds, elements in row-major order. */
export interface IdxArray {
  readonly dtype: Type["dtype"];
  readonly shape: readonly number[];
  readonly data: Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;
}

/** Reads an IDX file, raw or gzipped. Throws one sentence if it is missing, truncated, over-long or not IDX. */
export async function readIdx(path: string): Promise<IdxArray> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError("read", path, error);
  });
  return parseIdx(bytes, path);
}

/**
 * Parses the bytes of an IDX file, raw or gzipped; `name` is used in errors. `uint8` data is a view of `bytes`.
 *
 * The header must describe exactly the bytes that follow it. Nothing larger than the real content is ever allocated,
 * whatever sizes the header claims.
 */
export function parseIdx(bytes: Uint8Array, name = "IDX data"): IdxArray {
  const gzipped = isGzip(bytes);
  const { type, shape, start, end } = parseHeader(gzipped ? inflateStart(bytes, name) : bytes, name);
  // Deflate shrinks at most 1032 times, so an honest header cannot claim more than this.
  if (gzipped && end > bytes.length * 1032) throw wrongSize(name, type, shape, end, `${bytes.length} gzipped bytes`);
  const content = gzipped ? inflate(bytes, end) : bytes;
  if (typeof content === "string") throw new Error(`read ${name}: ${content}; get the file again`);
  if (content.length > end) throw wrongSize(name, type, shape, end, `${content.length}: the file is over-long`);
  if (content.length < end) throw wrongSize(name, type, shape, end, `${content.length}: the file is truncated`);
  return { dtype: type.dtype, shape, data: decode(content.subarray(start, end), type) };
}

/** True if the bytes begin like a gzip file (an IDX file begins with two zeros). */
export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** The unpacked content of a gzip file, or what is wrong with it. Stops unpacking after `limit` bytes. */
export function inflate(bytes: Uint8Array, limit: number): Uint8Array | string {
  const tooLong = `expected ${limit} bytes unpacked, got more: the file is over-long`;
  try {
    // A limit of 0 would mean no limit to the library.
    const content = gunzipSync(bytes, { maxOutputLength: Math.max(1, limit) });
    return content.length > limit ? tooLong : content;
  } catch (error) {
    const { code, message } = error as Error & { readonly code?: string };
    return code === "ERR_BUFFER_TOO_LARGE" ? tooLong : `the gzip data is damaged or truncated (${message})`;
  }
}

/** The first unpacked bytes, enough for any header. A few kilobytes of input unpack to a few megabytes at most. */
function inflateStart(bytes: Uint8Array, name: string): Uint8Array {
  try {
    return gunzipSync(bytes.subarray(0, 4096), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    throw new Error(`read ${name}: the gzip data is damaged (${(error as Error).message}); get it again`);
  }
}

interface Header {
  readonly type: Type;
  readonly shape: readonly number[];
  /** Where the elements start and end, in bytes of the unpacked file. */
  readonly start: number;
  readonly end: number;
}

function parseHeader(bytes: Uint8Array, name: string): Header {
  const type = types[bytes[2] as keyof typeof types] as Type | undefined;
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0 || type === undefined) {
    const got =
      bytes.length === 0
        ? "an empty file"
        : Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join("");
    throw new Error(
      `read ${name}: expected an IDX file (00 00, type, rank), got ${got}; is this another kind of file?`,
    );
  }
  const rank = bytes[3] as number;
  const start = 4 + 4 * rank;
  if (bytes.length < start) {
    throw new Error(
      `read ${name}: the IDX header ends after ${bytes.length} of its ${start} bytes; get the file again`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  // Apart, because the product of the other lengths may overflow to infinity.
  const end = start + (shape.includes(0) ? 0 : shape.reduce((size, length) => size * length, type.bytes));
  return { type, shape, start, end };
}

function wrongSize(name: string, type: Type, shape: readonly number[], end: number, got: string): Error {
  const expected = Number.isSafeInteger(end) ? `${end} bytes` : "an impossible number of bytes";
  const lengths = shape.length > 4 ? `${shape.slice(0, 4).join(", ")}, ...` : shape.join(", ");
  return new Error(`read ${name}: ${type.dtype}[${lengths}] needs ${expected}, got ${got}; get the file again`);
}

function decode(bytes: Uint8Array, type: Type): IdxArray["data"] {
  if (type.dtype === "uint8") return bytes;
  const { buffer } = Uint8Array.from(bytes);
  const swapped = new Uint8Array(buffer);
  for (let at = 0; at < swapped.length; at += type.bytes) swapped.subarray(at, at + type.bytes).reverse();
  return new type.array(buffer);
}
