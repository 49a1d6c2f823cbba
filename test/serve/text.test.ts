import { describe, expect, it } from "vitest";
import { evaluate, key } from "../../src/array/index.ts";
import { type GenerateTextOptions, generateText, generateTexts, type TextPiece } from "../../src/serve/index.ts";
import { tinyModel } from "./tiny-model.ts";

const { model, tokenizer } = await tinyModel({ context: 32 });
const params = await evaluate(model.init(key(0)));

const pieces = async (prompt: string, options: Partial<GenerateTextOptions> = {}): Promise<TextPiece[]> => {
  const all: TextPiece[] = [];
  for await (const piece of generateText({ model, params, tokenizer }, prompt, { maxTokens: 12, seed: 1, ...options }))
    all.push(piece);
  return all;
};
const textOf = (all: readonly TextPiece[]): string => all.map(({ text }) => text).join("");

describe("generateText", () => {
  it("gives pieces that make up the decoded text, never half a character", async () => {
    const all = await pieces("the whale");
    expect(all.at(-1)).toMatchObject({ tokens: 12, finish: "length" });
    // A new model draws bytes almost evenly, so that many are no characters; only the end may hold such.
    for (const { text } of all.slice(0, -1)) expect(text.endsWith("\ufffd")).toBe(false);
    expect(textOf(all).length).toBeGreaterThan(0);
  });

  it("ends before a stop text, wherever pieces are cut", async () => {
    const whole = textOf(await pieces("the whale"));
    for (const [from, to] of [
      [3, 4],
      [2, 6],
      [0, 1],
    ] as const) {
      const stop = whole.slice(from, to);
      const stopped = await pieces("the whale", { stop: [stop, "never occurs"] });
      expect(textOf(stopped)).toBe(whole.slice(0, whole.indexOf(stop)));
      expect(stopped.at(-1)?.finish).toBe("stop");
    }
  });

  it("holds back what could be the beginning of a stop text, and gives it when it is not", async () => {
    const whole = textOf(await pieces("the whale"));
    const all = await pieces("the whale", { stop: [`${whole.slice(1, 4)}\u0001`] });
    expect(textOf(all)).toBe(whole);
  });

  it("keeps the end of a prompt that is too long, and starts from nothing with an empty one", async () => {
    const long = "the sea and the whale ".repeat(20);
    expect((await pieces(long)).at(-1)?.tokens).toBe(12);
    expect((await pieces("")).at(-1)?.tokens).toBeGreaterThan(0);
    expect(textOf(await pieces(`never seen ${long}`))).toBe(textOf(await pieces(long)));
  });

  it("goes on from many prompts, each as if it were alone, and names those that were interrupted", async () => {
    const prompts = Array.from({ length: 7 }, (_, i) => "the whale and the sea ".slice(0, 3 * i));
    const speaking = { model, params, tokenizer };
    const ended: number[] = [];
    const options = { maxTokens: 9, temperature: 1 };
    const onText = (i: number) => ended.push(i);
    const all = await generateTexts(speaking, prompts, { ...options, seed: 5, rows: 3, onText });
    for (const [i, prompt] of prompts.entries())
      expect(await generateTexts(speaking, [prompt], { ...options, seed: 5 + i })).toEqual([all[i]]);
    expect([...ended].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(new Set(all.map(({ text }) => text)).size).toBeGreaterThan(4);
    const stop = all[1]?.text.slice(2, 4) as string;
    const stopped = await generateTexts(speaking, prompts, { ...options, seed: 5, stop: [stop] });
    expect(stopped[1]).toMatchObject({ text: all[1]?.text.slice(0, all[1]?.text.indexOf(stop)), finish: "stop" });
    const signal = AbortSignal.abort();
    const cut = await generateTexts(speaking, prompts, { ...options, signal });
    expect(cut.every(({ text, finish }) => text === "" && finish === "interrupted")).toBe(true);
  });

  it("refuses an empty stop text", async () => {
    await expect(pieces("a", { stop: [""] })).rejects.toThrow("a stop text must not be empty");
  });
});
