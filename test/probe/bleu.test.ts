import { describe, expect, it } from "vitest";
import { bleu } from "../../src/probe/index.ts";

const words = (text: string): string[] => text.split(" ");

describe("bleu", () => {
  it("is 100 of a translation that is its reference", () => {
    const text = [words("the whale swam away from the ship"), words("so did the other one")];
    expect(bleu(text, text)).toEqual({ score: 100, precisions: [1, 1, 1, 1], brevity: 1 });
  });

  it("agrees with a count by hand", () => {
    // Of 6, 5, 4, 3 pieces: "sat" is wrong, so 5 words; "the cat", "on the", "the mat"; "on the mat"; and no four in a row.
    const first = [words("the cat sat on the mat"), words("the cat is on the mat")] as const;
    expect(bleu([first[0]], [first[1]])).toEqual({ score: 0, precisions: [5 / 6, 3 / 5, 1 / 4, 0], brevity: 1 });
    // Another sentence adds 7 of 7, 6 of 6, 5 of 5, 4 of 4 to the corpus.
    const second = words("there is a cat on the mat");
    const expected = 100 * ((12 / 13) * (9 / 11) * (6 / 9) * (4 / 7)) ** (1 / 4);
    expect(bleu([first[0], second], [first[1], second]).score).toBeCloseTo(expected, 10);
  });

  it("counts a word no more often than it stands in the reference", () => {
    // The example of the source: 2 of 7.
    const { precisions } = bleu([words("the the the the the the the")], [words("the cat is on the mat")]);
    expect(precisions[0]).toBeCloseTo(2 / 7, 12);
  });

  it("takes words off for what is too short in all, and none for what is too long", () => {
    const reference = words("a b c d e f g h i j");
    const short = bleu([reference.slice(0, 6)], [reference]);
    expect(short.precisions).toEqual([1, 1, 1, 1]);
    expect(short.brevity).toBeCloseTo(Math.exp(1 - 10 / 6), 12);
    expect(short.score).toBeCloseTo(100 * Math.exp(1 - 10 / 6), 10);
    expect(bleu([[...reference, "k"]], [reference]).brevity).toBe(1);
    // Lengths are those of the corpus: a long sentence makes up for a short one.
    expect(bleu([reference.slice(0, 9), [...reference, "k"]], [reference, reference]).brevity).toBe(1);
    expect(bleu([[]], [reference]).score).toBe(0);
  });

  it("keeps words apart and takes numbers", () => {
    expect(bleu([["ab", "c"]], [["a", "bc"]], { order: 2 }).precisions).toEqual([0, 0]);
    expect(bleu([["a1:b"]], [["a", "b"]], { order: 1 }).precisions).toEqual([0]);
    expect(bleu([Int32Array.of(1, 23, 4, 5)], [[1, 23, 4, 5]]).score).toBe(100);
    expect(bleu([[12, 3]], [[1, 23]], { order: 1 }).score).toBe(0);
    expect(bleu([[1, 2, 9]], [[1, 2, 3]], { order: 2 }).score).toBeCloseTo(100 * Math.sqrt(2 / 6), 10);
  });

  it("names corpora that do not fit", () => {
    expect(() => bleu([["a"]], [])).toThrow(
      "bleu: expected as many translations as references and at least one, got 1 and 0",
    );
    expect(() => bleu([["a"]], [["a"]], { order: 0 })).toThrow(
      "bleu: order must be a whole number of at least 1, got 0",
    );
  });
});
