/** Caches of rows that are generated side by side, kept on the host. */
import { flatten, type Tensor, tensor } from "../array/index.ts";
import type { StackCache } from "../models/index.ts";
import type { CacheOptions } from "../nn/index.ts";

/** Caches are made no shorter than this, so that short texts need one graph only. */
const SHORTEST = 128;

export interface RowCachesOptions {
  readonly rows: number;
  /** Positions of a row at most. */
  readonly longest: number;
}

/** One tensor of the caches: `[rows, inner, length, extent]`, where `inner` stands for all axes between. */
interface Part {
  readonly shape: readonly number[];
  readonly inner: number;
  readonly extent: number;
  data: Float32Array;
}

/**
 * The caches of several rows. Graphs read them where they stand, without a copy, and what they give of new positions is
 * written in place. The length is a power of two that follows the longest row: few graphs serve all lengths, and short
 * texts do not pay for long ones.
 */
export class RowCaches {
  readonly rows: number;
  readonly #longest: number;
  readonly #parts: Part[];
  readonly #rebuild: (leaves: readonly Tensor[]) => StackCache;
  #length = 0;

  constructor(cacheOf: (options: CacheOptions) => StackCache, { rows, longest }: RowCachesOptions) {
    const { leaves, rebuild } = flatten(cacheOf({ batch: 1, length: 0 }));
    this.rows = rows;
    this.#longest = longest;
    this.#rebuild = rebuild;
    this.#parts = leaves.map(({ shape, dtype }) => {
      if (dtype !== "float32") throw new TypeError(`caches: expected tensors of float32, got ${dtype}`);
      const inner = shape.slice(1, -2).reduce((a, b) => a * b, 1);
      return { shape, inner, extent: shape.at(-1) as number, data: new Float32Array() };
    });
  }

  /** Positions that there is room for now. */
  get length(): number {
    return this.#length;
  }

  /** Bytes of a position of a row. */
  get bytesPerPosition(): number {
    return this.#parts.reduce((total, { inner, extent, data }) => total + inner * extent * data.BYTES_PER_ELEMENT, 0);
  }

  /** Makes room for so many positions; gives back what is far more than that. Rows keep what they hold. */
  fit(positions: number): void {
    const wanted = Math.min(this.#longest, Math.max(SHORTEST, 2 ** Math.ceil(Math.log2(Math.max(1, positions)))));
    if (positions > this.#longest)
      throw new RangeError(`caches: expected at most ${this.#longest} positions, got ${positions}`);
    if (wanted <= this.#length && wanted * 4 > this.#length) return;
    const kept = Math.min(wanted, this.#length);
    for (const part of this.#parts) {
      const { inner, extent, data: before } = part;
      part.data = new Float32Array(this.rows * inner * wanted * extent);
      for (let i = 0; i < this.rows * inner; i++) {
        const from = i * this.#length * extent;
        copy(before, from, from + kept * extent, part.data, i * wanted * extent);
      }
    }
    this.#length = wanted;
  }

  /** The caches of rows in a line, as the graph's inputs: the memory itself, so a later `write` changes them. */
  view(count: number, first = 0): StackCache {
    return this.#rebuild(
      this.#parts.map(({ shape, inner, extent, data }) => {
        const size = inner * this.#length * extent;
        return tensor(data.subarray(first * size, (first + count) * size), {
          shape: [count, ...shape.slice(1, -2), this.#length, extent],
        });
      }),
    );
  }

  /**
   * Writes the first `count` of the positions that a graph gave for one of its rows, `source`, into a row here, from
   * position `at` on.
   */
  write(fresh: StackCache, source: number, row: number, at: number, count: number): void {
    flatten(fresh).leaves.forEach(({ shape, data }, i) => {
      const part = this.#parts[i] as Part;
      const { inner, extent } = part;
      const given = shape.at(-2) as number;
      for (let j = 0; j < inner; j++) {
        const from = (source * inner + j) * given * extent;
        copy(
          data as Float32Array,
          from,
          from + count * extent,
          part.data,
          ((row * inner + j) * this.#length + at) * extent,
        );
      }
    });
  }

  /** Puts the first `positions` of a row in place of those of another. */
  move(from: number, to: number, positions: number): void {
    for (const { inner, extent, data } of this.#parts)
      for (let j = 0; j < inner; j++) {
        const start = (from * inner + j) * this.#length * extent;
        data.copyWithin((to * inner + j) * this.#length * extent, start, start + positions * extent);
      }
  }
}

/** Few numbers are copied one by one, which is quicker than to make a view of them. */
const FEW = 32;

function copy(from: Float32Array, start: number, end: number, to: Float32Array, at: number): void {
  if (end - start > FEW) to.set(from.subarray(start, end), at);
  else for (let i = start; i < end; i++) to[at + i - start] = from[i] as number;
}
