import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadCorpus } from "../../src/data/index.ts";
import { corpusTokens, EMBEDDED_MODEL, loadPretrained, modelFolder } from "../../src/models/index.ts";
import { parameterCount } from "../../src/nn/index.ts";
import { generateText } from "../../src/serve/index.ts";
import { scoreLanguageModel } from "../../src/train/index.ts";

const folder = modelFolder(EMBEDDED_MODEL);
const { model, params, tokenizer } = await loadPretrained(folder);
const card = readFileSync(join(folder, "README.md"), "utf8");
const figure = (name: string): number =>
  Number(new RegExp(`\\| ${name} \\| ([\\d,.]+)`).exec(card)?.[1]?.replaceAll(",", ""));

describe("the embedded model", () => {
  it("is small enough for a repository, and of the form that its card says", () => {
    const files = ["config.json", "model.safetensors", "tokenizer.json", "README.md"];
    const bytes = files.reduce((total, name) => total + statSync(join(folder, name)).size, 0);
    expect(bytes).toBeLessThan(15e6);
    expect(figure("parameters")).toBe(parameterCount(params));
    expect(JSON.parse(readFileSync(join(folder, "config.json"), "utf8"))).toMatchObject({
      model_type: "gpt2",
      activation_function: "relu",
      torch_dtype: "float16",
    });
  });

  it("has the perplexity of its card on a part of the validation text", async () => {
    if (!tokenizer) throw new Error("no tokenizer");
    const text = await corpusTokens(await loadCorpus("books-and-speeches"), { tokenizer });
    const { perplexity } = await scoreLanguageModel(model, params, text.validation, { context: 256, windows: 32 });
    text.close();
    expect(perplexity / figure("perplexity, 32 windows of validation text")).toBeCloseTo(1, 3);
  });

  it("goes on in English words", async () => {
    if (!tokenizer) throw new Error("no tokenizer");
    let text = "";
    for await (const piece of generateText({ model, params, tokenizer }, "The whale", {
      maxTokens: 80,
      temperature: 0.7,
      seed: 1,
    }))
      text += piece.text;
    const seen = new Set(
      (await loadCorpus("books-and-speeches")).train
        .join(" ")
        .toLowerCase()
        .match(/[a-z]+/g),
    );
    const words = text.toLowerCase().match(/[a-z]+/g) ?? [];
    expect(words.length).toBeGreaterThan(30);
    expect(words.filter((word) => seen.has(word)).length / words.length).toBeGreaterThan(0.9);
  });
});
