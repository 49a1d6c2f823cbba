import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { loadSpecialTokens, loadTokenizer, modelFolder, trainTokenizer } from "../../../src/models/index.ts";
import { promptTokens } from "../../../src/serve/index.ts";

const json = trainTokenizer(["the whale"], { vocabulary: 262 });
const added = (content: string, id: number) => ({ content, id, special: true });
const more = ["<s>", "</s>", "<|im_end|>"].map((content, i) => added(content, 300 + i));
const tokenizer = await loadTokenizer({ ...json, added_tokens: [...(json.added_tokens ?? []), ...more] } as never);
const [BEGIN, END, TURN] = [300, 301, 302];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "special-"));
});
afterEach(() => rm(folder, { recursive: true }));
const write = (files: object) =>
  Promise.all(
    Object.entries(files).map(([name, value]) =>
      writeFile(join(folder, name), typeof value === "string" ? value : JSON.stringify(value)),
    ),
  );
const load = () => loadSpecialTokens(folder, tokenizer);

it("takes the tokenizer's end of a text where a folder says nothing", async () => {
  expect(await load()).toEqual({ begin: null, ends: [tokenizer.endOfText], names: {} });
});

it("ends at all tokens that the folder names, those of generation before those of the model", async () => {
  await write({
    "config.json": { eos_token_id: 5, bos_token_id: BEGIN },
    "generation_config.json": { eos_token_id: [END, TURN, 99_999] },
    "tokenizer_config.json": { eos_token: { content: "</s>" }, bos_token: "<s>", chat_template: "{{ eos_token }}" },
  });
  // Nothing says that texts begin with it.
  expect(await load()).toEqual({
    begin: null,
    ends: [END, TURN],
    names: { bos_token: "<s>", eos_token: "</s>" },
    chatTemplate: "{{ eos_token }}",
  });
  await write({ "generation_config.json": {} });
  expect((await load()).ends).toEqual([5, END]);
});

it("begins texts with a token where the settings or the tokenizer do", async () => {
  await write({ "special_tokens_map.json": { bos_token: "<s>" }, "tokenizer_config.json": { add_bos_token: true } });
  const special = await load();
  expect(special.begin).toBe(BEGIN);
  const model = { tokenizer, special };
  const plain = [...tokenizer.encode("the whale")];
  expect(promptTokens(model, "the whale")).toEqual([BEGIN, ...plain]);
  // A template may have written it.
  expect(promptTokens(model, "<s>the whale")).toEqual([BEGIN, ...plain]);
  expect(promptTokens(model, "")).toEqual([BEGIN]);
  await write({ "tokenizer_config.json": {} });
  expect((await load()).begin).toBeNull();
  const single = [{ SpecialToken: { id: "<s>" } }, { Sequence: { id: "A" } }];
  const processor = { type: "Sequence", processors: [{ type: "ByteLevel" }, { type: "TemplateProcessing", single }] };
  const beginning = { ...tokenizer, json: { ...tokenizer.json, post_processor: processor } } as typeof tokenizer;
  expect((await loadSpecialTokens(folder, beginning)).begin).toBe(BEGIN);
});

it("finds a template among several, and in a file of its own", async () => {
  await write({
    "tokenizer_config.json": {
      chat_template: [
        { name: "tool_use", template: "a" },
        { name: "default", template: "b" },
      ],
    },
  });
  expect((await load()).chatTemplate).toBe("b");
  await write({ "tokenizer_config.json": {}, "chat_template.jinja": "c" });
  expect((await load()).chatTemplate).toBe("c");
});

it("says which file is damaged", async () => {
  await write({ "generation_config.json": "{" });
  await expect(load()).rejects.toThrow(/read .*generation_config.json: it is not a JSON object/);
});

it("knows where the embedded model's texts end", async () => {
  const own = modelFolder("fourward-4m");
  expect((await loadSpecialTokens(own, await loadTokenizer(join(own, "tokenizer.json")))).ends).toEqual([4095]);
});
