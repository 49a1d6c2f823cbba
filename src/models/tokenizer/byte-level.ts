/** How byte-level byte-pair encoding cuts text into words and writes bytes as characters. */

/**
 * Cuts text into words, each with the space before it; merges never cross from one to the next.
 * Source: Radford et al. 2019 (GPT-2); the expression is part of that tokenizer's definition.
 */
export const wordsOf = (text: string): IterableIterator<RegExpExecArray> =>
  text.matchAll(/'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu);

/** Bytes that stand for themselves: the printable ones of Latin-1, without the space and the soft hyphen. */
const isPrintable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);

/** The character that stands for each byte: printable bytes as they are, the others from code point 256 on. */
export const characterOfByte: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : next++));
})();

/** The byte that a character stands for. */
export const byteOfCharacter: ReadonlyMap<string, number> = new Map(
  characterOfByte.map((character, byte) => [character, byte]),
);

const utf8 = new TextEncoder();

/** UTF-8 bytes of a text, a character for each. */
export const byteCharacters = (text: string): string[] =>
  Array.from(utf8.encode(text), (byte) => characterOfByte[byte] as string);

/** Bytes of a token that is written in characters of bytes; null if a character stands for no byte. */
export function bytesOfToken(token: string): Uint8Array | null {
  const bytes = Array.from(token, (character) => byteOfCharacter.get(character));
  return bytes.includes(undefined) ? null : Uint8Array.from(bytes as number[]);
}
