/** The tokenizer of a model's folder, from the files that its publishers have put there. */
import { existsSync, join } from "#platform";
import { readJsonObject, readTextFile } from "../../data/index.ts";
import { endsIn, type FolderTokens, readFolderTokens, withBeginning } from "./special-tokens.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";
import type { TokenizerFile } from "./train.ts";

/** What the files should be. */
const KIND = "a file of a tokenizer";

/** Vocabulary and merges of byte-level byte-pair encodings, under the names that GPT-2 has had. */
const pairs = [
  ["vocab.json", "merges.txt"],
  ["encoder.json", "vocab.bpe"],
] as const;

/**
 * The tokenizer of a folder: `tokenizer.json`, or the vocabulary and merges of older checkpoints; with the beginning and
 * the ends of texts that the folder's files say (see `readFolderTokens`). Null if there are no such files. Throws one
 * sentence if a file is damaged.
 */
export async function folderTokenizer(folder: string): Promise<Tokenizer | null> {
  const file = join(folder, "tokenizer.json");
  const pair = pairs.map((names) => names.map((name) => join(folder, name))).find((paths) => paths.every(existsSync));
  if (!existsSync(file) && !pair) return null;
  const said = await readFolderTokens(folder);
  const json = existsSync(file)
    ? ((await readJsonObject(file, KIND)) as TokenizerFile)
    : await fromPair(pair as readonly string[] as readonly [string, string], said);
  return loadTokenizer(withBeginning(json, said), {
    name: existsSync(file) ? file : (pair?.[0] as string),
    ends: endsIn(json, said),
  });
}

async function fromPair(
  [vocabPath, mergesPath]: readonly [string, string],
  { names: said }: FolderTokens,
): Promise<TokenizerFile> {
  const vocab = (await readJsonObject(vocabPath, KIND)) as { readonly [token: string]: number };
  const lines = (await readTextFile(mergesPath)).split("\n").map((line) => line.replace(/\r$/, ""));
  const merges = lines.filter((line) => line !== "" && !line.startsWith("#version"));
  const { bos_token, eos_token, unk_token, pad_token } = said;
  const special = [bos_token, eos_token, unk_token, pad_token];
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
