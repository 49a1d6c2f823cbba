import { existsSync } from "node:fs";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { loadPretrained } from "../../src/models/index.ts";
import { type BestScore, type Recipe, readRecipe, trainRecipe } from "../../src/train/index.ts";

const folder = await mkdtemp(join(tmpdir(), "fourward-recipe-"));
beforeAll(async () => {
  const sentences = ["the whale swims in the sea.", "a ship sails on the water.", "the captain sees a white whale."];
  const text = Array.from({ length: 900 }, (_, i) => sentences[(i * 7 + (i >> 2)) % 3]).join("\n");
  await writeFile(join(folder, "text.txt"), text);
});
const recipe = (training: Partial<Recipe["training"]> = {}): Recipe => ({
  corpus: join(folder, "text.txt"),
  tokenizer: { vocabulary: 300 },
  model: {
    context: 16,
    width: 16,
    positions: "learned",
    dropout: 0.1,
    blocks: [[{ mixer: { kind: "attention", heads: 2 } }, { ffn: { kind: "dense", hidden: 32, activation: "relu" } }]],
  },
  training: { steps: 30, batch: 4, rate: 1e-2, evaluateEvery: 10, ...training },
});
const bytes = (name: string, file: string): Promise<Buffer> => readFile(join(folder, name, file));

describe("trainRecipe", () => {
  it("keeps the model with the best score, in a form that loads", async () => {
    const scores: (BestScore & { isBest: boolean })[] = [];
    const result = await trainRecipe(recipe(), { out: join(folder, "whole"), onScore: (score) => scores.push(score) });
    expect(result).toMatchObject({ step: 30, stopped: false });
    expect(scores.map(({ step }) => step)).toEqual([10, 20, 30]);
    expect(result.best?.loss).toBe(Math.min(...scores.map(({ loss }) => loss)));
    expect(result.test?.perplexity).toBeLessThan(100);
    const { model, tokenizer } = await loadPretrained(join(folder, "whole"));
    expect(model.config.width).toBe(16);
    expect(tokenizer?.vocabularySize).toBe(model.config.vocabulary);
  });

  it("ends with the same bytes when it was stopped and resumed", async () => {
    const abort = new AbortController();
    const out = join(folder, "resumed");
    const first = await trainRecipe(recipe(), {
      out,
      signal: abort.signal,
      onProgress: ({ step }) => {
        if (step >= 13) abort.abort();
      },
    });
    expect(first.stopped).toBe(true);
    expect(first.test).toBeNull();
    const starts: boolean[] = [];
    const second = await trainRecipe(recipe(), { out, onStart: ({ resumed }) => starts.push(resumed) });
    expect(starts).toEqual([true]);
    expect(second).toMatchObject({ step: 30, stopped: false });
    for (const file of ["model.safetensors", "config.json", "tokenizer.json", "training/checkpoint.safetensors"])
      expect((await bytes("resumed", file)).equals(await bytes("whole", file)), file).toBe(true);
  });

  it("ends when scores stop improving", async () => {
    // At such a learning rate the model soon gets worse.
    const result = await trainRecipe(
      recipe({ steps: 400, rate: 3, clip: 1e9, evaluateEvery: 5, patience: 2, weightDecay: 0 }),
      {
        out: join(folder, "patient"),
      },
    );
    expect(result.step).toBeLessThan(400);
    expect(result.stopped).toBe(false);
    expect(result.step).toBe((result.best as BestScore).step + 10);
  });

  it("refuses to go on with another recipe, unless it may begin anew", async () => {
    const out = join(folder, "whole");
    await expect(trainRecipe(recipe({ steps: 31 }), { out })).rejects.toThrow("holds a run of another recipe");
    const result = await trainRecipe(recipe({ steps: 10 }), { out, fresh: true });
    expect(result.step).toBe(10);
  });

  it("says in one sentence that the corpus is smaller than one context", async () => {
    await writeFile(join(folder, "tiny.txt"), "one two three\n".repeat(8));
    const small = { ...recipe(), corpus: join(folder, "tiny.txt"), model: { ...recipe().model, context: 512 } };
    await expect(trainRecipe(small, { out: join(folder, "small") })).rejects.toThrow("shorter than one window of 512");
  });
});

describe("readRecipe", () => {
  it("says in one sentence what is wrong with a file", async () => {
    const path = join(folder, "recipe.json");
    const refused = async (value: unknown, message: string | RegExp) => {
      await writeFile(path, typeof value === "string" ? value : JSON.stringify(value));
      await expect(readRecipe(path)).rejects.toThrow(message);
    };
    await refused("{", "it is not JSON");
    await refused({ ...recipe(), training: { ...recipe().training, steps: 0 } }, /recipe\.json: training\.steps: /);
    await refused({ ...recipe(), colour: 1 }, /colour/);
    const model = { ...recipe().model, blocks: [[{ ffn: { kind: "wide" } }]] };
    await refused(
      { ...recipe(), model },
      /model\.blocks\[0\]\[0\]\.ffn(\.kind)?: unknown FFN "wide"; known are dense,/,
    );
    await expect(readRecipe(join(folder, "none.json"))).rejects.toThrow(/none\.json/);
    expect(existsSync(path)).toBe(true);
  });
});
