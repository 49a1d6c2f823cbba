/** The JSON header of a safetensors file: what it may say, checked before anything is believed. */
import type { DType } from "../array/index.ts";

/**
 * Bytes of an element, and the element type of ours that its values are read in, which holds them all exactly (of U64
 * those below 2^63); null if there is none, and only the bytes can be had.
 */
export const elementTypes = {
  F64: { bytes: 8, dtype: "float64" },
  I64: { bytes: 8, dtype: "int64" },
  U64: { bytes: 8, dtype: "int64" },
  C64: { bytes: 8, dtype: null },
  F32: { bytes: 4, dtype: "float32" },
  I32: { bytes: 4, dtype: "int32" },
  U32: { bytes: 4, dtype: "int64" },
  F16: { bytes: 2, dtype: "float16" },
  BF16: { bytes: 2, dtype: "float32" },
  I16: { bytes: 2, dtype: "int32" },
  U16: { bytes: 2, dtype: "int32" },
  F8_E4M3: { bytes: 1, dtype: "float32" },
  F8_E5M2: { bytes: 1, dtype: "float32" },
  F8_E8M0: { bytes: 1, dtype: "float32" },
  F8_E4M3FNUZ: { bytes: 1, dtype: null },
  F8_E5M2FNUZ: { bytes: 1, dtype: null },
  I8: { bytes: 1, dtype: "int32" },
  U8: { bytes: 1, dtype: "uint8" },
  BOOL: { bytes: 1, dtype: "bool" },
  F6_E2M3: { bytes: 0.75, dtype: null },
  F6_E3M2: { bytes: 0.75, dtype: null },
  F4: { bytes: 0.5, dtype: null },
} as const satisfies Record<string, { bytes: number; dtype: DType | null }>;

/** Element types that a file can hold. */
export type SafetensorsDType = keyof typeof elementTypes;

/** What the header says of one tensor; `begin` and `end` count bytes from the end of the header. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A checked header. */
export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of the header. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
}

/** A name or value as it stands in an error: quoted, on one line, and cut if it is long. */
export function show(value: unknown): string {
  try {
    const text = JSON.stringify(value) ?? "nothing";
    return text.length > 120 ? `${text.slice(0, 100)}...` : text;
  } catch {
    return "a value nested too deeply to show";
  }
}

/** Bytes of a tensor; not a safe integer if the shape is absurd. */
export const byteLength = (dtype: SafetensorsDType, shape: readonly number[]): number =>
  shape.includes(0) ? 0 : shape.reduce((size, length) => size * length, elementTypes[dtype].bytes);

/** Parses a header that is followed by `dataBytes` bytes of tensors. Throws one sentence that begins with `read path:`. */
export function parseHeader(path: string, bytes: Uint8Array, dataBytes: number): SafetensorsHeader {
  const fail = (what: string): never => {
    throw new Error(`read ${path}: ${what}`);
  };
  let text = "";
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch {
    return fail("the header is not JSON; the file is damaged or not a safetensors file");
  }
  if (!isRecord(header) || !text.startsWith("{")) return fail("the header is not a JSON object; the file is damaged");
  const twice = duplicateKey(text);
  if (twice !== null) return fail(`the header names ${show(twice)} twice; the file is damaged`);

  let metadata: Record<string, string> = {};
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") {
      if (!isTextRecord(value)) return fail("__metadata__ must be an object of strings; the file is damaged");
      metadata = value;
      continue;
    }
    const entry = parseEntry(value, dataBytes);
    if (typeof entry === "string") return fail(`tensor ${show(name)} ${entry}`);
    entries.set(name, entry);
  }
  const gap = firstGap(entries, dataBytes);
  return gap === null ? { metadata, entries } : fail(`${gap}; the file is truncated or damaged`);
}

/** An entry of the header, or what is wrong with it as a verb phrase. */
function parseEntry(value: unknown, dataBytes: number): SafetensorsEntry | string {
  if (!isRecord(value)) return "is not described by an object; the file is damaged";
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(elementTypes, dtype)) {
    return `has dtype ${show(dtype)}, expected one of ${Object.keys(elementTypes).join(", ")}`;
  }
  if (!isSizes(shape)) return `has shape ${show(shape)}, expected whole numbers from 0; the file is damaged`;
  if (!isSizes(offsets) || offsets.length !== 2) {
    return `has data_offsets ${show(offsets)}, expected [begin, end]; the file is damaged`;
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes) {
    return `lies at bytes ${begin} to ${end} of ${dataBytes}; the file is truncated or damaged`;
  }
  const size = byteLength(dtype as SafetensorsDType, shape);
  if (size !== end - begin) {
    return `has ${end - begin} bytes, but ${dtype} of shape ${show(shape)} needs ${size}; the file is damaged`;
  }
  return { dtype: dtype as SafetensorsDType, shape, begin, end };
}

/** Says where the tensors overlap or leave bytes that belong to none; null if they fill the data exactly. */
function firstGap(entries: ReadonlyMap<string, SafetensorsEntry>, dataBytes: number): string | null {
  const sorted = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let reached = 0;
  for (const [name, { begin, end }] of sorted) {
    if (begin < reached) return `tensor ${show(name)} overlaps the one before it`;
    if (begin > reached) return `${begin - reached} bytes before tensor ${show(name)} belong to no tensor`;
    reached = end;
  }
  return reached === dataBytes ? null : `${dataBytes - reached} bytes at the end belong to no tensor`;
}

/**
 * The first key that occurs twice in one object of a valid JSON text; null if there is none. `JSON.parse` keeps the last
 * of two silently, so that two readers could see two different tensors under a name.
 */
function duplicateKey(text: string): string | null {
  const objects: (Set<string> | null)[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "{") objects.push(new Set());
    else if (char === "[") objects.push(null);
    else if (char === "}" || char === "]") objects.pop();
    else if (char === '"') {
      const start = i++;
      while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
      let next = i + 1;
      while (" \t\r\n".includes(text[next] ?? "end")) next++;
      // In valid JSON a string is a key exactly if a colon follows it.
      if (text[next] !== ":") continue;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      if (objects.at(-1)?.has(key)) return key;
      objects.at(-1)?.add(key);
    }
  }
  return null;
}

/** Formats a header, padded with spaces so that the tensors after it start at a multiple of 8 bytes. */
export function formatHeader({ metadata, entries }: SafetensorsHeader): Uint8Array {
  const fields = [...entries].map(([name, { dtype, shape, begin, end }]) => {
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`;
  });
  const sorted = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (sorted.length > 0) fields.unshift(`"__metadata__":${JSON.stringify(Object.fromEntries(sorted))}`);
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(" ".charCodeAt(0));
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  return header;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isTextRecord = (value: unknown): value is Record<string, string> =>
  isRecord(value) && Object.values(value).every((item) => typeof item === "string");

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
