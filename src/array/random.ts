/**
 * Counter-based random numbers: a key and a shape give the same numbers on every runtime and in every order of
 * evaluation. A key is two int32 words; new keys are derived by `fold` and `split`, never by hidden state.
 */
import { cast, less } from "./compare.ts";
import type { DType } from "./dtype.ts";
import { add, cos, log, mul, neg, sqrt } from "./elementwise.ts";
import { topK } from "./indexing.ts";
import { concat, reshape, slice } from "./layout.ts";
import type { OnnxBuilder } from "./onnx/builder.ts";
import { checkFloat } from "./operands.ts";
import { primitive } from "./primitive.ts";
import { argMax } from "./reduce.ts";
import { checkShape, type Shape, sizeOf } from "./shape.ts";
import { describe, fromData, Tensor } from "./tensor.ts";

/** A source of random numbers: an int32 tensor of two words. */
export type Key = Tensor;

/**
 * One round of mixing 32 bits, a bijection with low bias; the constants are those found by Chris Wellons' search
 * (hash-prospector, public domain).
 */
const rounds = [
  { shift: 16, factor: 0x7feb352d },
  { shift: 15, factor: 0x846ca68b },
] as const;

/** `mix(mix(counter ^ k0) + k1)` in unsigned 32-bit arithmetic; the host's copy of what the graph computes. */
export function mixWords(counter: number, k0: number, k1: number): number {
  const mix = (word: number): number => {
    let x = word;
    for (const { shift, factor } of rounds) x = Math.imul(x ^ (x >>> shift), factor);
    return x ^ (x >>> 16);
  };
  return mix(mix(counter ^ k0) + k1);
}

/** The same mixing as ONNX nodes on int32: products and sums wrap, and shifts go through uint32. */
function mixNodes(graph: OnnxBuilder, word: string): string {
  const xorShift = (x: string, shift: number): string => {
    const shifted = graph.node("BitShift", [graph.cast(x, "uint32"), graph.uint32(shift)], { direction: "RIGHT" });
    return graph.node("BitwiseXor", [x, graph.cast(shifted, "int32")]);
  };
  let x = word;
  for (const { shift, factor } of rounds)
    x = graph.node("Mul", [xorShift(x, shift), graph.scalar(factor | 0, "int32")]);
  return xorShift(x, 16);
}

const bits = primitive<[key: Tensor], { readonly shape: Shape }>("randomBits", {
  shape: ([key], { shape }) => {
    if (key.dtype !== "int32" || key.shape.length !== 1 || key.shape[0] !== 2) {
      throw new TypeError(
        `random: expected a key made by key(seed), fold or split, got ${key.dtype} of shape [${key.shape.join(", ")}]`,
      );
    }
    return { shape, dtype: "int32" };
  },
  gradient: () => [null],
  onnx: (graph, [key], { shape }) => {
    const words = graph.nodes("Split", [key], 2, { axis: 0, num_outputs: 2 }) as [string, string];
    const size = sizeOf(shape);
    const counter = graph.node("Range", [
      graph.scalar(0, "int32"),
      graph.scalar(size, "int32"),
      graph.scalar(1, "int32"),
    ]);
    const first = mixNodes(graph, graph.node("BitwiseXor", [counter, words[0]]));
    const second = mixNodes(graph, graph.node("Add", [first, words[1]]));
    return graph.node("Reshape", [second, graph.int64s(shape)], { allowzero: 1 });
  },
});

/** Uniform random 32-bit words as int32. */
export function randomBits(key: Key, shape: Shape): Tensor {
  checkShape("randomBits", shape);
  if (sizeOf(shape) > 2 ** 31 - 1)
    throw new RangeError(
      `randomBits: at most 2^31 - 1 numbers a key, got ${sizeOf(shape)}; fold a new key for each part`,
    );
  return bits(key, { shape });
}

/** A key from a seed: a whole number of up to 53 bits. */
export function key(seed: number): Key {
  if (!Number.isSafeInteger(seed))
    throw new RangeError(`key: expected a whole number as the seed, got ${describe(seed)}`);
  return fromData({ shape: [2], dtype: "int32" }, Int32Array.of(seed | 0, Math.floor(seed / 2 ** 32) | 0));
}

/** A 32-bit FNV-1a hash of a name. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash;
}

/**
 * A new key that belongs to a part: to a name, a number, or a traced integer scalar such as the step of a loop. Adding
 * parts does not disturb the keys of others.
 */
export function fold(parent: Key, part: number | string | Tensor): Key {
  const word =
    part instanceof Tensor
      ? reshape(cast(part, "int32"), [1])
      : fromData(
          { shape: [1], dtype: "int32" },
          Int32Array.of(typeof part === "string" ? hashName(part) : wholeNumber(part)),
        );
  // Both words of the child depend on both words of the parent and on the part.
  const [k0, k1] = [slice(parent, { starts: [0], stops: [1] }), slice(parent, { starts: [1], stops: [2] })];
  return randomBits(concat([add(mul(word, 0x3c6ef372), k1), add(k0, 0x1b873593)]), [2]);
}

function wholeNumber(part: number): number {
  if (Number.isInteger(part)) return part;
  throw new TypeError(`fold: expected a name, a whole number or an integer tensor, got ${describe(part)}`);
}

/** `count` keys that are independent of each other and of `parent`. */
export const split = (parent: Key, count: number): Key[] => Array.from({ length: count }, (_, i) => fold(parent, i));

export interface UniformOptions {
  /** Smallest value, 0 by default. */
  readonly min?: number;
  /** Bound that is not reached, 1 by default. */
  readonly max?: number;
  /** A float type, float32 by default. */
  readonly dtype?: DType;
}

/** Uniform numbers in `[min, max)`, in steps of 2^-24 of the range. */
export function uniform(
  source: Key,
  shape: Shape,
  { min = 0, max = 1, dtype = "float32" }: UniformOptions = {},
): Tensor {
  checkFloat("uniform", dtype);
  // The top 24 bits, all that a float32 can tell apart; the division is exact, so every runtime agrees to the bit.
  const fraction = mul(unsigned(randomBits(source, shape)), 2 ** -24);
  const scaled = min === 0 && max === 1 ? fraction : add(mul(fraction, max - min), min);
  return cast(scaled, dtype);
}

const top24 = primitive<[x: Tensor], object>("top24Bits", {
  shape: ([x]) => ({ shape: x.shape, dtype: "float32" }),
  gradient: () => [null],
  onnx: (graph, [x]) =>
    graph.cast(graph.node("BitShift", [graph.cast(x, "uint32"), graph.uint32(8)], { direction: "RIGHT" }), "float32"),
});

/** The upper 24 bits of int32 words as float32 whole numbers from 0 to 2^24 - 1. */
const unsigned = (words: Tensor): Tensor => top24(words, {});

/** Normal numbers, by the Box-Muller transform. */
export function normal(
  source: Key,
  shape: Shape,
  {
    mean = 0,
    std = 1,
    dtype = "float32",
  }: { readonly mean?: number; readonly std?: number; readonly dtype?: DType } = {},
): Tensor {
  checkFloat("normal", dtype);
  const [a, b] = split(source, 2) as [Key, Key];
  // In (0, 1], so that the logarithm is finite.
  const radius = sqrt(mul(-2, log(mul(add(unsigned(randomBits(a, shape)), 1), 2 ** -24))));
  const z = mul(radius, cos(mul(2 * Math.PI, uniform(b, shape))));
  return cast(add(mul(z, std), mean), dtype);
}

/** True with probability `p` (a number or a tensor that broadcasts to the shape). */
export const bernoulli = (source: Key, shape: Shape, p: number | Tensor): Tensor => less(uniform(source, shape), p);

/** Whole numbers (int32) from `min` to `max - 1`; the range may hold up to 2^24 values. */
export function randomInteger(
  source: Key,
  shape: Shape,
  { min = 0, max }: { readonly min?: number; readonly max: number },
): Tensor {
  const range = max - min;
  if (!Number.isInteger(min) || !Number.isInteger(range) || range < 1 || range > 2 ** 24) {
    throw new RangeError(
      `randomInteger: expected whole numbers with 1 to 2^24 values between them, got ${min} and ${max}`,
    );
  }
  return add(cast(mul(uniform(source, shape), range), "int32"), min);
}

/** A random order of `0 … n - 1`, as int32. */
export function permutation(source: Key, n: number): Tensor {
  // Ties between random words keep their order; with 32 bits they are rare enough to leave no visible bias.
  return cast(topK(randomBits(source, [n]), n).indices, "int32");
}

/** Draws int64 indices along the last axis with probabilities `softmax(logits)`, by the Gumbel trick. */
export function categorical(source: Key, logits: Tensor): Tensor {
  const u = mul(add(unsigned(randomBits(source, logits.shape)), 0.5), 2 ** -24);
  return argMax(add(logits, cast(neg(log(neg(log(u)))), logits.dtype)), { axis: -1 });
}
