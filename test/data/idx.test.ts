import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type IdxArray, parseIdx, readIdx } from "../../src/data/idx.ts";

const codes = { uint8: 0x08, int8: 0x09, int16: 0x0b, int32: 0x0c, float32: 0x0d, float64: 0x0e } as const;
const setters = {
  uint8: "setUint8",
  int8: "setInt8",
  int16: "setInt16",
  int32: "setInt32",
  float32: "setFloat32",
  float64: "setFloat64",
} as const;

/** Writes the format the plain way, one element at a time. */
function encodeIdx({ dtype, shape, data }: IdxArray): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.byteLength);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0, codes[dtype], shape.length]);
  shape.forEach((length, axis) => {
    view.setUint32(4 + 4 * axis, length);
  });
  data.forEach((value, i) => {
    view[setters[dtype]](4 + 4 * shape.length + i * data.BYTES_PER_ELEMENT, value);
  });
  return bytes;
}

const arrays: fc.Arbitrary<IdxArray> = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }).chain((shape) => {
  const length = { minLength: shape.reduce((a, b) => a * b, 1), maxLength: shape.reduce((a, b) => a * b, 1) };
  return fc
    .oneof(
      fc.uint8Array(length).map((data) => ({ dtype: "uint8" as const, data })),
      fc.int8Array(length).map((data) => ({ dtype: "int8" as const, data })),
      fc.int16Array(length).map((data) => ({ dtype: "int16" as const, data })),
      fc.int32Array(length).map((data) => ({ dtype: "int32" as const, data })),
      fc.float32Array(length).map((data) => ({ dtype: "float32" as const, data })),
      fc.float64Array(length).map((data) => ({ dtype: "float64" as const, data })),
    )
    .map((typed) => ({ ...typed, shape }));
});

const bytesOf = ({ data }: IdxArray) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");

/** The error of a call, which must be one sentence that names the file; null if the call succeeded. */
function sentence(call: () => unknown): string | null {
  try {
    call();
    return null;
  } catch (error) {
    const { message, name } = error as Error;
    expect(name).toBe("Error");
    expect(message).toMatch(/^read f: [^\n]{10,300}$/);
    return message;
  }
}

describe("parseIdx", () => {
  it("reads every element type, raw and gzipped", () => {
    fc.assert(
      fc.property(arrays, fc.boolean(), (array, gzipped) => {
        const bytes = encodeIdx(array);
        const read = parseIdx(gzipped ? gzipSync(bytes) : bytes);
        expect({ dtype: read.dtype, shape: read.shape }).toEqual({ dtype: array.dtype, shape: array.shape });
        expect(bytesOf(read)).toBe(bytesOf(array));
      }),
    );
  });

  it("reads from the middle of a larger buffer", () => {
    const array: IdxArray = { dtype: "int32", shape: [2], data: Int32Array.of(-7, 1 << 30) };
    const bytes = encodeIdx(array);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect([...parseIdx(shifted.subarray(3)).data]).toEqual([-7, 1 << 30]);
  });

  it("says of every truncation and extension that it is one", () => {
    fc.assert(
      fc.property(arrays, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 9 }), (array, cut, more) => {
        const bytes = encodeIdx(array);
        const short = bytes.subarray(0, cut % bytes.length);
        expect(sentence(() => parseIdx(short, "f"))).toMatch(/expected an IDX file|header ends after|truncated/);
        const packed = gzipSync(bytes);
        expect(sentence(() => parseIdx(packed.subarray(0, 2 + (cut % (packed.length - 2))), "f"))).not.toBeNull();
        const long = Buffer.concat([bytes, more]);
        expect(sentence(() => parseIdx(long, "f"))).toMatch(/over-long/);
        expect(sentence(() => parseIdx(gzipSync(long), "f"))).toMatch(/over-long/);
      }),
    );
  });

  it("answers any bytes with an array of their size or one sentence", () => {
    const mutated = fc
      .tuple(arrays, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }), fc.boolean())
      .map(([array, edits, gzipped]) => {
        const bytes = Uint8Array.from(gzipped ? gzipSync(encodeIdx(array)) : encodeIdx(array));
        for (const [at, value] of edits) bytes[at % bytes.length] = value;
        return bytes;
      });
    const foreign = fc.uint8Array({ maxLength: 64 });
    const headed = fc
      .tuple(fc.constantFrom(...Object.values(codes)), foreign)
      .map(([code, rest]) => Uint8Array.of(0, 0, code, ...rest));
    fc.assert(
      fc.property(fc.oneof(mutated, foreign, headed), (bytes) => {
        sentence(() => {
          const { shape, data } = parseIdx(bytes, "f");
          expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
        });
      }),
      { numRuns: 1000 },
    );
  });

  it("allocates nothing for absurd sizes", () => {
    const absurd = (...shape: number[]) => encodeIdx({ dtype: "uint8", shape, data: new Uint8Array(10) });
    const huge = 0xffff_ffff;
    for (const bytes of [absurd(huge), absurd(huge, huge, huge), absurd(...Array(255).fill(huge))]) {
      const before = process.memoryUsage().arrayBuffers;
      expect(sentence(() => parseIdx(bytes, "f"))).toMatch(
        /needs (\d+|an impossible number of) bytes, got \d+: the file is truncated/,
      );
      expect(sentence(() => parseIdx(gzipSync(bytes), "f"))).toMatch(/gzipped bytes/);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
    }
    expect(parseIdx(encodeIdx({ dtype: "uint8", shape: [0, huge], data: new Uint8Array() })).data.length).toBe(0);
    expect(sentence(() => parseIdx(absurd(...Array(254).fill(huge), 0), "f"))).toMatch(/over-long/);
  });

  it("stops unpacking a gzip bomb at the size its header states", () => {
    const bomb = gzipSync(
      Buffer.concat([encodeIdx({ dtype: "uint8", shape: [3], data: new Uint8Array(3) }), Buffer.alloc(48 << 20)]),
    );
    const before = process.memoryUsage().arrayBuffers;
    expect(sentence(() => parseIdx(bomb, "f"))).toMatch(/expected 11 bytes unpacked, got more: the file is over-long/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
  });
});

describe("readIdx", () => {
  it("reads a file, and names the missing and the foreign one", async () => {
    const folder = mkdtempSync(join(tmpdir(), "fourward-idx-"));
    try {
      const path = join(folder, "a");
      writeFileSync(path, encodeIdx({ dtype: "float64", shape: [], data: Float64Array.of(Math.PI) }));
      expect(await readIdx(path)).toEqual({ dtype: "float64", shape: [], data: Float64Array.of(Math.PI) });
      writeFileSync(path, "%PDF-1.4");
      await expect(readIdx(path)).rejects.toThrow(
        `read ${path}: expected an IDX file (00 00, type, rank), got 25504446`,
      );
      await expect(readIdx(join(folder, "none"))).rejects.toThrow(/none: no such file; check the path$/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
