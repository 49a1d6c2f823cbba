import { appendFile, mkdtemp, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openTokens, tokensWithin, writeTokens } from "../../src/data/index.ts";

const folder = await mkdtemp(join(tmpdir(), "fourward-tokens-"));
const path = (name: string): string => join(folder, name);

it("reads what was written, at every position, with 2 and with 4 bytes", async () => {
  for (const [name, vocabulary, scale] of [
    ["small", 65_536, 13],
    ["large", 200_000, 39],
  ] as const) {
    const tokens = Array.from({ length: 5000 }, (_, i) => (i * scale) % vocabulary);
    expect(await writeTokens(path(name), vocabulary, [tokens.slice(0, 7), [], tokens.slice(7)])).toBe(5000);
    const file = openTokens(path(name));
    expect(file.length).toBe(5000);
    for (const [start, count] of [
      [0, 5000],
      [6, 3],
      [4999, 1],
      [5000, 0],
    ] as const)
      expect([...file.read(start, count)]).toEqual(tokens.slice(start, start + count));
    expect(() => file.read(4999, 2)).toThrow("tokens 4999 to 5001 were asked for, it has 5000");
    file.close();
  }
  const bytes = async (name: string) => (await readFile(path(name))).length;
  expect((await bytes("large")) - (await bytes("small"))).toBe(2 * 5000);
});

it("gives a part of a file as a file", async () => {
  await writeTokens(path("whole"), 100, [Array.from({ length: 100 }, (_, i) => i)]);
  const file = openTokens(path("whole"));
  const part = tokensWithin(file, 20, 30);
  expect(part.length).toBe(30);
  expect([...part.read(0, 3), ...part.read(29, 1)]).toEqual([20, 21, 22, 49]);
  expect(() => part.read(29, 2)).toThrow("expected tokens of the 30 of this part, got 2 from 29 on");
  expect(() => tokensWithin(file, 90, 11)).toThrow("expected a part of the 100 tokens, got 11 from 90 on");
  part.close();
  expect([...file.read(99, 1)]).toEqual([99]);
  file.close();
});

it("refuses tokens beyond the vocabulary and leaves no file", async () => {
  await expect(writeTokens(path("beyond"), 10, [[3, 10]])).rejects.toThrow(
    "token 10 is not below the vocabulary of 10",
  );
  expect(() => openTokens(path("beyond"))).toThrow(/beyond/);
});

it("says in one sentence that a file is truncated or of another kind", async () => {
  await writeTokens(path("cut"), 100, [[1, 2, 3]]);
  await truncate(path("cut"), 50);
  expect(() => openTokens(path("cut"))).toThrow("truncated");
  await writeTokens(path("longer"), 100, [[1, 2, 3]]);
  await appendFile(path("longer"), "x");
  expect(() => openTokens(path("longer"))).toThrow("truncated");
  await writeFile(path("foreign"), "call me Ishmael, and more text than a frame or two of them are long, with a rest");
  expect(() => openTokens(path("foreign"))).toThrow("not a file of tokens");
  await writeFile(path("empty"), "");
  expect(() => openTokens(path("empty"))).toThrow("not a file of tokens");
});
