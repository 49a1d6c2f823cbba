/** Making concrete tensors from JavaScript values, and reading them back. */
import { allocate, type DType, getElement, type HostArray, setElement } from "./dtype.ts";
import { type Shape, showShape } from "./shape.ts";
import { describe, fromData, type Tensor } from "./tensor.ts";

/** Numbers, booleans, nested arrays of them, or host memory. */
export type Values = number | boolean | readonly Values[] | HostArray;

const dtypeOf = (data: HostArray): DType => {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Float64Array) return "float64";
  if (data instanceof Uint16Array) return "float16";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof BigInt64Array) return "int64";
  return "uint8";
};

/**
 * A concrete tensor. Typed arrays are wrapped, not copied, when their kind fits `dtype` (a `Uint16Array` holds float16
 * bits, a `Uint8Array` uint8 or bool); numbers and nested arrays of numbers become float32, of booleans bool. `shape`
 * is needed for typed arrays of more than one axis.
 */
export function tensor(
  values: Values,
  { shape, dtype }: { readonly shape?: Shape; readonly dtype?: DType } = {},
): Tensor {
  if (ArrayBuffer.isView(values)) {
    const data = values as HostArray;
    const own = dtypeOf(data);
    const type = dtype ?? own;
    const target = shape ?? [data.length];
    if (own === type || (own === "uint8" && type === "bool")) return fromData({ shape: target, dtype: type }, data);
    const converted = allocate(type, data.length);
    for (let i = 0; i < data.length; i++) setElement(type, converted, i, getElement(own, data, i));
    return fromData({ shape: target, dtype: type }, converted);
  }
  const flat: (number | boolean)[] = [];
  const found = collect(values as Exclude<Values, HostArray>, flat);
  const type = dtype ?? (flat.length > 0 && flat.every((v) => typeof v === "boolean") ? "bool" : "float32");
  const data = allocate(type, flat.length);
  flat.forEach((v, i) => {
    setElement(type, data, i, Number(v));
  });
  return fromData({ shape: shape ?? found, dtype: type }, data);
}

/** Appends the numbers of a nested array and gives its shape; throws if rows differ in length. */
function collect(values: unknown, into: (number | boolean)[]): number[] {
  if (typeof values === "number" || typeof values === "boolean") {
    into.push(values);
    return [];
  }
  if (!Array.isArray(values))
    throw new TypeError(`tensor: expected numbers, booleans, arrays of them or a typed array, got ${describe(values)}`);
  let inner: number[] | undefined;
  for (const item of values) {
    const shape = collect(item, into);
    if (inner && (inner.length !== shape.length || inner.some((n, i) => n !== shape[i]))) {
      throw new RangeError(
        `tensor: rows of a nested array differ in shape: ${showShape(inner)} and ${showShape(shape)}`,
      );
    }
    inner = shape;
  }
  return [values.length, ...(inner ?? [])];
}

/** The one number that a concrete tensor of one element holds. */
export function item(x: Tensor): number {
  if (x.size !== 1) throw new RangeError(`item: expected one element, got shape ${showShape(x.shape)}`);
  return getElement(x.dtype, x.data, 0);
}

/** Nested arrays of numbers. */
export type Nested = number | Nested[];

/** A concrete tensor as nested arrays of numbers (bool as 0 and 1). */
export function toNested(x: Tensor): Nested {
  const data = x.data;
  let next = 0;
  const build = (axis: number): Nested =>
    axis === x.rank
      ? getElement(x.dtype, data, next++)
      : Array.from({ length: x.shape[axis] as number }, () => build(axis + 1));
  return build(0);
}
