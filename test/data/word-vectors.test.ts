import { describe, expect, it } from "vitest";
import { loadWordVectors, meanWordVectors, wordVectorsAvailable } from "../../src/data/index.ts";
import { parseWordVectors } from "../../src/data/word-vectors.ts";

/** A file in the form of the published one. */
const fileOf = (words: readonly string[]): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      size: words.length,
      words,
      vectors: Object.fromEntries(
        words.map((word, row) => [word, [...Array.from({ length: 100 }, (_, d) => row + d / 100), 12.5, row]]),
      ),
      unkVector: [0],
    }),
  );

describe("word vectors", () => {
  const words = ["the", ",", '"', "\\", "]", 'a"]:[b', "whale", "été"];
  it("reads the first words whatever they are made of", () => {
    const { words: found, width, vectors } = parseWordVectors(fileOf(words), 7);
    expect(found).toEqual(words.slice(0, 7));
    expect([width, vectors.length]).toEqual([100, 700]);
    expect(vectors[6 * 100 + 25]).toBeCloseTo(6.25, 6);
    expect(parseWordVectors(fileOf(words), 8).words.at(-1)).toBe("été");
  });
  it("names what is wrong", () => {
    expect(() => parseWordVectors(fileOf(words), 9)).toThrow("9 words were asked for, there are 8");
    expect(() => parseWordVectors(fileOf(words), 0)).toThrow("limit must be a whole number from 1, got 0");
    expect(() => parseWordVectors(Buffer.from("{}"), 1)).toThrow("there is no");
  });
  it("averages the words of a text, once for each time they occur", () => {
    const vectors = { words: ["sea", "whale"], width: 2, vectors: Float32Array.of(1, 2, 4, 8) };
    const { texts, means } = meanWordVectors(["The whale, the WHALE; the sea!", "Land.", "Sea"], vectors);
    expect(texts).toEqual([0, 2]);
    expect(Array.from(means)).toEqual([3, 6, 1, 2]);
    expect(meanWordVectors(["whale sea whale", "sea"], vectors, { least: 2 }).texts).toEqual([0]);
  });
  it("reads the published file where it is", { timeout: 60_000 }, async ({ skip }) => {
    const state = wordVectorsAvailable();
    if (!state.ok) return skip(state.reason);
    const { words: found, vectors } = await loadWordVectors(500);
    expect(found.slice(0, 3)).toEqual(["the", ",", "."]);
    expect(vectors[0]).toBeCloseTo(-0.038194, 6);
    expect(found).toContain("government");
  });
});
