/** Bytes of a safetensors file as numbers: every element type that has an exact counterpart among ours. */
import { type DType, fromFloat16Bits, type HostArray, toFloat16Bits } from "../array/index.ts";
import { elementTypes, type SafetensorsDType } from "./safetensors-header.ts";

/** A tensor that has no such reading; says so as a verb phrase. */
export class DecodeError extends Error {}

/** Array in which the elements of a file's type lie in memory. */
const views = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  I32: Int32Array,
  U32: Uint32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
  F8_E4M3: Uint8Array,
  F8_E5M2: Uint8Array,
  F8_E8M0: Uint8Array,
} as const;

type Viewed = keyof typeof views;
type ViewConstructor = new (buffer: ArrayBufferLike, offset: number, length: number) => ArrayBufferView;

/** The elements as they lie in memory; copies where memory is not aligned, as in tensors of other writers. */
function viewOf<T extends Viewed>(bytes: Uint8Array, type: T): InstanceType<(typeof views)[T]> {
  const size = elementTypes[type].bytes;
  const { buffer, byteOffset, length } = bytes.byteOffset % size === 0 ? bytes : Uint8Array.from(bytes);
  return new (views[type] as ViewConstructor)(buffer, byteOffset, length / size) as never;
}

/** A floating-point number of 8 bits: a sign, so many bits of exponent, the rest of mantissa. */
function float8(bits: number, exponentBits: number, infinities: boolean): number {
  const mantissaBits = 7 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits >> mantissaBits) & (2 ** exponentBits - 1);
  const mantissa = bits & (2 ** mantissaBits - 1);
  const isLast = exponent === 2 ** exponentBits - 1;
  if (infinities && isLast) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (!infinities && isLast && mantissa === 2 ** mantissaBits - 1) return Number.NaN;
  const fraction = mantissa / 2 ** mantissaBits;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

/** All values of a type by their bits, made at first use. */
const tableOf = (bits: number, value: (bits: number) => number) => {
  let table: Float32Array | undefined;
  return (): Float32Array => (table ??= Float32Array.from({ length: 2 ** bits }, (_, i) => value(i)));
};

/**
 * Values of narrow floating-point types. E4M3 (no infinities, one NaN) and E5M2: Micikevicius et al. 2022,
 * arXiv:2209.05433; E8M0, a power of two: OCP Microscaling Formats 1.0, 2023.
 */
const tables = {
  F16: tableOf(16, fromFloat16Bits),
  F8_E4M3: tableOf(8, (bits) => float8(bits, 4, false)),
  F8_E5M2: tableOf(8, (bits) => float8(bits, 5, true)),
  F8_E8M0: tableOf(8, (bits) => (bits === 255 ? Number.NaN : 2 ** (bits - 127))),
} as const;

/** The element types of files that `fillFloats` converts. */
const isFloating = (type: SafetensorsDType): boolean =>
  type === "F64" || type === "F32" || type === "BF16" || type in tables;

/** Writes elements of a floating-point type into `target` as float32. `bytes` hold as many elements as `target`. */
export function fillFloats(target: Float32Array, bytes: Uint8Array, type: SafetensorsDType): void {
  if (type === "F32" || type === "F64") {
    target.set(viewOf(bytes, type));
    return;
  }
  if (type === "BF16") {
    // A bfloat16 is the upper half of a float32.
    const halves = viewOf(bytes, type);
    const words = new Uint32Array(target.buffer, target.byteOffset, target.length);
    for (let i = 0; i < halves.length; i++) words[i] = (halves[i] as number) << 16;
    return;
  }
  checkFloating(type);
  const codes = viewOf(bytes, type as keyof typeof tables);
  const table = tables[type as keyof typeof tables]();
  for (let i = 0; i < codes.length; i++) target[i] = table[codes[i] as number] as number;
}

/** Bits of float16 for those of bfloat16, made at first use. */
let halves: Uint16Array | undefined;

/** Writes elements of F16 or BF16 into `target` as bits of float16. Throws if a bfloat16 is too large for it. */
export function fillHalves(target: Uint16Array, bytes: Uint8Array, type: SafetensorsDType): void {
  if (type === "F16") {
    target.set(viewOf(bytes, type));
    return;
  }
  halves ??= Uint16Array.from({ length: 2 ** 16 }, (_, bits) => {
    const wide = new Float32Array(Uint32Array.of(bits << 16).buffer)[0] as number;
    return toFloat16Bits(wide);
  });
  const codes = viewOf(bytes, "BF16");
  let beyond = false;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] as number;
    const half = halves[code] as number;
    beyond ||= (half & 0x7fff) === 0x7c00 && (code & 0x7fff) !== 0x7f80;
    target[i] = half;
  }
  if (beyond) throw new DecodeError("is BF16 with numbers that are too large for 16-bit floats; load it as float32");
}

/** Throws unless the type is floating-point and has values here. */
export function checkFloating(type: SafetensorsDType): void {
  if (!(type in views)) throw new DecodeError(`is ${type}, which has no tensor type here; read its bytes`);
  if (!isFloating(type)) throw new DecodeError(`is ${type}, which is not floating-point; read it in its own type`);
}

/** The values in the type that `elementTypes` names, which holds them all exactly; or as float32. */
export function decode(
  bytes: Uint8Array,
  type: SafetensorsDType,
  as: "float32" | undefined,
): { readonly dtype: DType; readonly data: HostArray } {
  const { dtype } = elementTypes[type];
  if (dtype === null || as === "float32") checkFloating(type);
  if (dtype === "float32" || as === "float32") {
    if (type === "F32") return { dtype: "float32", data: viewOf(bytes, type) };
    const data = new Float32Array(bytes.length / elementTypes[type].bytes);
    fillFloats(data, bytes, type);
    return { dtype: "float32", data };
  }
  switch (type) {
    case "I8":
    case "I16":
    case "U16":
      return { dtype: "int32", data: Int32Array.from(viewOf(bytes, type)) };
    case "U32":
      return { dtype: "int64", data: BigInt64Array.from(viewOf(bytes, type), BigInt) };
    case "U64": {
      const data = viewOf(bytes, "I64");
      if (data.some((value) => value < 0n))
        throw new DecodeError(
          "is U64 and holds numbers of 2^63 or more, which no tensor type here has; read its bytes",
        );
      return { dtype: "int64", data };
    }
    case "BOOL":
      if (bytes.some((byte) => byte > 1))
        throw new DecodeError("is BOOL but holds bytes other than 0 and 1; the file is damaged");
  }
  return { dtype: dtype as DType, data: viewOf(bytes, type as Viewed) as HostArray };
}
