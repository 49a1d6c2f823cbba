import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tokenizer as LibraryTokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadTokenizer, type TokenizerFile, trainTokenizer } from "../../../src/models/index.ts";

const text = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
const json = trainTokenizer([text, text.toUpperCase(), "naïve café — ÅÄÖ 漢字"], { vocabulary: 600 });
const tokenizer = await loadTokenizer(json);
const library = new LibraryTokenizer(json as never, {} as never);
const samples = [
  text,
  "Hello, world!  Two spaces\n\nand 123 lines\t.",
  "don't we'll I'M",
  "日本語 🐋 whale",
  " ",
  "",
  "\n\n  x",
];

describe("trainTokenizer", () => {
  it("joins the pair that occurs most often, then the next, as by hand", () => {
    // Words: "aaab" once and " aaab" twice. a-a occurs 6 times, then aa-a and a-b … by count and then by number.
    const { model } = trainTokenizer(["aaab aaab aaab"], { vocabulary: 256 + 4 + 1 });
    expect(model.merges?.slice(0, 3)).toEqual([
      ["a", "a"],
      ["a", "b"],
      ["aa", "ab"],
    ]);
    expect(model.merges?.[3]).toEqual(["Ġ", "aaab"]);
    expect(model.vocab["<|endoftext|>"]).toBe(260);
  });

  it("agrees with a plain count over all words at every merge", () => {
    const sample = text.slice(0, 3000);
    const learned = trainTokenizer([sample], { vocabulary: 300 }).model;
    // The slow way: words as lists of token texts, pairs counted anew for each merge.
    let words = [
      ...sample.matchAll(/'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu),
    ].map(([word]) =>
      [...Buffer.from(word)].map((byte) => Object.entries(learned.vocab).find(([, id]) => id === byte)?.[0] as string),
    );
    for (const merge of learned.merges as readonly (readonly [string, string])[]) {
      const counts = new Map<string, number>();
      for (const word of words)
        for (let i = 0; i + 1 < word.length; i++) {
          const pair = `${word[i]} ${word[i + 1]}`;
          counts.set(pair, (counts.get(pair) ?? 0) + 1);
        }
      const most = Math.max(...counts.values());
      expect(counts.get(merge.join(" "))).toBe(most);
      words = words.map((word) => {
        const joined: string[] = [];
        for (let i = 0; i < word.length; i++) {
          const isPair = word[i] === merge[0] && word[i + 1] === merge[1];
          joined.push(isPair ? merge.join("") : (word[i] as string));
          if (isPair) i++;
        }
        return joined;
      });
    }
  });

  it("gives a smaller vocabulary when there is not enough text", () => {
    expect(Object.keys(trainTokenizer(["abab"], { vocabulary: 1000 }).model.vocab).length).toBeLessThan(262);
  });

  it("never merges special tokens that stand in the text", () => {
    const { model } = trainTokenizer(["x<|endoftext|>".repeat(50)], { vocabulary: 300 });
    expect(model.merges).toEqual([]);
  });

  it("says in one sentence what is wrong", () => {
    expect(() => trainTokenizer(["abc"], { vocabulary: 256 })).toThrow(
      "at least 257 (256 bytes and 1 special), got 256",
    );
    expect(() => trainTokenizer([], { vocabulary: 300 })).toThrow("hold no words");
  });
});

describe("loadTokenizer", () => {
  it("encodes as @huggingface/tokenizers does", () => {
    for (const sample of samples)
      expect([...tokenizer.encode(sample)]).toEqual(library.encode(sample, { add_special_tokens: false }).ids);
  });

  it("gives back every text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (sample) => {
        expect(tokenizer.decode(tokenizer.encode(sample))).toBe(sample);
      }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("'s", " ", "\n", "the", "é", "9", "<|endoftext", "\u0000", "🐋")),
        (parts) => {
          expect(tokenizer.decode(tokenizer.encode(parts.join("")))).toBe(parts.join(""));
        },
      ),
    );
  });

  it("has the end of a text as a token of its own, which decodes to nothing", () => {
    expect(tokenizer.vocabularySize).toBe(600);
    expect(tokenizer.endOfText).toBe(599);
    expect([...tokenizer.encode("a<|endoftext|>b")]).toEqual([97, 599, 98]);
    expect(tokenizer.decode([97, 599])).toBe("a");
  });

  it("leaves other kinds to the library", async () => {
    const vocab = { "[UNK]": 0, whale: 1, white: 2, the: 3 };
    const other = { model: { type: "WordLevel", vocab }, pre_tokenizer: { type: "Nonsense" } };
    await expect(loadTokenizer(other as TokenizerFile)).rejects.toThrow("the tokenizer cannot be used");
    const pieces = {
      added_tokens: [],
      normalizer: { type: "Lowercase" },
      pre_tokenizer: { type: "Whitespace" },
      decoder: { type: "WordPiece", prefix: "##", cleanup: true },
      model: {
        type: "WordPiece",
        vocab,
        unk_token: "[UNK]",
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
      },
    };
    const loaded = await loadTokenizer(pieces);
    expect([...loaded.encode("The white Whale")]).toEqual([3, 2, 1]);
  });

  it("reads a file, and says in one sentence what is wrong with one", async () => {
    const folder = await mkdtemp(join(tmpdir(), "fourward-tokenizer-"));
    const path = join(folder, "tokenizer.json");
    await writeFile(path, JSON.stringify(json));
    expect([...(await loadTokenizer(path)).encode("the")]).toEqual([...tokenizer.encode("the")]);
    await writeFile(path, "not json");
    await expect(loadTokenizer(path)).rejects.toThrow("it is not JSON");
    await writeFile(path, "{}");
    await expect(loadTokenizer(path)).rejects.toThrow("no model with a vocabulary");
    await expect(loadTokenizer(join(folder, "none.json"))).rejects.toThrow(/none\.json/);
  });

  const gpt2 = process.env.FOURWARD_DATA && join(process.env.FOURWARD_DATA, "gpt2-tokenizer");
  it.skipIf(!gpt2 || !existsSync(gpt2))("encodes as GPT-2 does (needs its vocabulary in FOURWARD_DATA)", async () => {
    const read = (name: string) => readFileSync(join(gpt2 as string, name), "utf8");
    const merges = read("vocab.bpe").split("\n").slice(1).filter(Boolean);
    const bytes = { type: "ByteLevel", add_prefix_space: false, use_regex: true };
    const file = {
      pre_tokenizer: bytes,
      decoder: bytes,
      model: { type: "BPE", vocab: JSON.parse(read("encoder.json")), merges },
    };
    const loaded = await loadTokenizer(file as TokenizerFile);
    // Published figures: the first example of the reference implementation's documentation.
    expect([...loaded.encode("Hello world")]).toEqual([15496, 995]);
    expect([...loaded.encode(" Hello world")]).toEqual([18435, 995]);
    expect(loaded.vocabularySize).toBe(50257);
    expect(loaded.endOfText).toBe(50256);
  });
});
