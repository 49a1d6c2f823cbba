import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, open, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Corpus, loadCorpus } from "../../../src/data/index.ts";

const folder = await mkdtemp(join(tmpdir(), "fourward-corpus-"));
const write = async (name: string, content: string | Uint8Array): Promise<string> => {
  const path = join(folder, name);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, content);
  return path;
};
const sizeOf = (texts: readonly string[]): number => texts.reduce((total, text) => total + text.length, 0);
const parts = ["train", "validation", "test"] as const;

describe("books-and-speeches", async () => {
  const corpus = await loadCorpus("books-and-speeches");

  it("holds the whole book and all addresses, most of it for training", () => {
    expect(parts.map((part) => corpus[part].length).reduce((a, b) => a + b)).toBe(138 + 233);
    expect(corpus.train[2]).toMatch(/^CHAPTER 1\. Loomings\.\nCall me Ishmael\./);
    expect(sizeOf(corpus.train)).toBeGreaterThan(10e6);
    for (const part of ["validation", "test"] as const) {
      expect(sizeOf(corpus[part])).toBeGreaterThan(0.05 * sizeOf(corpus.train));
      expect(corpus[part].some((text) => text.startsWith("CHAPTER"))).toBe(true);
    }
  });

  it("is cut as it always was, to the byte: figures of models that were trained on it depend on this", () => {
    const bytes = parts.map((part) => corpus[part].reduce((total, text) => total + Buffer.byteLength(text), 0));
    expect(bytes).toEqual([10_487_985, 693_967, 789_867]);
    expect(parts.map((part) => corpus[part].length)).toEqual([323, 24, 24]);
  });

  it("shares next to nothing between its parts", () => {
    const runs = (text: string): string[] => {
      const words = text.toLowerCase().split(/\W+/);
      return words.slice(0, -20).map((_, i) => words.slice(i, i + 20).join(" "));
    };
    const seen = new Set(corpus.train.flatMap(runs));
    for (const part of ["validation", "test"] as const) {
      const own = corpus[part].flatMap(runs);
      expect(own.filter((run) => seen.has(run)).length / own.length).toBeLessThan(0.003);
    }
  });
});

describe("the user's own text", () => {
  const lines = Array.from({ length: 400 }, (_, i) => `line ${i} of a text\n`);
  const joined = ({ train, validation, test }: Corpus): string => [...train, ...validation, ...test].join("");

  it("is cut by position at ends of lines, if it is one file", async () => {
    const corpus = await loadCorpus(await write("one.txt", lines.join("")));
    expect(joined(corpus)).toBe(lines.join(""));
    for (const part of parts) expect(corpus[part].join("")).toMatch(/^line .*\n$/s);
    expect(corpus.train.join("").length / lines.join("").length).toBeCloseTo(0.9, 1);
  });

  it("is cut between words, if it has no lines", async () => {
    const text = "word ".repeat(2000);
    const corpus = await loadCorpus(await write("long.txt", text));
    expect(joined(corpus)).toBe(text);
    expect(corpus.validation.join("")).toMatch(/^word /);
  });

  it("is cut between letters, if it has no blanks either", async () => {
    const text = "鯨𓆟".repeat(700);
    const corpus = await loadCorpus(await write("blankless.txt", text));
    expect(joined(corpus)).toBe(text);
    for (const part of parts) expect(corpus[part].join("")).toMatch(/^[鯨𓆟]+$/u);
    expect(corpus.train.join("").length / text.length).toBeCloseTo(0.9, 2);
  });

  it("goes by file, if it is a folder, and a file keeps its part when others come", async () => {
    for (let i = 0; i < 80; i++) await write(`many/deep/${i}.txt`, `text number ${i}`);
    await write("many/other.bin", Uint8Array.of(0, 1));
    const before = await loadCorpus(join(folder, "many"));
    expect(before.train.length + before.validation.length + before.test.length).toBe(80);
    for (const part of parts) expect(before[part].length).toBeGreaterThan(0);
    await write("many/more.md", "one more");
    const after = await loadCorpus(join(folder, "many"));
    for (const part of parts) for (const text of before[part]) expect(after[part]).toContain(text);
  });

  it("is cut by position, if a folder has too few files for three parts", async () => {
    await write("few/a.txt", lines.join(""));
    const corpus = await loadCorpus(join(folder, "few"));
    for (const part of parts) expect(corpus[part].join("").length).toBeGreaterThan(0);
  });

  it("is refused in one sentence when it is none", async () => {
    const refused = async (path: string, message: string) => expect(loadCorpus(path)).rejects.toThrow(message);
    await refused(await write("empty.txt", ""), "the file is empty");
    await refused(await write("blank.txt", " \n\n "), "nothing but blanks");
    await refused(await write("binary.txt", Uint8Array.of(80, 75, 0, 4)), "zero bytes, so it is not text");
    await refused(await write("latin1.txt", Uint8Array.of(0x63, 0x61, 0x66, 0xe9, 0x20)), "not UTF-8 text");
    await refused(await write("short.txt", "one"), "too few to be cut into three parts");
    await mkdir(join(folder, "none"), { recursive: true });
    await refused(join(folder, "none"), "no .txt or .md file");
    await mkdir(join(folder, "broken"), { recursive: true });
    await symlink(join(folder, "gone"), join(folder, "broken/link.txt"));
    await refused(join(folder, "broken"), "link.txt: no such file");
    const large = await open(join(folder, "large.txt"), "w");
    // Takes no room on the disk.
    await large.truncate(600e6);
    await large.close();
    await refused(join(folder, "large.txt"), "600 MB are too many for one file");
    await refused("wikitex", "the known corpora are books-and-speeches");
  });

  it.skipIf(process.platform === "win32")("is not read from pipes and devices, which may have no end", async () => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    for (const path of [join(folder, "pipe"), "/dev/zero"])
      await expect(loadCorpus(path)).rejects.toThrow(
        /^read \S+: it is a device or a pipe; write its text to a file first$/,
      );
  });
});
