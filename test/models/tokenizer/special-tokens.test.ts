import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  folderTokenizer,
  loadChatFormat,
  modelFolder,
  type Tokenizer,
  trainTokenizer,
} from "../../../src/models/index.ts";
import { promptTokens } from "../../../src/serve/index.ts";

const json = trainTokenizer(["the whale"], { vocabulary: 262 });
const added = (content: string, id: number) => ({ content, id, special: true });
const more = ["<s>", "</s>", "<|im_end|>"].map((content, i) => added(content, 300 + i));
const file = { ...json, added_tokens: [...(json.added_tokens ?? []), ...more] };
const [BEGIN, END, TURN] = [300, 301, 302];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "special-"));
  await write({ "tokenizer.json": file });
});
afterEach(() => rm(folder, { recursive: true }));
const write = (files: object) =>
  Promise.all(
    Object.entries(files).map(([name, value]) =>
      writeFile(join(folder, name), typeof value === "string" ? value : JSON.stringify(value)),
    ),
  );
const load = async () => (await folderTokenizer(folder)) as Tokenizer;

it("takes the usual end of a text where a folder says nothing", async () => {
  const { beginning, ends, endOfText } = await load();
  const usual = json.added_tokens?.[0]?.id;
  expect([beginning, ends, endOfText]).toEqual([[], [usual], usual]);
  expect(await loadChatFormat(folder)).toEqual({ names: {} });
});

it("ends at all tokens that the folder names, those of generation before those of the model", async () => {
  await write({
    "config.json": { eos_token_id: 5, bos_token_id: BEGIN },
    "generation_config.json": { eos_token_id: [END, TURN, 99_999] },
    "tokenizer_config.json": { eos_token: { content: "</s>" }, bos_token: "<s>", chat_template: "{{ eos_token }}" },
  });
  const tokenizer = await load();
  // Nothing says that texts begin with the token of the beginning.
  expect([tokenizer.beginning, tokenizer.ends, tokenizer.endOfText]).toEqual([[], [END, TURN], END]);
  expect(await loadChatFormat(folder)).toEqual({
    names: { bos_token: "<s>", eos_token: "</s>" },
    chatTemplate: "{{ eos_token }}",
  });
  await write({ "generation_config.json": {} });
  expect((await load()).ends).toEqual([5, END]);
});

it("begins texts with a token where the settings or the tokenizer do", async () => {
  await write({ "special_tokens_map.json": { bos_token: "<s>" }, "tokenizer_config.json": { add_bos_token: true } });
  const tokenizer = await load();
  expect(tokenizer.beginning).toEqual([BEGIN]);
  const plain = [...tokenizer.encode("the whale")];
  expect(promptTokens({ tokenizer }, "the whale")).toEqual([BEGIN, ...plain]);
  // A template may have written it.
  expect(promptTokens({ tokenizer }, "<s>the whale")).toEqual([BEGIN, ...plain]);
  expect(promptTokens({ tokenizer }, "")).toEqual([BEGIN]);
  await write({ "tokenizer_config.json": {} });
  expect((await load()).beginning).toEqual([]);
  // Only the model's number of it is known.
  await write({
    "special_tokens_map.json": {},
    "tokenizer_config.json": { add_bos_token: true },
    "config.json": { bos_token_id: BEGIN },
  });
  expect((await load()).beginning).toEqual([BEGIN]);
  const single = [{ SpecialToken: { id: "<s>" } }, { Sequence: { id: "A" } }];
  const processor = { type: "Sequence", processors: [{ type: "ByteLevel" }, { type: "TemplateProcessing", single }] };
  await write({ "tokenizer_config.json": {}, "tokenizer.json": { ...file, post_processor: processor } });
  expect((await load()).beginning).toEqual([BEGIN]);
  await write({ "tokenizer_config.json": { add_bos_token: false } });
  expect((await load()).beginning).toEqual([]);
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
  expect((await loadChatFormat(folder)).chatTemplate).toBe("b");
  await write({ "tokenizer_config.json": {}, "chat_template.jinja": "c" });
  expect((await loadChatFormat(folder)).chatTemplate).toBe("c");
});

it("says which file is damaged", async () => {
  await write({ "generation_config.json": "{" });
  await expect(load()).rejects.toThrow(/read .*generation_config.json: it is not JSON; is it a file of a model\?/);
  await write({ "generation_config.json": "[]" });
  await expect(load()).rejects.toThrow(
    /read .*generation_config.json: it is not a JSON object; is it a file of a model\?/,
  );
});

it("knows where the embedded model's texts end", async () => {
  expect((await folderTokenizer(modelFolder("fourward-4m")))?.ends).toEqual([4095]);
});
