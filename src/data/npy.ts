/**
 * The .npy format of NumPy: a magic string, a version, the length of a header, the header, which is a Python dictionary
 * with element type, order and shape, and the elements.
 * Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */

/** Element types by NumPy's name without its byte order, as arrays of this language. */
const types = {
  f4: Float32Array,
  f8: Float64Array,
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  i8: BigInt64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  u8: BigUint64Array,
} as const;

type TypeName = keyof typeof types;
type NpyData = InstanceType<(typeof types)[TypeName]>;

/** An array as NumPy saves it, in row order. */
export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: NpyData;
}

const MAGIC = "\u0093NUMPY";

/** Reads an array. Throws one sentence, which names the file, for what is no such array or is of another kind. */
export function parseNpy(bytes: Uint8Array, name = "npy data"): NpyArray {
  const fail = (what: string): Error => new Error(`read ${name}: ${what}`);
  const latin = (start: number, end: number): string => Buffer.from(bytes.subarray(start, end)).toString("latin1");
  if (latin(0, 6) !== MAGIC) throw fail("not an .npy file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // From version 2 on the length of the header has four bytes instead of two.
  const wide = (bytes[6] ?? 0) >= 2;
  const start = wide ? 12 : 10;
  if (bytes.length < start) throw fail("the file is truncated");
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = latin(start, end);
  const kind = /'descr':\s*'([<>|=])([a-z]\d+)'/.exec(header);
  const extents = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (!kind || extents === undefined) throw fail("its header has no plain element type and shape");
  const [, order, type = ""] = kind;
  if (!Object.hasOwn(types, type) || order === ">")
    throw fail(`its elements are ${order}${type}; expected little-endian ${Object.keys(types).join(", ")}`);
  if (/'fortran_order':\s*True/.test(header))
    throw fail("it is stored column by column; save numpy.ascontiguousarray of it");
  const shape = extents
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean)
    .map(Number);
  const Elements = types[type as TypeName];
  const length = shape.reduce((total, n) => total * n, 1) * Elements.BYTES_PER_ELEMENT;
  if (bytes.length !== end + length)
    throw fail(`expected ${length} bytes of ${type}[${shape.join(", ")}], got ${bytes.length - end}`);
  // A copy, for elements must lie at multiples of their size.
  return { shape, data: new Elements(Uint8Array.from(bytes.subarray(end)).buffer) };
}

/** The bytes of an .npy file with this array. Throws if the shape is not that of so many elements. */
export function encodeNpy({ shape, data }: NpyArray): Uint8Array {
  if (shape.reduce((total, n) => total * n, 1) !== data.length)
    throw new RangeError(`encodeNpy: shape [${shape.join(", ")}] does not have ${data.length} elements`);
  const type = Object.entries(types).find(([, Elements]) => data instanceof Elements)?.[0] as TypeName;
  const tuple = `(${shape.map((n) => `${n},`).join(" ")})`;
  const facts = `{'descr': '${data.BYTES_PER_ELEMENT === 1 ? "|" : "<"}${type}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Elements begin at a multiple of 64 bytes.
  const header = `${facts.padEnd(64 * Math.ceil((10 + facts.length + 1) / 64) - 11)}\n`;
  const start = 10 + header.length;
  const bytes = new Uint8Array(start + data.byteLength);
  bytes.set(Buffer.from(`${MAGIC}\u0001\u0000`, "latin1"));
  new DataView(bytes.buffer).setUint16(8, header.length, true);
  bytes.set(Buffer.from(header, "latin1"), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return bytes;
}
