/** The tokenizer of a model's folder, from the files that its publishers have put there. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileError } from "../../data/index.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";
import type { TokenizerFile } from "./train.ts";

/** Vocabulary and merges of byte-level byte-pair encodings, under the names that GPT-2 has had. */
const pairs = [
  ["vocab.json", "merges.txt"],
  ["encoder.json", "vocab.bpe"],
] as const;

/**
 * The tokenizer of a folder: `tokenizer.json`, or the vocabulary and merges of older checkpoints; what
 * `tokenizer_config.json` says of the beginning of texts holds for both. Null if there are no such files. `ends` are the
 * tokens at which texts end, where the model says so. Throws one sentence if a file is damaged.
 */
export async function folderTokenizer(folder: string, ends: readonly number[] = []): Promise<Tokenizer | null> {
  const file = join(folder, "tokenizer.json");
  const pair = pairs.map((names) => names.map((name) => join(folder, name))).find((paths) => paths.every(existsSync));
  if (!existsSync(file) && !pair) return null;
  const settings = existsSync(join(folder, "tokenizer_config.json"))
    ? ((await readJson(join(folder, "tokenizer_config.json"))) as Settings)
    : {};
  const json = existsSync(file)
    ? ((await readJson(file)) as TokenizerFile)
    : await fromPair(pair as readonly string[] as readonly [string, string], settings);
  return loadTokenizer(withBeginning(json, settings), { name: existsSync(file) ? file : (pair?.[0] as string), ends });
}

type Named = string | { readonly content?: unknown } | null;
interface Settings {
  readonly add_bos_token?: unknown;
  readonly bos_token?: Named;
  readonly eos_token?: Named;
  readonly unk_token?: Named;
  readonly pad_token?: Named;
}

const nameOf = (token: Named | undefined): string | undefined => {
  const content = typeof token === "object" ? token?.content : token;
  return typeof content === "string" ? content : undefined;
};

async function fromPair(
  [vocabPath, mergesPath]: readonly [string, string],
  settings: Settings,
): Promise<TokenizerFile> {
  const vocab = (await readJson(vocabPath)) as { readonly [token: string]: number };
  const lines = (await readText(mergesPath)).split("\n").map((line) => line.replace(/\r$/, ""));
  const merges = lines.filter((line) => line !== "" && !line.startsWith("#version"));
  const { bos_token, eos_token, unk_token, pad_token } = settings;
  const special = [bos_token, eos_token, unk_token, pad_token].map(nameOf);
  const names = new Set([...special, "<|endoftext|>", "<s>", "</s>", "<pad>", "<unk>"]);
  return {
    added_tokens: [...names].flatMap((content) =>
      content !== undefined && typeof vocab === "object" && vocab !== null && Object.hasOwn(vocab, content)
        ? [{ id: vocab[content] as number, content, special: true }]
        : [],
    ),
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: "BPE", vocab, merges },
  };
}

/** What stands before a text is part of the tokenizer itself where the settings ask for it. */
function withBeginning(json: TokenizerFile, { add_bos_token, bos_token }: Settings): TokenizerFile {
  const name = nameOf(bos_token);
  if (add_bos_token === false) return { ...json, post_processor: null };
  if (add_bos_token !== true || name === undefined || typeof json !== "object" || json === null) return json;
  const added = Array.isArray(json.added_tokens) ? json.added_tokens : [];
  const id = added.find((token) => token?.content === name)?.id ?? json.model?.vocab?.[name];
  if (typeof id !== "number") return json;
  return {
    ...json,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: name, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [],
      special_tokens: { [name]: { id: name, ids: [id], tokens: [name] } },
    },
  };
}

const readText = (path: string): Promise<string> =>
  readFile(path, "utf8").catch((error: unknown) => {
    throw fileError("read", path, error);
  });

/** The content of a file, which must be an object. */
async function readJson(path: string): Promise<object> {
  const text = await readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`read ${path}: it is not JSON; is it a file of a tokenizer?`);
  }
  if (typeof value === "object" && value !== null) return value;
  throw new Error(`read ${path}: it is not a JSON object; is it a file of a tokenizer?`);
}
