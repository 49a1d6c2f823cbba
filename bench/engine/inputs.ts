/** The numbers that a job starts from, written once to a file that every peer reads. */
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";

/** How an array is filled. */
export type Fill =
  | { readonly normal: number }
  /** Normal too, but the same block of numbers again and again: quickly made where there are many. */
  | { readonly repeated: number }
  | { readonly uniform: readonly [number, number] }
  | { readonly integersBelow: number }
  | { readonly constant: number };

export interface ArraySpec {
  readonly name: string;
  /** Parameters are trained; data has a leading axis of batches. */
  readonly role: "parameter" | "data";
  readonly shape: readonly number[];
  readonly fill: Fill;
}

/** An array in the file. */
export interface StoredArray {
  readonly name: string;
  readonly role: "parameter" | "data";
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32";
  /** Byte at which it begins. */
  readonly offset: number;
}

/** An array in memory. */
export interface LoadedArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** Numbers of a block that is repeated: no multiple of a usual width, so that rows differ. */
const REPEATED = 2 ** 16 + 1;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Uniform numbers in (0, 1) from a 32-bit state: good enough to start a network from, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return (((x ^ (x >>> 15)) >>> 0) + 0.5) / 2 ** 32;
  };
}

function filled({ shape, fill }: ArraySpec, random: () => number): Float32Array | Int32Array {
  const length = sizeOf(shape);
  if ("integersBelow" in fill) return Int32Array.from({ length }, () => Math.floor(random() * fill.integersBelow));
  const values = new Float32Array(length);
  if ("constant" in fill) return values.fill(fill.constant);
  if ("uniform" in fill) {
    const [low, high] = fill.uniform;
    return values.map(() => low + (high - low) * random());
  }
  const std = "repeated" in fill ? fill.repeated : fill.normal;
  const drawn = "repeated" in fill ? values.subarray(0, REPEATED) : values;
  for (let i = 0; i < drawn.length; i++)
    drawn[i] = std * Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
  for (let i = drawn.length; i < length; i += REPEATED) values.set(drawn.subarray(0, length - i), i);
  return values;
}

/** Fills arrays from a seed and writes them to a file, one after the other. */
export function writeInputs(path: string, specs: readonly ArraySpec[], seed: number): StoredArray[] {
  const random = generator(seed);
  const file = openSync(path, "w");
  let offset = 0;
  try {
    return specs.map((spec) => {
      const data = filled(spec, random);
      writeFileSync(file, data);
      const { name, role, shape } = spec;
      const stored: StoredArray = {
        name,
        role,
        shape,
        dtype: data instanceof Int32Array ? "int32" : "float32",
        offset,
      };
      offset += data.byteLength;
      return stored;
    });
  } finally {
    closeSync(file);
  }
}

/** Arrays of one role by name. */
export function readInputs(
  path: string,
  arrays: readonly StoredArray[],
  role: StoredArray["role"],
): Record<string, LoadedArray> {
  const bytes = readFileSync(path);
  return Object.fromEntries(
    arrays
      .filter((array) => array.role === role)
      .map(({ name, shape, dtype, offset }) => {
        const length = sizeOf(shape);
        const own = bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + 4 * length);
        return [name, { shape, data: dtype === "int32" ? new Int32Array(own) : new Float32Array(own) }];
      }),
  );
}

/** Arrays with a leading axis of batches, taken apart: one record a batch. */
export function splitBatches(data: Readonly<Record<string, LoadedArray>>): Record<string, LoadedArray>[] {
  const count = Object.values(data)[0]?.shape[0] ?? 0;
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(
      Object.entries(data).map(([name, { shape, data }]) => {
        const size = sizeOf(shape.slice(1));
        return [name, { shape: shape.slice(1), data: data.slice(i * size, (i + 1) * size) }];
      }),
    ),
  );
}
