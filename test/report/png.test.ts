import { inflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodePng } from "../../src/report/png.ts";

/** The CRC of PNG's appendix, bit by bit. */
function crc(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes)
    for (let bit = 0; bit < 8; bit++) {
      const odd = (remainder ^ (byte >> bit)) & 1;
      remainder = (remainder >>> 1) ^ (odd ? 0xedb88320 : 0);
    }
  return ~remainder >>> 0;
}

/** Chunks of a PNG file, with their checksums checked. */
function chunksOf(file: Uint8Array): { type: string; data: Buffer }[] {
  const bytes = Buffer.from(file);
  expect([...bytes.subarray(0, 8)]).toEqual([137, 80, 78, 71, 13, 10, 26, 10]);
  const chunks = [];
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const body = bytes.subarray(at + 4, at + 8 + length);
    expect(bytes.readUInt32BE(at + 8 + length)).toBe(crc(body));
    chunks.push({ type: body.toString("latin1", 0, 4), data: body.subarray(4) });
    at += 12 + length;
  }
  return chunks;
}

describe("encodePng", () => {
  it("holds header and pixels of any picture", () => {
    const sizes = fc.record({ width: fc.integer({ min: 1, max: 40 }), height: fc.integer({ min: 1, max: 40 }) });
    const pictures = sizes.chain(({ width, height }) =>
      fc.record({
        width: fc.constant(width),
        height: fc.constant(height),
        pixels: fc.uint8Array({ minLength: width * height, maxLength: width * height }),
      }),
    );
    fc.assert(
      fc.property(pictures, ({ width, height, pixels }) => {
        const [header, data, end] = chunksOf(encodePng(pixels, width, height));
        expect(header?.type).toBe("IHDR");
        expect([header?.data.readUInt32BE(0), header?.data.readUInt32BE(4)]).toEqual([width, height]);
        expect([...(header?.data.subarray(8) ?? [])]).toEqual([8, 0, 0, 0, 0]);
        expect(end?.type).toBe("IEND");
        const rows = inflateSync(data?.data ?? Buffer.alloc(0));
        const decoded = Array.from({ length: height }, (_, y) => {
          const row = rows.subarray(y * (width + 1), (y + 1) * (width + 1));
          expect(row[0]).toBe(0);
          return [...row.subarray(1)];
        });
        expect(decoded.flat()).toEqual([...pixels]);
      }),
      { numRuns: 40 },
    );
  });

  it("holds a palette and its opacity", () => {
    const colors = Uint8Array.from({ length: 768 }, (_, i) => i % 251);
    const file = encodePng(Uint8Array.of(0, 255), 2, 1, { colors, opacity: Uint8Array.of(0) });
    const [header, palette, opacity, data] = chunksOf(file);
    expect([...(header?.data.subarray(8) ?? [])]).toEqual([8, 3, 0, 0, 0]);
    expect([palette?.type, opacity?.type, data?.type]).toEqual(["PLTE", "tRNS", "IDAT"]);
    expect([...(palette?.data ?? [])]).toEqual([...colors]);
    expect([...(opacity?.data ?? [])]).toEqual([0]);
    expect([...inflateSync(data?.data ?? Buffer.alloc(0))]).toEqual([0, 0, 255]);
    expect(() => encodePng(Uint8Array.of(0), 1, 1, { colors: new Uint8Array(3) })).toThrow(
      "palette of 768 numbers, got 3",
    );
  });

  it("refuses another number of pixels", () => {
    expect(() => encodePng(new Uint8Array(5), 2, 3)).toThrow("encodePng: expected 6 pixels, got 5");
  });
});
