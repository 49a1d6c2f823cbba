/** What a model's folder says about tokens that are no text: where texts begin and end, and how a chat is written. */
import { existsSync, join } from "#platform";
import { readJsonObject, readTextFile } from "../../data/index.ts";
import type { TokenizerFile } from "./train.ts";

/** Names that a model's folder has for its tokens, and how it writes a chat. */
export interface ChatFormat {
  /** Special tokens as they are written, by the names that templates have for them: `bos_token`, `eos_token`, … */
  readonly names: { readonly [name: string]: string };
  /** The template of a chat, in Jinja. */
  readonly chatTemplate?: string;
}

type Fields = { readonly [field: string]: unknown };

/** What a folder says, not yet looked up in a vocabulary. */
export interface FolderTokens {
  readonly names: ChatFormat["names"];
  /** Whether a token stands before every text; undefined where that is left to the tokenizer. */
  readonly begins: boolean | undefined;
  /** `bos_token_id` of the model. */
  readonly begin: unknown;
  /** `eos_token_id` of generation, or else of the model. */
  readonly ends: unknown;
  /** `chat_template` of the tokenizer's settings. */
  readonly template: unknown;
}

/**
 * Reads `generation_config.json`, `config.json`, `tokenizer_config.json` and `special_tokens_map.json` of a folder, those
 * that are there. Throws one sentence if one of them is damaged.
 */
export async function readFolderTokens(folder: string): Promise<FolderTokens> {
  const [generation, config, settings, map] = (await Promise.all(
    ["generation_config.json", "config.json", "tokenizer_config.json", "special_tokens_map.json"].map((name) =>
      readFields(join(folder, name)),
    ),
  )) as [Fields, Fields, Fields, Fields];
  const names: Record<string, string> = {};
  for (const fields of [map, settings])
    for (const [name, value] of Object.entries(fields)) {
      const text = name.endsWith("_token") ? contentOf(value) : undefined;
      if (text !== undefined) names[name] = text;
    }
  return {
    names,
    begins: typeof settings.add_bos_token === "boolean" ? settings.add_bos_token : undefined,
    begin: config.bos_token_id,
    ends: generation.eos_token_id ?? config.eos_token_id,
    template: settings.chat_template,
  };
}

/** How a folder writes a chat: names for its special tokens, and a template. Throws one sentence if a file is damaged. */
export async function loadChatFormat(folder: string): Promise<ChatFormat> {
  const { names, template } = await readFolderTokens(folder);
  const text = await chatTemplate(folder, template);
  return { names, ...(text === undefined ? {} : { chatTemplate: text }) };
}

/** The number of a token of this text in a `tokenizer.json`; undefined if there is none. */
export function tokenNamed(json: TokenizerFile, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const id = addedIn(json).find((token) => token?.content === text)?.id;
  const vocab: unknown = json.model?.vocab;
  if (id !== undefined || typeof vocab !== "object" || vocab === null) return id;
  if (!Array.isArray(vocab)) return Object.hasOwn(vocab, text) ? (vocab as Record<string, number>)[text] : undefined;
  // Unigram vocabularies are lists of a token and its weight.
  const place = vocab.findIndex((entry) => Array.isArray(entry) && entry[0] === text);
  return place < 0 ? undefined : place;
}

const addedIn = ({ added_tokens: added }: TokenizerFile): NonNullable<TokenizerFile["added_tokens"]> =>
  Array.isArray(added) ? added : [];

const isToken = (token: unknown): token is number => Number.isInteger(token) && (token as number) >= 0;

/** The tokens at which texts end, as a folder says it; none if it does not. */
export const endsIn = (json: TokenizerFile, { ends, names }: FolderTokens): readonly number[] => [
  ...new Set([ends, tokenNamed(json, names.eos_token)].flat().filter(isToken)),
];

/**
 * The tokenizer with what its folder says of the beginning of texts as a part of it, as its post-processor: the token of
 * the settings, or else of the model, where the settings ask for one; none where they ask for none.
 */
export function withBeginning(json: TokenizerFile, { begins, begin, names }: FolderTokens): TokenizerFile {
  if (begins === undefined) return json;
  if (!begins) return { ...json, post_processor: null };
  const id = tokenNamed(json, names.bos_token) ?? (isToken(begin) ? begin : undefined);
  if (id === undefined) return json;
  const name = names.bos_token ?? addedIn(json).find((token) => token?.id === id)?.content ?? String(id);
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

/** The special tokens that a `tokenizer.json` puts before a text. */
export function beginningOf(json: TokenizerFile, processor: unknown = json.post_processor): readonly number[] {
  type Piece = { readonly SpecialToken?: { readonly id: string }; readonly Sequence?: unknown };
  const { type, processors, single, special_tokens } = (processor ?? {}) as {
    readonly type?: string;
    readonly processors?: readonly unknown[];
    readonly single?: readonly Piece[];
    readonly special_tokens?: { readonly [name: string]: { readonly ids: readonly number[] } };
  };
  if (type === "Sequence") return (processors ?? []).flatMap((each) => beginningOf(json, each ?? {}));
  if (type !== "TemplateProcessing" || !Array.isArray(single)) return [];
  const text = single.findIndex((piece) => piece.Sequence !== undefined);
  return single
    .slice(0, Math.max(0, text))
    .flatMap(({ SpecialToken: { id } = { id: "" } }: Piece): readonly unknown[] => {
      return special_tokens?.[id]?.ids ?? [tokenNamed(json, id)];
    })
    .filter(isToken);
}

/** A special token is written as text or as an object with its text. */
function contentOf(value: unknown): string | undefined {
  const content = typeof value === "object" && value !== null ? (value as Fields).content : value;
  return typeof content === "string" ? content : undefined;
}

/** A template by itself, the one called `default` of several, or a file of its own. */
async function chatTemplate(folder: string, given: unknown): Promise<string | undefined> {
  if (typeof given === "string") return given;
  if (Array.isArray(given)) {
    const named = given as readonly { readonly name?: unknown; readonly template?: unknown }[];
    const chosen = named.find(({ name }) => name === "default") ?? named[0];
    if (typeof chosen?.template === "string") return chosen.template;
  }
  const path = join(folder, "chat_template.jinja");
  return existsSync(path) ? readTextFile(path) : undefined;
}

const readFields = async (path: string): Promise<Fields> =>
  existsSync(path) ? readJsonObject(path, "a file of a model") : {};
