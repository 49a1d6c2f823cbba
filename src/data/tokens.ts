/** Tokenized texts on disk, read by position. */
import { closeSync, fstatSync, openSync, readSync } from "#platform";
import { fileError, writeFileAtomic } from "./files.ts";

/** Numbers of a tokenized text, in a file. */
export interface TokenFile {
  /** Tokens in all. */
  readonly length: number;
  /** The tokens from `start` on. Throws one sentence if they are not all in the file. */
  read(start: number, count: number): Uint16Array | Uint32Array;
  close(): void;
}

/** A part of a file of tokens, from `start` on, as if it were one; closing it leaves the file open. */
export function tokensWithin(file: TokenFile, start: number, length: number): TokenFile {
  if (!Number.isInteger(start) || !Number.isInteger(length) || start < 0 || length < 0 || start + length > file.length)
    throw new RangeError(`tokensWithin: expected a part of the ${file.length} tokens, got ${length} from ${start} on`);
  return {
    length,
    read: (from, count) => {
      if (from < 0 || from + count > length)
        throw new RangeError(
          `tokensWithin: expected tokens of the ${length} of this part, got ${count} from ${from} on`,
        );
      return file.read(start + from, count);
    },
    close: () => {},
  };
}

/** First and last bytes of a file: its name and version; after the first, the bytes of a token; before the last, how many. */
const MAGIC = "fourward tokens1";
const FRAME = 24;

/** Tokens that are written at once. */
const PIECE = 2 ** 20;

/**
 * Writes tokens to a file, atomically and piece by piece: 2 bytes each for a vocabulary of up to 65,536, else 4. Gives
 * their number. Throws one sentence if a token is not below `vocabulary`.
 */
export async function writeTokens(
  path: string,
  vocabulary: number,
  parts: Iterable<ArrayLike<number>> | AsyncIterable<ArrayLike<number>>,
): Promise<number> {
  const size = vocabulary <= 65_536 ? 2 : 4;
  let count = 0;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield frame(size);
    for await (const part of parts) {
      for (let from = 0; from < part.length; from += PIECE) {
        const piece =
          size === 2
            ? new Uint16Array(Math.min(PIECE, part.length - from))
            : new Uint32Array(Math.min(PIECE, part.length - from));
        for (let i = 0; i < piece.length; i++) {
          const token = part[from + i] as number;
          if (!(token >= 0 && token < vocabulary))
            throw new RangeError(`write ${path}: token ${token} is not below the vocabulary of ${vocabulary}`);
          piece[i] = token;
        }
        count += piece.length;
        yield new Uint8Array(piece.buffer);
      }
    }
    yield frame(count);
  }
  await writeFileAtomic(path, pieces());
  return count;
}

/** The name with a number after it: what a file begins and ends with. */
function frame(value: number): Uint8Array {
  const bytes = new Uint8Array(FRAME);
  bytes.set(new TextEncoder().encode(MAGIC));
  new DataView(bytes.buffer).setBigUint64(MAGIC.length, BigInt(value), true);
  return bytes;
}

/** The number of a frame, or null if it is none. */
const valueOf = (bytes: Uint8Array): number | null =>
  new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) === MAGIC
    ? Number(new DataView(bytes.buffer).getBigUint64(MAGIC.length, true))
    : null;

/**
 * Opens a file that `writeTokens` wrote. Nothing of it is held: tokens are read by position, and the operating system
 * keeps the pages that are used in memory. (That is what mapping it would do; Node cannot map files without native
 * add-ons.) Throws one sentence if the file is missing, truncated or of another kind.
 */
export function openTokens(path: string): TokenFile {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw fileError("read", path, error);
  }
  try {
    const { size: bytes } = fstatSync(file);
    const frameAt = (position: number): number | null => {
      const read = new Uint8Array(FRAME);
      return readSync(file, read, 0, FRAME, position) === FRAME ? valueOf(read) : null;
    };
    const size = bytes < 2 * FRAME ? null : frameAt(0);
    if (size !== 2 && size !== 4)
      throw new Error(`read ${path}: it is not a file of tokens; remove it and make it anew`);
    const length = frameAt(bytes - FRAME);
    if (length === null || bytes !== 2 * FRAME + size * length)
      throw new Error(`read ${path}: the file of tokens is truncated; remove it and make it anew`);
    return tokenFile(path, file, size, length);
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

const tokenFile = (path: string, file: number, size: 2 | 4, length: number): TokenFile => ({
  length,
  read: (start, count) => {
    if (!Number.isInteger(start) || !Number.isInteger(count) || start < 0 || count < 0 || start + count > length)
      throw new RangeError(`read ${path}: tokens ${start} to ${start + count} were asked for, it has ${length}`);
    const tokens = size === 2 ? new Uint16Array(count) : new Uint32Array(count);
    const bytes = new Uint8Array(tokens.buffer);
    for (let done = 0; done < bytes.length; ) {
      const got = readSync(file, bytes, done, bytes.length - done, FRAME + start * size + done);
      if (got === 0) throw new Error(`read ${path}: the file became shorter while it was read; make it anew`);
      done += got;
    }
    return tokens;
  },
  close: () => closeSync(file),
});
