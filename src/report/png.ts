/** PNG files of pictures with 256 shades of grey or colours. */
import { zlibSync } from "fflate";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) c = (crcTable[(c ^ byte) & 0xff] as number) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** A chunk: length, type, data, and the checksum of type and data. */
function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

/** Colours of pixels. */
export interface PngPalette {
  /** Red, green and blue for each of the 256 values of a pixel. */
  readonly colors: Uint8Array;
  /** Opacity of the first values, from 0 to 255; the others are opaque. */
  readonly opacity?: Uint8Array;
}

/** Encodes `height` rows of `width` pixels, 0 black to 255 white, or in the colours of a palette. */
export function encodePng(pixels: Uint8Array, width: number, height: number, palette?: PngPalette): Uint8Array {
  if (pixels.length !== width * height)
    throw new RangeError(`encodePng: expected ${width * height} pixels, got ${pixels.length}`);
  if (palette && palette.colors.length !== 768)
    throw new RangeError(`encodePng: expected a palette of 768 numbers, got ${palette.colors.length}`);
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  // 8 bits, grayscale or a palette; standard compression, filter and no interlacing.
  header.set([8, palette ? 3 : 0, 0, 0, 0], 8);
  const rows = new Uint8Array((width + 1) * height);
  for (let y = 0; y < height; y++) rows.set(pixels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const parts = [
    SIGNATURE,
    chunk("IHDR", header),
    ...(palette ? [chunk("PLTE", palette.colors)] : []),
    ...(palette?.opacity ? [chunk("tRNS", palette.opacity)] : []),
    chunk("IDAT", zlibSync(rows)),
    chunk("IEND", new Uint8Array(0)),
  ];
  const file = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}
