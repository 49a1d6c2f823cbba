/** What a model's folder says about tokens that are no text: where texts begin and end, and how a chat is written. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileError } from "../../data/index.ts";
import type { Tokenizer } from "../tokenizer/index.ts";

export interface SpecialTokens {
  /** The token that stands before every prompt; null if none does. */
  readonly begin: number | null;
  /** Tokens that end what the model says. */
  readonly ends: readonly number[];
  /** Special tokens as they are written, by the names that templates have for them: `bos_token`, `eos_token`, … */
  readonly names: { readonly [name: string]: string };
  /** The template of a chat, in Jinja. */
  readonly chatTemplate?: string;
}

type Fields = { readonly [field: string]: unknown };

/**
 * Reads `generation_config.json`, `config.json`, `tokenizer_config.json`, `special_tokens_map.json` and
 * `chat_template.jinja` of a folder, those that are there. Throws one sentence if one of them is damaged.
 */
export async function loadSpecialTokens(folder: string, tokenizer: Tokenizer): Promise<SpecialTokens> {
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
  const tokenOf = (text: string | undefined): number | null => {
    const tokens = text === undefined ? [] : tokenizer.encode(text);
    return tokens.length === 1 ? (tokens[0] as number) : null;
  };
  const inVocabulary = (token: unknown): token is number =>
    Number.isInteger(token) && (token as number) >= 0 && (token as number) < tokenizer.vocabularySize;
  const ends = [generation.eos_token_id ?? config.eos_token_id, tokenOf(names.eos_token)].flat().filter(inVocabulary);
  if (ends.length === 0) ends.push(...tokenizer.ends);
  const begins = settings.add_bos_token === true || beginsWithSpecial(tokenizer.json);
  const begin = tokenOf(names.bos_token) ?? [config.bos_token_id].find(inVocabulary) ?? tokenizer.beginning[0] ?? null;
  const template = await chatTemplate(folder, settings.chat_template);
  return {
    begin: begins ? begin : null,
    ends: [...new Set(ends)],
    names,
    ...(template === undefined ? {} : { chatTemplate: template }),
  };
}

/** Whether `tokenizer.json` puts a special token before a text. */
function beginsWithSpecial(json: unknown): boolean {
  const { post_processor: processor } = json as { readonly post_processor?: unknown };
  const steps = (processor as { processors?: unknown[] } | null)?.processors ?? [processor];
  return steps.some((step) => {
    const { type, single } = (step ?? {}) as { type?: unknown; single?: readonly Fields[] };
    return type === "TemplateProcessing" && single?.[0] !== undefined && "SpecialToken" in single[0];
  });
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
  return existsSync(path) ? readText(path) : undefined;
}

async function readFields(path: string): Promise<Fields> {
  if (!existsSync(path)) return {};
  const text = await readText(path);
  try {
    const fields: unknown = JSON.parse(text);
    if (typeof fields === "object" && fields !== null) return fields as Fields;
  } catch {
    // Said below.
  }
  throw new Error(`read ${path}: it is not a JSON object`);
}

const readText = (path: string): Promise<string> =>
  readFile(path, "utf8").catch((error: unknown) => {
    throw fileError("read", path, error);
  });
