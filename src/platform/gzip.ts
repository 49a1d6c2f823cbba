/** Gzip in a browser. */
import { Gunzip } from "fflate";

export const constants = { Z_SYNC_FLUSH: 2 } as const;

/** Unpacks; with `finishFlush` as far as there is something to unpack. Throws where Node's would. */
export function gunzipSync(
  packed: Uint8Array,
  { maxOutputLength = Number.POSITIVE_INFINITY, finishFlush }: { maxOutputLength?: number; finishFlush?: number } = {},
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  let [length, ended] = [0, false];
  const stream = new Gunzip((part, final) => {
    parts.push(part);
    length += part.length;
    ended ||= final;
    if (length > maxOutputLength) throw Object.assign(new RangeError("too long"), { code: "ERR_BUFFER_TOO_LARGE" });
  });
  const isWhole = finishFlush !== constants.Z_SYNC_FLUSH;
  // In pieces, so that what is too long is noticed early.
  for (let at = 0; at < packed.length; at += PIECE) {
    const end = Math.min(packed.length, at + PIECE);
    stream.push(packed.subarray(at, end), isWhole && end === packed.length);
  }
  if (isWhole && !ended) throw new Error("unexpected end of file");
  const content = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    content.set(part, at);
    at += part.length;
  }
  return content;
}

const PIECE = 1 << 20;
