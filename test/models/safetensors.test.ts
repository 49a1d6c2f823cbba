import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  openSafetensors,
  parseSafetensors,
  readSafetensors,
  type TensorToWrite,
  writeSafetensors,
} from "../../src/models/index.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fourward-safetensors-"));
  path = join(folder, "m.safetensors");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A file put together by hand from a header text and data bytes. */
function file(header: string | object, data: Uint8Array = new Uint8Array(), claimed?: number): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimed ?? json.length));
  return Buffer.concat([length, json, data]);
}

const f32 = (begin: number, ...shape: number[]) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, begin + 4 * shape.reduce((a, b) => a * b, 1)],
});

/** The error, which must be one sentence that names the file; null if the call succeeded. */
async function sentence(call: () => Promise<unknown>): Promise<string | null> {
  try {
    await call();
    return null;
  } catch (error) {
    expect((error as Error).name).toBe("Error");
    expect((error as Error).message).toMatch(/^read f: [^\n]{10,400}$/);
    return (error as Error).message;
  }
}

describe("reading", () => {
  it("reads a file made by hand, with metadata, padding, scalars and empty tensors", async () => {
    const header = {
      __metadata__: { format: "pt", __proto__x: "y" },
      b: { dtype: "I64", shape: [], data_offsets: [8, 16] },
      "a.weight": f32(0, 2, 1),
      empty: { dtype: "F64", shape: [3, 0], data_offsets: [16, 16] },
    };
    const data = Buffer.alloc(16);
    data.writeFloatLE(1.5, 0);
    data.writeFloatLE(-2, 4);
    data.writeBigInt64LE(-(2n ** 60n), 8);
    const bytes = file(`${JSON.stringify(header)}   `, data);
    writeFileSync(path, bytes);
    const shifted = Buffer.concat([Buffer.alloc(3), bytes]).subarray(3);
    for (const opened of [await openSafetensors(path), await readSafetensors(path), await parseSafetensors(shifted)]) {
      expect([...opened.entries.keys()]).toEqual(["b", "a.weight", "empty"]);
      expect(opened.metadata).toEqual(header.__metadata__);
      expect(await opened.read("a.weight")).toEqual({
        dtype: "float32",
        shape: [2, 1],
        data: Float32Array.of(1.5, -2),
      });
      expect(await opened.read("b")).toEqual({ dtype: "int64", shape: [], data: BigInt64Array.of(-(2n ** 60n)) });
      expect(await opened.read("empty")).toEqual({ dtype: "float64", shape: [3, 0], data: new Float64Array() });
      expect([...(await opened.bytes("a.weight", { start: 4 }))]).toEqual([...data.subarray(4, 8)]);
      expect((await opened.bytes("b", { start: 2, end: 2 })).length).toBe(0);
      await expect(opened.bytes("b", { end: 9 })).rejects.toThrow(
        'tensor "b" has 8 bytes, bytes 0 to 9 were asked for',
      );
      await expect(opened.read("c")).rejects.toThrow('there is no tensor "c"; it has "b", "a.weight", "empty"');
      await opened.close();
    }
  });

  it("reads tensors of other writers that are not aligned", async () => {
    const data = Buffer.alloc(5);
    data[0] = 1;
    data.writeFloatLE(0.25, 1);
    const header = { flag: { dtype: "BOOL", shape: [1], data_offsets: [0, 1] }, x: f32(1, 1) };
    const opened = await parseSafetensors(file(header, data));
    expect((await opened.read("x")).data).toEqual(Float32Array.of(0.25));
    expect((await opened.read("flag")).data).toEqual(Uint8Array.of(1));
  });

  it("converts 64- and 16-bit floats on request, exactly", async () => {
    // 1, -2, the smallest subnormal, infinity, and pi rounded, in both 16-bit formats.
    const half = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00, 0x4248);
    const brain = Uint16Array.of(0x3f80, 0xc000, 0x0001, 0x7f80, 0x4049);
    await writeSafetensors(path, {
      half: { dtype: "F16", shape: [5], data: half },
      brain: { dtype: "BF16", shape: [5], data: brain },
      double: { dtype: "F64", shape: [2], data: Float64Array.of(Math.PI, 1e300) },
      int: { dtype: "I32", shape: [1], data: Int32Array.of(7) },
      short: { dtype: "I16", shape: [1], data: Int16Array.of(-3) },
    });
    const opened = await openSafetensors(path);
    const as = { as: "float32" } as const;
    expect((await opened.read("half", as)).data).toEqual(
      Float32Array.of(1, -2, 2 ** -24, Number.POSITIVE_INFINITY, 3.140625),
    );
    expect((await opened.read("brain", as)).data).toEqual(
      Float32Array.of(1, -2, 2 ** -133, Number.POSITIVE_INFINITY, 3.140625),
    );
    expect((await opened.read("double", as)).data).toEqual(Float32Array.of(Math.PI, 1e300));
    expect(await opened.read("half")).toEqual({ dtype: "float16", shape: [5], data: half });
    expect((await opened.read("brain")).dtype).toBe("float32");
    await expect(opened.read("int", as)).rejects.toThrow('tensor "int" is I32, which is not floating-point');
    expect([...(await opened.bytes("short"))]).toEqual([0xfd, 0xff]);
    await opened.close();
  });

  it("reads narrow integers in wider ones, and bytes alone where there is no number for them", async () => {
    await writeSafetensors(path, {
      i8: { dtype: "I8", shape: [2], data: Int8Array.of(-128, 127) },
      i16: { dtype: "I16", shape: [2], data: Int16Array.of(-32768, 5) },
      u16: { dtype: "U16", shape: [1], data: Uint16Array.of(65535) },
      u32: { dtype: "U32", shape: [1], data: Uint32Array.of(0xffffffff) },
      u64: { dtype: "U64", shape: [1], data: BigUint64Array.of(2n ** 63n - 1n) },
      huge: { dtype: "U64", shape: [1], data: BigUint64Array.of(2n ** 63n) },
      four: { dtype: "F4", shape: [2, 3], data: Uint8Array.of(1, 2, 3) },
      pair: { dtype: "C64", shape: [1], data: Float32Array.of(1, 2) },
    });
    const opened = await openSafetensors(path);
    expect(await opened.read("i8")).toEqual({ dtype: "int32", shape: [2], data: Int32Array.of(-128, 127) });
    expect(await opened.read("i16")).toEqual({ dtype: "int32", shape: [2], data: Int32Array.of(-32768, 5) });
    expect(await opened.read("u16")).toEqual({ dtype: "int32", shape: [1], data: Int32Array.of(65535) });
    expect((await opened.read("u32")).data).toEqual(BigInt64Array.of(0xffffffffn));
    expect((await opened.read("u64")).data).toEqual(BigInt64Array.of(2n ** 63n - 1n));
    await expect(opened.read("huge")).rejects.toThrow('tensor "huge" is U64 and holds numbers of 2^63 or more');
    await expect(opened.read("four")).rejects.toThrow('tensor "four" is F4, which has no tensor type here');
    await expect(opened.read("pair", { as: "float32" })).rejects.toThrow("is C64, which has no tensor type here");
    expect([...(await opened.bytes("four"))]).toEqual([1, 2, 3]);
    await opened.close();
  });

  it("reads 8-bit floats as their definitions say", async () => {
    // Largest, smallest subnormal, one, minus zero; then what is special.
    const e4m3 = Uint8Array.of(0x7e, 0x01, 0x38, 0x80, 0x7f, 0xff);
    const e5m2 = Uint8Array.of(0x7b, 0x01, 0x3c, 0x80, 0x7c, 0xfd);
    await writeSafetensors(path, {
      e4m3: { dtype: "F8_E4M3", shape: [6], data: e4m3 },
      e5m2: { dtype: "F8_E5M2", shape: [6], data: e5m2 },
      e8m0: { dtype: "F8_E8M0", shape: [3], data: Uint8Array.of(0, 127, 255) },
    });
    const opened = await openSafetensors(path);
    expect([...((await opened.read("e4m3")).data as Float32Array)]).toEqual([
      448,
      2 ** -9,
      1,
      -0,
      Number.NaN,
      Number.NaN,
    ]);
    expect([...((await opened.read("e5m2")).data as Float32Array)]).toEqual([
      57344,
      2 ** -16,
      1,
      -0,
      Number.POSITIVE_INFINITY,
      Number.NaN,
    ]);
    expect([...((await opened.read("e8m0")).data as Float32Array)]).toEqual([2 ** -127, 1, Number.NaN]);
    await opened.close();
  });

  it("fills memory with a range of elements of any floating-point type", async () => {
    const values = Float64Array.from({ length: 3_000_000 }, (_, i) => i % 2048);
    await writeSafetensors(path, {
      double: { dtype: "F64", shape: [3, 1_000_000], data: values },
      single: { dtype: "F32", shape: [3_000_000], data: Float32Array.from(values) },
      int: { dtype: "I32", shape: [1], data: Int32Array.of(7) },
    });
    const opened = await openSafetensors(path);
    const wanted = Float32Array.from(values.subarray(999_999, 2_999_999));
    for (const name of ["double", "single"]) {
      const target = new Float32Array(2_000_000);
      await opened.fill(name, target, 999_999);
      expect(Buffer.compare(new Uint8Array(target.buffer), new Uint8Array(wanted.buffer))).toBe(0);
      await expect(opened.fill(name, target, 1_000_001)).rejects.toThrow(
        `tensor "${name}" has 3000000 elements, 2000000 from 1000001 on were asked for`,
      );
    }
    await expect(opened.fill("int", new Float32Array(1))).rejects.toThrow('tensor "int" is I32, which is not floating');
    await opened.close();
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["nothing", new Uint8Array(), /expected a safetensors file, got only 0 bytes$/],
    [
      "a zip archive",
      Buffer.from("PK\u0003\u0004 and so on"),
      /claims a header of \d+ bytes in a file of 14; it is truncated or not a/,
    ],
    [
      "a truncated header",
      file({ a: f32(0, 1) }, Buffer.alloc(4)).subarray(0, 30),
      /claims a header of 54 bytes in a file of 30/,
    ],
    [
      "truncated data",
      file({ a: f32(0, 2) }, Buffer.alloc(7)),
      /tensor "a" lies at bytes 0 to 8 of 7; the file is truncated/,
    ],
    ["data at the end", file({ a: f32(0, 2) }, Buffer.alloc(9)), /1 bytes at the end belong to no tensor/],
    ["a hole", file({ a: f32(0, 1), b: f32(8, 1) }, Buffer.alloc(12)), /4 bytes before tensor "b" belong to no tensor/],
    ["an overlap", file({ a: f32(0, 2), b: f32(4, 1) }, Buffer.alloc(8)), /tensor "b" overlaps the one before it/],
    ["text", file("hello"), /the header is not JSON/],
    [
      "bytes that are not UTF-8",
      file(Buffer.from('{"\u00ff":1}', "latin1").toString("latin1")).fill(0xff, 10, 11),
      /not JSON/,
    ],
    ["a list", file("[]"), /the header is not a JSON object/],
    ["space before the header", file(" {}"), /the header is not a JSON object/],
    [
      "a name twice",
      file(`{"a":${JSON.stringify(f32(0, 1))},"\\u0061" : ${JSON.stringify(f32(0, 1))}}`, Buffer.alloc(4)),
      /names "a" twice/,
    ],
    [
      "a field twice",
      file('{"a":{"dtype":"U8","dtype":"I8","shape":[],"data_offsets":[0,1]}}', Buffer.alloc(1)),
      /names "dtype" twice/,
    ],
    ["metadata of numbers", file({ __metadata__: { step: 1 } }), /__metadata__ must be an object of strings/],
    ["a tensor that is a number", file({ a: 1 }), /tensor "a" is not described by an object/],
    ["an unknown dtype", file({ a: { ...f32(0), dtype: "F5" } }), /tensor "a" has dtype "F5", expected one of F64, /],
    ["a dtype of the prototype", file({ a: { ...f32(0), dtype: "toString" } }), /tensor "a" has dtype "toString"/],
    [
      "a negative length",
      file({ a: { ...f32(0), shape: [-1] } }),
      /tensor "a" has shape \[-1\], expected whole numbers/,
    ],
    ["no shape", file({ a: { dtype: "F32", data_offsets: [0, 4] } }), /tensor "a" has shape nothing/],
    [
      "three offsets",
      file({ a: { ...f32(0), data_offsets: [0, 2, 4] } }),
      /data_offsets \[0,2,4\], expected \[begin, end\]/,
    ],
    [
      "offsets the wrong way",
      file({ a: { ...f32(0), data_offsets: [4, 0] } }, Buffer.alloc(4)),
      /lies at bytes 4 to 0 of 4/,
    ],
    [
      "too few bytes",
      file({ a: { ...f32(0), data_offsets: [0, 3] } }, Buffer.alloc(3)),
      /has 3 bytes, but F32 of shape \[\] needs 4/,
    ],
    [
      "a size past 2^53",
      file({ a: { ...f32(0), shape: [2 ** 40, 2 ** 40], data_offsets: [0, 4] } }, Buffer.alloc(4)),
      /has 4 bytes, but/,
    ],
    ["an endless shape", file({ a: { ...f32(0), shape: Array(5000).fill(9) } }, Buffer.alloc(4)), /9,9,9\.\.\. needs/],
  ])("refuses %s in one sentence", async (_, bytes, message) => {
    expect(await sentence(() => parseSafetensors(bytes, "f"))).toMatch(message);
  });

  it("reads a zero-size tensor whose other lengths are huge, and a name called __proto__", async () => {
    const header = `{"__proto__":{"dtype":"F32","shape":[0,9007199254740991,9007199254740991],"data_offsets":[0,0]}}`;
    const opened = await parseSafetensors(file(header));
    expect((await opened.read("__proto__")).data.length).toBe(0);
  });

  it("refuses a header over the limit without reading it", async () => {
    writeFileSync(path, file("{}", new Uint8Array(), 100_000_001));
    truncateSync(path, 200_000_000);
    const before = process.memoryUsage().arrayBuffers;
    await expect(openSafetensors(path)).rejects.toThrow(/a header of 100000001 bytes is over the limit of 100000000/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
  });

  it("refuses bools other than 0 and 1", async () => {
    const opened = await parseSafetensors(
      file({ a: { dtype: "BOOL", shape: [2], data_offsets: [0, 2] } }, Uint8Array.of(1, 2)),
      "f",
    );
    expect(await sentence(() => opened.read("a"))).toMatch(/tensor "a" is BOOL but holds bytes other than 0 and 1/);
  });

  it("explains a missing file, a folder, and a file cut while open", async () => {
    await expect(openSafetensors(join(folder, "none"))).rejects.toThrow(/none: no such file; check the path$/);
    await expect(openSafetensors(folder)).rejects.toThrow(/it is a folder, not a file/);
    await writeSafetensors(path, { a: { dtype: "U8", shape: [100], data: new Uint8Array(100) } });
    const opened = await openSafetensors(path);
    writeFileSync(path, readFileSync(path).subarray(0, 80));
    await expect(opened.read("a")).rejects.toThrow(/the file became shorter while it was read/);
    await opened.close();
  });
});

const types = [
  ["F64", Float64Array],
  ["F32", Float32Array],
  ["F16", Uint16Array],
  ["BF16", Uint16Array],
  ["I64", BigInt64Array],
  ["I32", Int32Array],
  ["I16", Int16Array],
  ["I8", Int8Array],
  ["U64", BigUint64Array],
  ["U32", Uint32Array],
  ["U16", Uint16Array],
  ["U8", Uint8Array],
  ["F8_E4M3", Uint8Array],
  ["F8_E5M2", Uint8Array],
] as const;

const tensors: fc.Arbitrary<Record<string, TensorToWrite & { readonly data: ArrayBufferView }>> = fc.dictionary(
  fc.string({ maxLength: 8, unit: "binary" }).filter((name) => name !== "__metadata__"),
  fc.tuple(fc.constantFrom(...types), fc.array(fc.nat(4), { maxLength: 3 })).chain(([[dtype, array], shape]) => {
    const size = shape.reduce((a, b) => a * b, 1) * array.BYTES_PER_ELEMENT;
    return fc
      .uint8Array({ minLength: size, maxLength: size })
      .map((bytes) => ({ dtype, shape, data: new array(bytes.buffer) }));
  }),
  { maxKeys: 6 },
);
const metadata = fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 });

describe("writing", () => {
  it("is read back bit for bit, aligned, in an order that depends on the contents only", async () => {
    await fc.assert(
      fc.asyncProperty(tensors, metadata, async (written, notes) => {
        await writeSafetensors(path, written, notes);
        const bytes = readFileSync(path);
        const opened = await openSafetensors(path);
        expect({ ...opened.metadata }).toEqual({ ...notes });
        expect(new Set(opened.entries.keys())).toEqual(new Set(Object.keys(written)));
        const headerBytes = Number(bytes.readBigUInt64LE());
        expect(headerBytes % 8).toBe(0);
        for (const [name, { dtype, shape, data }] of Object.entries(written)) {
          const entry = opened.entries.get(name);
          expect({ dtype: entry?.dtype, shape: entry?.shape }).toEqual({ dtype, shape });
          expect((entry?.begin ?? 0.5) % (data as Uint8Array).BYTES_PER_ELEMENT).toBe(0);
          expect(Buffer.from(await opened.bytes(name)).equals(Buffer.from(data.buffer))).toBe(true);
        }
        await opened.close();
        await writeSafetensors(path, Object.fromEntries(Object.entries(written).reverse()), notes);
        expect(readFileSync(path).equals(bytes)).toBe(true);
      }),
    );
  });

  it("writes a view of a larger buffer", async () => {
    await writeSafetensors(path, { a: { dtype: "I32", shape: [2], data: Int32Array.of(1, 2, 3, 4).subarray(1, 3) } });
    expect((await (await readSafetensors(path)).read("a")).data).toEqual(Int32Array.of(2, 3));
  });

  it("refuses data that do not fit and a reserved name, and keeps the previous file", async () => {
    writeFileSync(path, "precious");
    const data = new Float32Array(5);
    await expect(writeSafetensors(path, { w: { dtype: "F32", shape: [2, 3], data } })).rejects.toThrow(
      `write ${path}: tensor "w", F32 of shape [2,3], needs 24 bytes, got 20`,
    );
    await expect(writeSafetensors(path, { __metadata__: { dtype: "F32", shape: [5], data } })).rejects.toThrow(
      /rename it$/,
    );
    expect(readFileSync(path, "utf8")).toBe("precious");
  });
});

describe("damaged files", () => {
  const encoded = fc.tuple(tensors, metadata);

  /** A file either is refused in a sentence or is read without contradiction. */
  async function readsOrRefuses(bytes: Uint8Array): Promise<void> {
    await sentence(async () => {
      const opened = await parseSafetensors(bytes, "f");
      for (const [name, { begin, end }] of opened.entries) {
        expect((await opened.bytes(name)).length).toBe(end - begin);
        await sentence(() => opened.read(name));
        await sentence(() => opened.read(name, { as: "float32" }));
      }
    });
  }

  it("every truncation is refused", async () => {
    await fc.assert(
      fc.asyncProperty(encoded, fc.nat(), async ([written, notes], cut) => {
        await writeSafetensors(path, written, notes);
        const size = statSync(path).size;
        const bytes = readFileSync(path).subarray(0, cut % size);
        expect(await sentence(() => parseSafetensors(bytes, "f"))).not.toBeNull();
      }),
    );
  });

  it("any change of bytes is refused or read without contradiction", async () => {
    const edits = fc.array(
      fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('{}[]",:0123456789')))),
      {
        minLength: 1,
        maxLength: 5,
      },
    );
    await fc.assert(
      fc.asyncProperty(encoded, edits, fc.boolean(), async ([written, notes], changes, onlyHeader) => {
        await writeSafetensors(path, written, notes);
        const bytes = Uint8Array.from(readFileSync(path));
        const reach = onlyHeader ? 8 + Number(Buffer.from(bytes).readBigUInt64LE()) : bytes.length;
        for (const [at, value] of changes) bytes[at % reach] = value;
        await readsOrRefuses(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  it("any header that is JSON is refused or read without contradiction", async () => {
    const field = fc.record({
      dtype: fc.constantFrom("F32", "U8", "BF16", "BOOL", "F4", 3, null),
      shape: fc.oneof(fc.array(fc.oneof(fc.nat(3), fc.double()), { maxLength: 3 }), fc.jsonValue()),
      data_offsets: fc.oneof(fc.tuple(fc.nat(40), fc.nat(40)), fc.jsonValue()),
    });
    const header = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(fc.string({ maxLength: 3 }), fc.oneof(field, fc.jsonValue())),
    );
    await fc.assert(
      fc.asyncProperty(header, fc.uint8Array({ maxLength: 40 }), async (json, data) => {
        await readsOrRefuses(file(JSON.stringify(json), data));
      }),
      { numRuns: 1000 },
    );
  });
});
