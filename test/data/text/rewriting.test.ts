import { describe, expect, it } from "vitest";
import {
  BEGIN,
  type Corpus,
  cipherTranslation,
  END,
  PADDING,
  padPairs,
  vowelRestoration,
} from "../../../src/data/index.ts";

const corpus: Corpus = {
  name: "test",
  train: [
    "Call me Ishmael. Some years ago, never mind how long precisely, I thought I would sail about a little.\nIt is a way I have.",
    "the whale and the ship and the sea",
  ],
  validation: ["the ship and the whale and the sea"],
  test: ["and the ship; the whale? the Sea and a ship"],
};
const text = (tokens: ArrayLike<number>): string => String.fromCharCode(...Array.from(tokens, (token) => token - 3));

describe("vowelRestoration", () => {
  const task = vowelRestoration(corpus, { bytes: 20 });

  it("removes vowels from pieces of whole words, none longer than allowed and none over the end of a line", () => {
    const pairs = task.train.map(({ source, target }) => [text(source), text(target)]);
    expect(pairs.slice(0, 3)).toEqual([
      ["Cll m shml.", "Call me Ishmael."],
      ["Sm yrs g,", "Some years ago,"],
      ["nvr mnd hw lng", "never mind how long"],
    ]);
    for (const [source, target] of pairs) {
      expect(target?.replace(/[aeiouAEIOU]/g, "")).toBe(source);
      expect(target?.length).toBeLessThanOrEqual(20);
    }
    // Nothing is lost or doubled.
    expect(pairs.map(([, target]) => target).join(" ")).toBe(corpus.train.join(" ").replace("\n", " "));
    expect(pairs.map(([, target]) => target)).toContain("It is a way I have.");
  });

  it("gives targets back as words", () => {
    const { target } = task.train[0] as { target: Int32Array };
    expect(task.words(target)).toEqual(["Call", "me", "Ishmael."]);
    expect(task.words([BEGIN, ...target, END, ...target])).toEqual(["Call", "me", "Ishmael."]);
  });

  it("counts bytes, not letters, and passes over words that never fit", () => {
    const pairs = vowelRestoration({ ...corpus, train: ["éé éé ééééé ab"] }, { bytes: 6 }).train;
    expect(pairs.map(({ target }) => target.length)).toEqual([4, 4, 2]);
  });
});

describe("cipherTranslation", () => {
  const task = cipherTranslation(corpus, { words: 8, meanings: 2, shortest: 2, longest: 4, seed: 3 });

  it("takes runs of the most frequent words, none over a mark", () => {
    const targets = (part: "train" | "test") => task[part].map(({ target }) => task.words(target).join(" "));
    expect(targets("test")).toEqual(["and the", "and a"]);
    expect(targets("train")).toContain("and the");
    for (const { target } of task.train) expect(target.length).toBeLessThanOrEqual(4);
  });

  it("reverses phrases into words of another language, with two meanings each", () => {
    const meanings = new Map<number, Set<number>>();
    const big = cipherTranslation(corpus, { words: 20, shortest: 1 });
    for (const { source, target } of [...big.train, ...big.validation, ...big.test]) {
      expect(source.length).toBe(target.length);
      target.forEach((word, i) => {
        const foreign = source[source.length - 1 - i] as number;
        expect(word).toBeLessThan(23);
        expect(foreign).toBeGreaterThanOrEqual(23);
        expect(foreign).toBeLessThan(big.vocabulary);
        meanings.set(foreign, (meanings.get(foreign) ?? new Set()).add(word));
      });
    }
    expect(big.vocabulary).toBe(3 + 20 + 10);
    expect([...meanings.values()].map(({ size }) => size)).toEqual(new Array(10).fill(2));
  });

  it("is the same for the same seed, and another language for another", () => {
    const sources = (seed: number) =>
      cipherTranslation(corpus, { words: 8, shortest: 2, seed }).train.map(({ source }) => [...source]);
    expect(sources(1)).toEqual(sources(1));
    expect(sources(1)).not.toEqual(sources(2));
  });

  it("says if there are too few words", () => {
    expect(() => cipherTranslation(corpus, { words: 100 })).toThrow(
      /^cipherTranslation: the training text has \d+ different words, fewer than the 100 asked for$/,
    );
    expect(() => cipherTranslation({ ...corpus, test: ["no!"] }, { words: 8, shortest: 2 })).toThrow(
      "translation from an invented language: the test text of test gives no pairs",
    );
  });
});

describe("padPairs", () => {
  it("adds ends and fills rows", () => {
    const pairs = [
      { source: Int32Array.of(5, 6), target: Int32Array.of(7) },
      { source: Int32Array.of(8), target: Int32Array.of(9, 10) },
    ];
    const { source, target } = padPairs(pairs, { source: 4, target: 3 });
    expect([...source]).toEqual([5, 6, END, PADDING, 8, END, PADDING, PADDING]);
    expect([...target]).toEqual([BEGIN, 7, END, PADDING, BEGIN, 9, 10, END]);
    expect(() => padPairs(pairs, { source: 2, target: 3 })).toThrow(
      "padPairs: a pair of 2 and 1 does not fit with its ends into 2 and 3",
    );
  });

  it("has room for the longest pair of a task", () => {
    const task = vowelRestoration(corpus, { bytes: 20 });
    expect(padPairs(task.train, task.length).target.length).toBe(task.train.length * (task.length.target + 1));
    expect(task.length.target).toBe(Math.max(...task.train.map(({ target }) => target.length)) + 1);
  });
});
