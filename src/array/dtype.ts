/** Element types of tensors, their host arrays, and the conversions between them. */

/** Element types. `float16` is a storage type: the host sees it as raw 16-bit patterns in a `Uint16Array`. */
export type DType = "float32" | "float64" | "float16" | "int32" | "int64" | "uint8" | "bool";

/** Host memory of a tensor; `bool` is one byte an element, `float16` its bit patterns. */
export type HostArray = Float32Array | Float64Array | Uint16Array | Int32Array | BigInt64Array | Uint8Array;

interface DTypeFacts {
  readonly bytes: number;
  readonly array: {
    new (length: number): HostArray;
    new (buffer: ArrayBufferLike, offset: number, length: number): HostArray;
  };
  readonly kind: "float" | "int" | "bool";
  /** The short name used in printed graphs, e.g. `f32`. */
  readonly short: string;
}

const facts: Readonly<Record<DType, DTypeFacts>> = {
  float32: { bytes: 4, array: Float32Array, kind: "float", short: "f32" },
  float64: { bytes: 8, array: Float64Array, kind: "float", short: "f64" },
  float16: { bytes: 2, array: Uint16Array, kind: "float", short: "f16" },
  int32: { bytes: 4, array: Int32Array, kind: "int", short: "i32" },
  int64: { bytes: 8, array: BigInt64Array, kind: "int", short: "i64" },
  uint8: { bytes: 1, array: Uint8Array, kind: "int", short: "u8" },
  bool: { bytes: 1, array: Uint8Array, kind: "bool", short: "bool" },
};

/** Every element type, in declaration order. */
export const dtypes = Object.keys(facts) as readonly DType[];

/** Bytes an element takes. */
export const bytesOf = (dtype: DType): number => facts[dtype].bytes;

/** The two- to four-letter name used in printed graphs. */
export const shortName = (dtype: DType): string => facts[dtype].short;

/** True for `float16`, `float32` and `float64`. */
export const isFloat = (dtype: DType): boolean => facts[dtype].kind === "float";

/** True for `int32`, `int64` and `uint8`. */
export const isInteger = (dtype: DType): boolean => facts[dtype].kind === "int";

/** Zero-filled host memory for `length` elements. */
export const allocate = (dtype: DType, length: number): HostArray => new facts[dtype].array(length);

/** A view of `length` elements of raw memory; `offset` is in bytes and must be aligned to the element. */
export const viewBytes = (dtype: DType, buffer: ArrayBufferLike, offset: number, length: number): HostArray =>
  new facts[dtype].array(buffer, offset, length);

/** True if `data` is the kind of host array that `dtype` is stored in. */
export const storesIn = (dtype: DType, data: HostArray): boolean => data instanceof facts[dtype].array;

const scratch = new DataView(new ArrayBuffer(4));

/** Rounds a number to the nearest float16 (ties to even) and gives its bit pattern. */
export function toFloat16Bits(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const mantissa = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (mantissa ? 0x200 : 0);
  const shifted = exponent - 112;
  if (shifted >= 31) return sign | 0x7c00;
  if (shifted < -10) return sign;
  // Subnormal halves get the implicit bit back and lose more low bits; a carry out of the mantissa is the right exponent.
  const [wide, drop] = shifted <= 0 ? [mantissa | 0x800000, 14 - shifted] : [mantissa | (shifted << 23), 13];
  const kept = wide >>> drop;
  const rest = wide & ((1 << drop) - 1);
  const half = 1 << (drop - 1);
  return sign | (kept + (rest > half || (rest === half && kept & 1) ? 1 : 0));
}

/** The number that a float16 bit pattern stands for. */
export function fromFloat16Bits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** The elements as text that tells all values apart, also 0 from -0. */
export const elementsText = (data: HostArray | Uint32Array): string =>
  Array.from(data as ArrayLike<number | bigint>, (value) => (Object.is(value, -0) ? "-0" : String(value))).join();

/** Writes one number in the representation of `dtype` (integers truncate toward zero, bool is `value !== 0`). */
export function setElement(dtype: DType, data: HostArray, index: number, value: number): void {
  if (data instanceof BigInt64Array) data[index] = BigInt(Math.trunc(value));
  else if (dtype === "float16") data[index] = toFloat16Bits(value);
  else if (dtype === "bool") data[index] = value !== 0 ? 1 : 0;
  else data[index] = value;
}

/** Reads one element as a number; int64 beyond 2^53 loses its last digits. */
export function getElement(dtype: DType, data: HostArray, index: number): number {
  const raw = data[index];
  if (raw === undefined) throw new RangeError(`element ${index} is outside a tensor of ${data.length} elements`);
  return dtype === "float16" ? fromFloat16Bits(Number(raw)) : Number(raw);
}
